"""The contract of a searcher, its settings, and the registry of searchers.

    strategy = base.create("cma_es", dimensions=G, seed=0, settings=base.Settings(population=20))
    while not strategy.stop():
        vectors = strategy.ask()              # [population, G], in [0,1]
        strategy.tell(vectors, [f(v) for v in vectors])

A searcher sees vectors and numbers, nothing else. What it does next depends only on its settings, its seed and what it
was told, so that replaying a recorded history (`replay`) rebuilds it exactly; nothing of it is ever pickled.
"""

import abc
import dataclasses
import importlib
import math
import pkgutil
from typing import Any, Dict, Iterable, List, Optional, Tuple, Type

import numpy as np
import numpy.typing as npt

_REGISTRY: Dict[str, Type["Strategy"]] = {}

# Far above what another CPU makes of the same numbers, far below what any search could tell apart.
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a search can be told beforehand; each strategy reads what concerns it.

    Attributes:
      population: Vectors a round; 0 means 4 + ⌊3 ln G⌋, the default of CMA-ES, for every strategy: its rounds then
        compare, and several vectors of one round can be scored side by side.
      initial_step: CMA-ES: typical length of the first steps away from the middle, in units of λ, in (0,1].
      pool: Tournament: vectors that can become parents, at least 1. 100 and a `tournament_size` of 25 are those of
        Real et al., Regularized Evolution for Image Classifier Architecture Search (2019); the paper names none.
      tournament_size: Tournament: vectors that are drawn to find one parent, from 1 to `pool`.
      vectors: Fixed list: the vectors to evaluate, [n][G] in [0,1]; None for every other strategy.
      initial: A vector to start from, [G] in [0,1], as another search found it; None to start without one.

    Raises:
      ValueError: a number is out of its range.
    """

    population: int = 0
    initial_step: float = 0.3
    pool: int = 100
    tournament_size: int = 25
    vectors: Optional[Tuple[Tuple[float, ...], ...]] = None
    initial: Optional[Tuple[float, ...]] = None

    def __post_init__(self):
        for name, least in (("population", 0), ("pool", 1), ("tournament_size", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not 0 < self.initial_step <= 1:
            raise ValueError(f"initial_step must be in (0,1], not {self.initial_step}")


DEFAULTS = Settings()


class Strategy(abc.ABC):
    """A searcher that minimises a function on [0,1]^G, one round after the other.

    A subclass gives its `name` in the class statement, `class CmaEs(Strategy, known_as="cma_es")`, and is registered by
    it. (Python 3.9 and 3.10 do not allow the word `name` there.) It has to say what it asks for (`_propose`); whether
    it is its turn, and whether what it is told belongs to what it asked for, is checked here.

    Args:
      dimensions: G, at least 1.
      seed: Any integer >= 0; equal seeds give equal searches. The global NumPy generator is neither read nor changed.
      settings: What the search is told beforehand.

    Attributes:
      dimensions: G.
      settings: As given.
      population: Vectors in a round; a last round may have fewer.
      limit: Vectors that it can ask for in all; infinite unless they come to an end.
      takes_initial: Whether it can start from a vector that it is given.

    Raises:
      ValueError: the settings are impossible for this strategy or for G.
    """

    name: str
    limit: float = math.inf
    takes_initial: bool = False

    def __init_subclass__(cls, known_as: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        owner = _REGISTRY.setdefault(known_as, cls)
        if owner is not cls:
            raise ValueError(f"strategy {known_as!r} of {cls.__module__} is already taken by {owner.__module__}")
        cls.name = known_as

    def __init__(self, dimensions: int, seed: int, settings: Settings = DEFAULTS):
        if dimensions < 1:
            raise ValueError(f"a search needs at least one weight, not {dimensions}")
        self.dimensions = dimensions
        self.settings = settings
        self.population = settings.population or 4 + math.floor(3 * math.log(dimensions))
        self._waiting: Optional[np.ndarray] = None
        self._told = 0
        self._initial = self._check_initial()
        self._best, self._lowest = np.full(dimensions, 0.5) if self._initial is None else self._initial, math.inf

    def _check_initial(self) -> Optional[np.ndarray]:
        """The vector to start from, [G] float64, or None."""
        if self.settings.initial is None:
            return None
        if not self.takes_initial:
            able = ", ".join(name for name, kind in strategies().items() if kind.takes_initial)
            raise ValueError(f"{self.name} cannot start from a loss; {able} can")
        initial = np.array(self.settings.initial, np.float64)
        if initial.shape != (self.dimensions,):
            raise ValueError(f"a loss of shape {initial.shape} to start from does not fit {self.dimensions} weights")
        # So written, a NaN is outside as well.
        outside = ~((initial >= 0) & (initial <= 1))
        if outside.any():
            raise ValueError(f"a weight of {initial[outside][0]} to start from is given; each must be in [0,1]")
        return initial

    def ask(self, n: Optional[int] = None) -> np.ndarray:
        """The vectors of the next round, [n,G] float64 in [0,1]; fewer than n where the last of `limit` come.

        Args:
          n: How many, at least 1; `population` where it is not given.

        Raises:
          ValueError: the strategy cannot ask for n vectors, has none left, or has not been told about those it asked
            for before.
        """
        if n is not None and n < 1:
            raise ValueError(f"a round has at least one vector, not {n}")
        if self._waiting is not None:
            raise ValueError("the last round has not been told")
        if self._told >= self.limit:
            raise ValueError(f"there is nothing left to ask for: {self.stop()[0]}")
        self._waiting = self._propose(int(min(n or self.population, self.limit - self._told)))
        return self._waiting.copy()

    def adopt(self, vectors: np.ndarray) -> None:
        """Takes vectors for those of the last `ask`, [n,G], from which they differ by rounding alone."""
        self._waiting = np.array(vectors, np.float64)

    def tell(self, vectors: np.ndarray, fitness: npt.ArrayLike) -> None:
        """Takes the results of a whole round.

        Args:
          vectors: [n,G], those of the last `ask`, unchanged and in the same order.
          fitness: [n], to be minimised; `math.inf` where a vector is infeasible.

        Raises:
          ValueError: the vectors are not those that were asked for, or a fitness is NaN or -inf.
        """
        if self._waiting is None or not np.array_equal(vectors, self._waiting):
            raise ValueError("these are not the vectors that were asked for")
        values = np.asarray(fitness, np.float64)
        if values.shape != (len(self._waiting),) or np.isnan(values).any() or (values == -np.inf).any():
            raise ValueError(f"fitness must be {len(self._waiting)} numbers or inf, not {values}")
        lowest = int(np.argmin(values))
        if values[lowest] < self._lowest:
            self._best, self._lowest = self._waiting[lowest], values[lowest]
        self._learn(self._waiting, values)
        self._told += len(values)
        self._waiting = None

    def stop(self) -> List[str]:
        """Why the search is over; empty while it goes on."""
        return [f"all {self.limit} vectors have been told"] if self._told >= self.limit else []

    def mean(self) -> np.ndarray:
        """The vector that the strategy presently favours, [G] float64 in [0,1].

        Without a model it is the best that was told, the earliest where several are equal; before any was feasible the
        vector to start from, or 0.5 in every λ.
        """
        return self._best.copy()

    @abc.abstractmethod
    def _propose(self, n: int) -> np.ndarray:
        """The next n vectors, [n,G] float64 in [0,1]; it is this strategy's turn, and there are as many left."""

    def _with_initial(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors that were drawn, [n,G]; in the first round, the one to start from is in the place of the first."""
        if self._initial is not None and not self._told:
            vectors[0] = self._initial
        return vectors

    def _learn(self, vectors: np.ndarray, fitness: np.ndarray) -> None:
        """Takes a round that was checked: [n,G], and [n] finite or inf. A strategy that does not adapt needs none."""
        return None


def create(name: str, dimensions: int, seed: int, settings: Settings = DEFAULTS) -> Strategy:
    """A new strategy by its registered name; see `Strategy` for the arguments.

    Raises:
      ValueError: the name is unknown (the message lists those that are known), or the settings are impossible.
    """
    known = strategies()
    if name not in known:
        raise ValueError(f"strategy {name!r} is unknown; choose from {', '.join(known)}")
    return known[name](dimensions, seed, settings)


def strategies() -> Dict[str, Type[Strategy]]:
    """All strategies of this package by name, in alphabetical order."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")
    return dict(sorted(_REGISTRY.items()))


def replay(strategy: Strategy, rounds: Iterable[Tuple[np.ndarray, Optional[npt.ArrayLike]]]) -> None:
    """Brings a new strategy to the state of one that went through the given rounds.

    Args:
      strategy: Created with the settings and seed of the recorded search.
      rounds: (vectors asked, fitness told) in order. The fitness of the last may be None where its candidates have not
        all been scored: the strategy then waits to be told about exactly these vectors.

    The record is what counts where the two differ by rounding, as they do on another kind of CPU.

    Raises:
      ValueError: the strategy asks for other vectors than the record has: other settings, or another version of NumPy
        or cma.
    """
    for index, (vectors, fitness) in enumerate(rounds):
        asked = strategy.ask(len(vectors))
        if asked.shape != np.shape(vectors) or not np.allclose(asked, vectors, rtol=0.0, atol=_ROUNDING):
            raise ValueError(
                f"round {index} of the record is not what {strategy.name} asks for with these settings and packages"
            )
        strategy.adopt(vectors)
        if fitness is not None:
            strategy.tell(vectors, fitness)
