"""How much two clusterings of the same videos have in common.

A score that needs no labels and that a collapsed tower cannot fool: do clusters of the RGB embedding say anything about
clusters of another modality's plain descriptors?
"""

from typing import Iterator, Tuple

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score

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
    pairs = [_mutual_information(own, other) for own, other in _pairs(assignment, reference)]
    return np.array([mutual / entropy if entropy else 0.0 for mutual, entropy in pairs])


def adjusted_mutual_information(assignment: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Mutual information beyond chance, (MI - E[MI]) / (mean entropy - E[MI]), for each of R clusterings.

    Clusterings that have nothing in common still have mutual information, the more the fewer videos there are to a
    cluster: normalised, 0.2 with 20 clusters of 300 videos, in which what little a tower learned is lost. This one is
    0 on average where there is nothing in common.

    Args:
      assignment, reference: As of `normalised_mutual_information`.

    Returns:
      [R] float64, at most 1, about 0 for unrelated clusterings; 0 where either clustering is constant.

    Raises:
      ValueError: the shapes do not fit each other.
    """
    return np.array([
        adjusted_mutual_info_score(other, own) if _vary(own, other) else 0.0
        for own, other in _pairs(assignment, reference)
    ])  # fmt: skip


def _vary(*clusterings: np.ndarray) -> bool:
    return all(clustering.size and (clustering != clustering[0]).any() for clustering in clusterings)


def _pairs(assignment: np.ndarray, reference: np.ndarray) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """Each clustering with its reference, without the videos that have none."""
    assignment, reference = np.asarray(assignment), np.asarray(reference)
    if assignment.ndim != 2 or reference.shape not in (assignment.shape, assignment.shape[1:]):
        raise ValueError(f"assignments {assignment.shape} and references {reference.shape} do not fit")
    for own, other in zip(assignment, np.broadcast_to(reference, assignment.shape)):
        present = other != _ABSENT
        yield own[present].astype(np.int64), other[present].astype(np.int64)


def _mutual_information(assignment: np.ndarray, reference: np.ndarray) -> Tuple[float, float]:
    """(mutual information, mean of the entropies) in nats; both 0 where either clustering is constant."""
    if not assignment.size:
        return 0.0, 0.0
    columns = reference.max() + 1
    counts = np.bincount(assignment * columns + reference, minlength=(assignment.max() + 1) * columns)
    joint = counts.reshape(-1, columns) / assignment.size
    rows, columns = joint.sum(1), joint.sum(0)
    if np.count_nonzero(rows) < 2 or np.count_nonzero(columns) < 2:
        return 0.0, 0.0
    entropies = _entropy(rows) + _entropy(columns)
    # Independent clusterings may come out at -1e-16.
    mutual = max(0.0, entropies - _entropy(joint.ravel()))
    return min(mutual, entropies / 2), entropies / 2


def _entropy(distribution: np.ndarray) -> float:
    positive = distribution[distribution > 0]
    return float(-np.sum(positive * np.log(positive)))
