"""Scores a given list of losses instead of searching."""

import numpy as np

from elo_tf.search.evolution import base


class FixedList(base.Strategy, known_as="fixed"):
    """The vectors of the settings in their order, then the end. See `base.Strategy` for the arguments.

    The seed plays no part. A vector may be given several times, as it may be to measure the noise of the fitness.

    Raises:
      ValueError: no vectors are given, or they are not [n,G] in [0,1].
    """

    def __init__(self, dimensions: int, seed: int, settings: base.Settings = base.DEFAULTS):
        super().__init__(dimensions, seed, settings)
        if not settings.vectors:
            raise ValueError("a fixed list needs vectors, and none are given")
        if any(len(vector) != dimensions for vector in settings.vectors):
            raise ValueError(f"vectors of {sorted(set(map(len, settings.vectors)))} weights are given for {dimensions}")
        self._vectors = np.array(settings.vectors, np.float64)  # [n,G]
        # So written, a NaN is outside as well.
        outside = ~((self._vectors >= 0) & (self._vectors <= 1))
        if outside.any():
            raise ValueError(f"a weight of {self._vectors[outside][0]} is given; each must be in [0,1]")
        self.limit = len(self._vectors)

    def _propose(self, n: int) -> np.ndarray:
        return self._vectors[self._told : self._told + n]
