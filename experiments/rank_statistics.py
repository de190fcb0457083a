"""How well does a score order candidates? Correlations, its pick out of sixteen, and its noise."""

from typing import Callable, Dict, Sequence, Tuple

import numpy as np

DRAWS = 1000
LEVEL = 0.9  # of the intervals
_LEAST_LOSSES = 8  # for an estimate of reliability


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's r; NaN where either is constant or there are fewer than three."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    first, second = (np.asarray(values, np.float64) - np.mean(values) for values in (first, second))
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, the lowest value first; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rho: Pearson's r of the ranks."""
    return pearson(ranks(first), ranks(second))


def partial_spearman(first: np.ndarray, second: np.ndarray, held: np.ndarray) -> float:
    """Spearman's rho of two at equal values of a third: the partial correlation of their ranks.

    (r12 - r13 r23) / sqrt((1 - r13^2) (1 - r23^2)); NaN where a correlation does not exist or the third is one of them.
    """
    both, one, other = spearman(first, second), spearman(first, held), spearman(second, held)
    rest = (1 - one**2) * (1 - other**2)
    return float((both - one * other) / np.sqrt(rest)) if rest > 1e-12 else float("nan")


def interval(statistic: Callable[..., float], *columns: np.ndarray, seed: int = 0) -> Tuple[float, float]:
    """Percentile interval of a statistic of tuples, such as pairs, at `LEVEL`, by resampling them with replacement.

    Draws in which the statistic does not exist are left out; both ends are NaN where no draw has it.
    """
    generator = np.random.default_rng(seed)
    columns = tuple(map(np.asarray, columns))
    count = len(columns[0])
    drawn = generator.integers(count, size=(DRAWS, count)) if count else np.zeros([1, 0], int)
    values = np.array([statistic(*(column[own] for column in columns)) for own in drawn])
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def best_of(count: int, scores: np.ndarray, truths: np.ndarray) -> float:
    """Mean truth of the candidate with the highest score among `count` that are drawn without replacement; exact.

    The i-th best of n is the best of a draw with probability C(n-i, count-1) / C(n, count), i from 1. Candidates of
    equal score share their truths. A score of -inf is picked only where a draw has no other.
    """
    total = len(scores)
    count = min(count, total)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    _, inverse, sizes = np.unique(np.asarray(scores), return_inverse=True, return_counts=True)
    shared = (np.bincount(inverse, np.asarray(truths, np.float64)) / sizes)[inverse][order]
    chance, mean = count / total, 0.0  # Chance that the best of all is drawn.
    for place in range(total - count + 1):
        mean += chance * shared[place]
        # C(n-i-1, c-1) = C(n-i, c-1) (n-i-c+1) / (n-i)
        rest = total - place - 1
        chance *= (rest - count + 1) / rest if rest else 0.0
    return float(mean)


def noise(groups: Sequence[Sequence[float]]) -> Dict[str, float]:
    """How much a score of one loss differs between seeds, against how much losses differ.

    Args:
      groups: The values of each loss under several seeds, at least two.

    Returns:
      `within`, the pooled standard deviation under other seeds; `between`, that of the means of the losses;
      `reliability`, the part of the variance of a single value that is not noise, (between^2 - within^2 / m) /
      (the same + within^2) with m seeds a loss, at least 0; NaN for fewer than eight losses, of which it says nothing.
      Empty for fewer than two losses.
    """
    groups = [group for group in groups if len(group) > 1]
    if len(groups) < 2:
        return {}
    degrees = sum(len(group) - 1 for group in groups)
    within = sum(np.var(group, ddof=1) * (len(group) - 1) for group in groups) / degrees
    between = np.var([np.mean(group) for group in groups], ddof=1)
    signal = max(0.0, between - within * np.mean([1 / len(group) for group in groups]))
    total = signal + within
    return {
        "within": float(np.sqrt(within)),
        "between": float(np.sqrt(between)),
        "reliability": float(signal / total) if total and len(groups) >= _LEAST_LOSSES else float("nan"),
    }
