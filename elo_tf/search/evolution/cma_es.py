"""CMA-ES on [0,1]^G (Sec. 3.2.3 and [15]), with the package `cma`.

Departures from the defaults of `cma`, because a candidate is a training run whose score is noisy and may be missing:

- Fitness reaches it as ranks. CMA-ES uses nothing else, and an infeasible candidate then is the worst one without a
  made-up number in its place (`cma` would take a NaN for the median).
- Only exhausted steps end the search. The tests on function values are off: a flat generation, as all infeasible
  candidates make one, says nothing about convergence.
- It draws from a generator of its own: by itself `cma` seeds the global one, and takes seed 0 for the clock.
"""

import math
from typing import List, Sequence

import cma
import numpy as np

from elo_tf.search.evolution import base

# Of the initial step, where there is a loss to start from: what another search found is nearer to the best than the
# middle is, and steps of full length would leave its neighbourhood at once.
NEAR = 1 / 3

# λ closer than this are one loss to any training.
_SMALLEST_STEP = 1e-6

_OFF = {
    "tolfun": 0.0,
    "tolfunhist": 0.0,
    "tolfunrel": 0.0,
    "tolflatfitness": math.inf,
    "tolstagnation": 0,
    "tolxstagnation": False,
    "tolfacupx": math.inf,
    "tolupsigma": math.inf,
    "maxiter": math.inf,
    "verbose": -10,  # below -9 it also does not look for a file of commands, cma_signals.in
    "verb_log": 0,
    "verb_disp": 0,
}


class CmaEs(base.Strategy, known_as="cma_es"):
    """Covariance matrix adaptation; starts from 0.5 in every λ. See `base.Strategy` for the arguments.

    A vector to start from is the first mean, and the first step a third of `initial_step` then.

    Bounds are kept by a smooth periodic transformation of an unbounded search space. Every round has `population`
    vectors, 15 at G = 42 by default.

    Raises:
      ValueError: a population of 1 or 2, from which `cma` cannot select.
    """

    takes_initial = True

    def __init__(self, dimensions: int, seed: int, settings: base.Settings = base.DEFAULTS):
        super().__init__(dimensions, seed, settings)
        if self.population < 3:
            raise ValueError(f"a population of {self.population} is too small; give at least 3, or 0 for the default")
        options = {
            **_OFF,
            "bounds": [0, 1],
            "BoundaryHandler": cma.BoundTransform,
            "popsize": self.population,
            "tolx": _SMALLEST_STEP,
            "seed": np.nan,
            "randn": np.random.RandomState(seed).randn,
        }
        # cma has no one-dimensional search: a single λ gets a second coordinate that nothing depends on.
        mean, step = [0.5] * max(dimensions, 2), settings.initial_step
        if self._initial is not None:
            mean[:dimensions], step = self._initial.tolist(), NEAR * step
        self._cma = cma.CMAEvolutionStrategy(mean, step, options)
        self._generation: List[np.ndarray] = []

    def _propose(self, n: int) -> np.ndarray:
        if n != self.population:
            raise ValueError(f"a generation has {self.population} vectors, not {n}")
        self._generation = self._cma.ask()
        return self._visible(self._generation)

    def _learn(self, vectors: np.ndarray, fitness: np.ndarray) -> None:
        ranks = np.unique(fitness, return_inverse=True)[1]
        self._cma.tell(self._generation, ranks.astype(np.float64).tolist())

    def stop(self) -> List[str]:
        return sorted(self._cma.stop()) if self._waiting is None else []

    def mean(self) -> np.ndarray:
        return self._visible([self._cma.result.xfavorite])[0]

    def _visible(self, vectors: Sequence[np.ndarray]) -> np.ndarray:
        return np.array(vectors, np.float64)[:, : self.dimensions]
