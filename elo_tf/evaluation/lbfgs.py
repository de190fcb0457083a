"""L-BFGS, for smooth convex functions of many variables (Liu and Nocedal, 1989).

direction = -H·g from the last pairs (s, y) ─> step by the Wolfe conditions ─> next pair
"""

import collections
from typing import Callable, NamedTuple, Tuple

import numpy as np

# Value and gradient of a function at a point [n].
Function = Callable[[np.ndarray], Tuple[float, np.ndarray]]

_PAIRS = 10
# Sufficient decrease, and curvature, of the Wolfe conditions; the usual values (Nocedal and Wright, Sec. 3.1).
_DECREASE, _CURVATURE = 1e-4, 0.9
_TRIALS = 40
# Near the bottom a value changes by less than its rounding, relative to its size; the slope still tells the way.
_ROUNDING = 1e-14


class Minimum(NamedTuple):
    """Where the search ended.

    Attributes:
      point: [n] float64.
      value: Of the function there.
      iterations: Taken.
      converged: Whether the greatest entry of the gradient is within the tolerance.
    """

    point: np.ndarray
    value: float
    iterations: int
    converged: bool


def minimise(function: Function, start: np.ndarray, tolerance: float = 1e-6, iterations: int = 1000) -> Minimum:
    """Goes downhill until no entry of the gradient exceeds the tolerance.

    Args:
      function: Value and gradient [n], float64.
      start: [n].
      tolerance: Greatest absolute entry of the gradient at the end.
      iterations: At most.
    """
    point = np.array(start, np.float64)
    value, gradient = function(point)
    pairs = collections.deque(maxlen=_PAIRS)
    for iteration in range(iterations):
        if np.abs(gradient).max() <= tolerance:
            return Minimum(point, value, iteration, True)
        direction = _direction(gradient, pairs)
        if direction @ gradient >= 0:  # Rounding has spoilt the pairs.
            pairs.clear()
            direction = -gradient
        first = 1.0 if pairs else min(1.0, 1.0 / np.abs(gradient).sum())
        found = _line_search(function, point, value, gradient, direction, first)
        if found is None:
            return Minimum(point, value, iteration, False)
        following, value, following_gradient = found
        step, change = following - point, following_gradient - gradient
        if step @ change > 1e-12 * (change @ change):
            pairs.append((step, change))
        point, gradient = following, following_gradient
    return Minimum(point, value, iterations, bool(np.abs(gradient).max() <= tolerance))


def _direction(gradient: np.ndarray, pairs) -> np.ndarray:
    """-H·g by the two loops over the pairs (Nocedal and Wright, Alg. 7.4)."""
    direction, weights = -gradient, []
    for step, change in reversed(pairs):
        weight = (step @ direction) / (step @ change)
        direction = direction - weight * change
        weights.append(weight)
    if pairs:
        step, change = pairs[-1]
        direction = direction * ((step @ change) / (change @ change))
    for (step, change), weight in zip(pairs, reversed(weights)):
        direction = direction + step * (weight - (change @ direction) / (step @ change))
    return direction


def _line_search(function: Function, point, value, gradient, direction, step: float):
    """A point along the direction that meets the Wolfe conditions, by doubling and halving; None if there is none."""
    slope = gradient @ direction
    slack = _ROUNDING * max(1.0, abs(value))
    low, high = 0.0, np.inf
    for _ in range(_TRIALS):
        following = point + step * direction
        reached, following_gradient = function(following)
        if not reached <= value + _DECREASE * step * slope + slack:  # Also where it is not finite.
            high = step
        elif following_gradient @ direction < _CURVATURE * slope:
            low = step
        else:
            return following, reached, following_gradient
        step = 2.0 * low if high == np.inf else 0.5 * (low + high)
    return None
