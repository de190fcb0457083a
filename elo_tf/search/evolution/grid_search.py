"""Grid search on the lattice {0, 1/2, 1}^G (Table 4).

Departure: a random subset of the lattice stands for it, because 3^42 points cannot be visited; the paper does not say
which 2000 it took. The first points are those that a reader would ask for: each term alone, then all terms equally.
"""

import itertools
from typing import Iterator, Tuple

import numpy as np

from elo_tf.search.evolution import base

_STEPS = 2  # between 0 and 1


class GridSearch(base.Strategy, known_as="grid"):
    """Lattice points without repetition. See `base.Strategy` for the arguments.

    First come the G vectors with one λ = 1 and the others 0, in the order of the terms, then λ = 1 everywhere, then all
    others in an order that the seed gives. The vector of zeros, no loss at all, is left out: the lattice has an end
    after 3^G - 1 points.
    """

    def __init__(self, dimensions: int, seed: int, settings: base.Settings = base.DEFAULTS):
        super().__init__(dimensions, seed, settings)
        self.limit = (_STEPS + 1) ** dimensions - 1
        self._random = np.random.default_rng(seed)
        self._points = self._all_points()

    def _propose(self, n: int) -> np.ndarray:
        return np.array(list(itertools.islice(self._points, n)), np.float64) / _STEPS

    def _all_points(self) -> Iterator[Tuple[int, ...]]:
        """Each point once, as whole numbers of steps."""
        # Zero is taken as seen. What is drawn twice is drawn again, which costs much only where the lattice is small.
        seen = {(0,) * self.dimensions}
        corners = _STEPS * np.eye(self.dimensions, dtype=int)
        ones = np.full((1, self.dimensions), _STEPS)
        drawn = (self._random.integers(_STEPS + 1, size=self.dimensions) for _ in itertools.count())
        for point in map(tuple, itertools.chain(corners, ones, drawn)):
            if point not in seen:
                seen.add(point)
                yield point
