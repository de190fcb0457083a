"""CMA-ES on [0,1]^G (Sec. 3.2.3 and [15]), by the package `cma`.

Departures from the defaults of `cma`, because a candidate is a training run whose score is noisy and may be missing:

- Fitness reaches it as ranks. CMA-ES uses nothing else, and an infeasible candidate then is the worst one without a
  made-up number in its place (`cma` would take a NaN for the median).
- Only exhausted steps end the search. The tests on function values are off: a flat generation, as all infeasible
  candidates make one, says nothing about convergence.
- It draws from a generator of its own: by itself `cma` seeds the global one, and takes seed 0 for the clock.
"""

import math
from typing import List, Optional, Sequence

import cma
import numpy as np

from elo_tf.evolution import base

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

    Bounds are kept by a smooth periodic transformation of an unbounded search space. The default population is
    4 + ⌊3 ln G⌋, 15 at G = 42.

    Raises:
      ValueError: a population of 1 or 2, from which `cma` cannot select.
    """

    def __init__(self, dimensions: int, seed: int, population: int = 0, initial_step: float = 0.3):
        if dimensions < 1:
            raise ValueError(f"a search needs at least one weight, not {dimensions}")
        if population in (1, 2):
            raise ValueError(f"a population of {population} is too small; give at least 3, or 0 for the default")
        self._dimensions = dimensions
        self._population = population or 4 + math.floor(3 * math.log(dimensions))
        options = {
            **_OFF,
            "bounds": [0, 1],
            "BoundaryHandler": cma.BoundTransform,
            "popsize": self._population,
            "tolx": _SMALLEST_STEP,
            "seed": np.nan,
            "randn": np.random.RandomState(seed).randn,
        }
        # cma has no one-dimensional search: a single λ gets a second coordinate that nothing depends on.
        self._cma = cma.CMAEvolutionStrategy([0.5] * max(dimensions, 2), initial_step, options)
        self._waiting: Optional[List[np.ndarray]] = None

    @property
    def population(self) -> int:
        return self._population

    def ask(self, n: Optional[int] = None) -> np.ndarray:
        if n not in (None, self._population):
            raise ValueError(f"a generation has {self._population} vectors, not {n}")
        if self._waiting is not None:
            raise ValueError("the last generation has not been told")
        self._waiting = self._cma.ask()
        return self._visible(self._waiting)

    def tell(self, vectors: np.ndarray, fitness: Sequence[float]) -> None:
        if self._waiting is None or not np.array_equal(vectors, self._visible(self._waiting)):
            raise ValueError("these are not the vectors that were asked for")
        fitness = np.asarray(fitness, np.float64)
        if fitness.shape != (self._population,) or np.isnan(fitness).any() or (fitness == -np.inf).any():
            raise ValueError(f"fitness must be {self._population} numbers or inf, not {fitness}")
        ranks = np.unique(fitness, return_inverse=True)[1]
        self._cma.tell(self._waiting, ranks.astype(np.float64).tolist())
        self._waiting = None

    def stop(self) -> List[str]:
        return sorted(self._cma.stop()) if self._waiting is None else []

    def mean(self) -> np.ndarray:
        return self._visible([self._cma.result.xfavorite])[0]

    def _visible(self, vectors: Sequence[np.ndarray]) -> np.ndarray:
        return np.array(vectors, np.float64)[:, : self._dimensions]
