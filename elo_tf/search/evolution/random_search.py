"""Random search: every vector is uniform in [0,1]^G, independent of earlier results (Table 4)."""

import numpy as np

from elo_tf.search.evolution import base


class RandomSearch(base.Strategy, known_as="random"):
    """Uniform in [0,1]^G, but for a vector to start from. See `base.Strategy` for the arguments."""

    takes_initial = True

    def __init__(self, dimensions: int, seed: int, settings: base.Settings = base.DEFAULTS):
        super().__init__(dimensions, seed, settings)
        self._random = np.random.default_rng(seed)

    def _propose(self, n: int) -> np.ndarray:
        return self._with_initial(self._random.random((n, self.dimensions)))
