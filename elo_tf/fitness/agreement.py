"""How much two clusterings of the same videos have in common.

A score that needs no labels and that a collapsed tower cannot fool: do clusters of the RGB embedding say anything about
clusters of another modality's plain descriptors?
"""

import numpy as np

_ABSENT = -1


def normalised_mutual_information(assignment: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Mutual information divided by the mean of the two entropies, for each of R clusterings.

    Departure from scikit-learn: two constant clusterings score 0 and not 1, because they agree on nothing.

    Args:
      assignment: [R,N] integers >= 0.
      reference: [N], or [R,N] for one reference a clustering; integers >= 0, or -1 for a video that has none (it lacks
        the modality) and is left out.

    Returns:
      [R] float64 in [0,1]; 0 where either clustering is constant.

    Raises:
      ValueError: the shapes do not fit each other.
    """
    assignment, reference = np.asarray(assignment), np.asarray(reference)
    if assignment.ndim != 2 or reference.shape not in (assignment.shape, assignment.shape[1:]):
        raise ValueError(f"assignments {assignment.shape} and references {reference.shape} do not fit")
    reference = np.broadcast_to(reference, assignment.shape)
    return np.array([_one(own, other) for own, other in zip(assignment, reference)])


def _one(assignment: np.ndarray, reference: np.ndarray) -> float:
    present = reference != _ABSENT
    assignment, reference = assignment[present].astype(np.int64), reference[present].astype(np.int64)
    if not assignment.size:
        return 0.0
    columns = reference.max() + 1
    counts = np.bincount(assignment * columns + reference, minlength=(assignment.max() + 1) * columns)
    joint = counts.reshape(-1, columns) / assignment.size
    rows, columns = joint.sum(1), joint.sum(0)
    if np.count_nonzero(rows) < 2 or np.count_nonzero(columns) < 2:
        return 0.0
    mutual = _entropy(rows) + _entropy(columns) - _entropy(joint.ravel())
    # Independent clusterings may come out at -1e-16.
    return float(np.clip(2 * mutual / (_entropy(rows) + _entropy(columns)), 0.0, 1.0))


def _entropy(distribution: np.ndarray) -> float:
    positive = distribution[distribution > 0]
    return float(-np.sum(positive * np.log(positive)))
