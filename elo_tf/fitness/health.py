"""Whether a tower is alive enough for its score to mean anything.

The Zipf score alone does not place a dead tower last: constant features make uniform clusters, which score better than
many an honest candidate. A candidate that fails the gate is *infeasible*; it gets a reason instead of a number.

Agreement with another modality is asked for in its chance-corrected form: of the plain normalised form most is chance
where there are few videos to a cluster, and chance depends on the sizes of the clusters.

Effective rank is measured for the log only. The best towers have low-rank features, so that a gate on it would remove
them.
"""

from typing import Optional

import numpy as np

from elo_tf.config import FitnessConfig


def mean_deviation(features: np.ndarray) -> float:
    """Standard deviation over the N videos, averaged over the D dimensions.

    Args:
      features: [N,D], finite.
    """
    return float(np.mean(np.std(features, axis=0, dtype=np.float64)))


def effective_rank(features: np.ndarray) -> float:
    """exp of the entropy of the normalised singular values of the centred features (Roy and Vetterli, 2007).

    Args:
      features: [N,D], finite.

    Returns:
      A number between 1 and min(N,D), or 0 where all videos have the same features.
    """
    centred = features - np.mean(features, axis=0, dtype=np.float64)
    # The smaller Gram matrix has the same non-zero spectrum, and is far cheaper than the singular values themselves.
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    eigenvalues = np.linalg.eigvalsh(gram)
    # Below this lies what rounding makes of a zero.
    eigenvalues = eigenvalues[eigenvalues > eigenvalues[-1] * 1e-12] if eigenvalues[-1] > 0 else eigenvalues[:0]
    if not eigenvalues.size:
        return 0.0
    share = np.sqrt(eigenvalues) / np.sqrt(eigenvalues).sum()
    return float(np.exp(-np.sum(share * np.log(share))))


def infeasible(
    config: FitnessConfig, deviation: float, agreement: Optional[float], untrained_agreement: Optional[float]
) -> Optional[str]:
    """Why a candidate has no fitness, or None for a healthy one.

    Args:
      config: Holds the floor `min_deviation` and the `agreement_margin`.
      deviation: `mean_deviation` of the candidate's features.
      agreement: Adjusted mutual information with the other modality's clusters; None where it was not measured.
      untrained_agreement: The same of the untrained tower; None leaves this part of the gate out.

    Returns:
      One line with the value and the limit that it missed.
    """
    if deviation < config.min_deviation:
        return f"collapsed: mean deviation of the features {deviation:.3g} is below {config.min_deviation:g}"
    if agreement is None or untrained_agreement is None:
        return None
    limit = untrained_agreement + config.agreement_margin
    if agreement <= limit:
        return (
            f"learned nothing: agreement with {config.agree_with} {agreement:.3f} is not above {limit:.3f}"
            f" (untrained {untrained_agreement:.3f}, margin {config.agreement_margin:g})"
        )
    return None
