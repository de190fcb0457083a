"""The health gate: candidates with dead features, or worse than untrained, are infeasible.

The Zipf score alone does not place a dead tower last: constant features make uniform clusters, which score better than
many an honest candidate. A candidate that fails the gate is *infeasible*; it gets a reason instead of a number.

Effective rank is measured for the log only. The best towers have low-rank features, so that a gate on it would remove
them.
"""

from typing import Mapping, Optional

import numpy as np

from elo_tf.config import FitnessConfig
from elo_tf.search.fitness import predictability


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


def infeasible(config: FitnessConfig, deviation: float, gains: Mapping[str, np.ndarray]) -> Optional[str]:
    """Why a candidate has no fitness, or None for one that is to be scored.

    Refused is what is dead, and what foretells every other modality worse than the untrained tower does by more than
    two standard errors. What has merely learned nothing is scored: noise must not refuse.

    Args:
      config: Holds the floor `min_deviation`, and whether there is a `health_gate` at all.
      deviation: `mean_deviation` of the candidate's features.
      gains: Modality -> [folds] gain in R² over the untrained tower (`predictability`); empty where not measured.

    Returns:
      One line with the value and the limit that it missed.
    """
    if not config.health_gate:
        return None
    if deviation < config.min_deviation:
        return f"collapsed: mean deviation of the features {deviation:.3g} is below {config.min_deviation:g}"
    if not gains:
        return None
    gain = predictability.best(gains)
    limit = -2 * predictability.standard_error(gain)
    if gain.mean() < limit:
        names = " and ".join(gains)
        return f"worse than untrained: R² of {names} changed by {gain.mean():.4f} at best, below {limit:.4f}, two s.e."
    return None
