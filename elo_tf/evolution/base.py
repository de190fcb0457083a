"""The contract of a searcher, and the registry of searchers.

    strategy = base.create("cma_es", dimensions=G, seed=0)
    while not strategy.stop():
        vectors = strategy.ask()              # [population, G], in [0,1]
        strategy.tell(vectors, [f(v) for v in vectors])

A searcher sees vectors and numbers, nothing else. What it does next depends only on its settings, its seed and what it
was told, so that replaying a recorded history (`replay`) rebuilds it exactly; nothing of it is ever pickled.
"""

import abc
import importlib
import pkgutil
from typing import Dict, Iterable, List, Optional, Sequence, Tuple, Type

import numpy as np

_REGISTRY: Dict[str, Type["Strategy"]] = {}


class Strategy(abc.ABC):
    """A searcher that minimises a function on [0,1]^G, one round after the other.

    A subclass gives its `name` in the class statement, `class CmaEs(Strategy, known_as="cma_es")`, and is registered by
    it. (Python 3.9 and 3.10 do not allow the word `name` there.)

    Args:
      dimensions: G, at least 1.
      seed: Any integer >= 0; equal seeds give equal searches. The global NumPy generator is neither read nor changed.
      population: Vectors a round; 0 takes the strategy's own default.
      initial_step: Typical length of the first steps away from the middle, in units of λ.
    """

    name: str

    def __init_subclass__(cls, known_as: str, **kwargs):
        super().__init_subclass__(**kwargs)
        owner = _REGISTRY.setdefault(known_as, cls)
        if owner is not cls:
            raise ValueError(f"strategy {known_as!r} of {cls.__module__} is already taken by {owner.__module__}")
        cls.name = known_as

    @abc.abstractmethod
    def __init__(self, dimensions: int, seed: int, population: int = 0, initial_step: float = 0.3): ...

    @property
    @abc.abstractmethod
    def population(self) -> int:
        """Vectors in a round."""

    @abc.abstractmethod
    def ask(self, n: Optional[int] = None) -> np.ndarray:
        """The vectors of the next round, [n,G] float64 in [0,1].

        Args:
          n: How many; `population` where it is not given.

        Raises:
          ValueError: the strategy cannot ask for n vectors, or has not been told about those it asked for before.
        """

    @abc.abstractmethod
    def tell(self, vectors: np.ndarray, fitness: Sequence[float]) -> None:
        """Takes the results of a whole round.

        Args:
          vectors: [n,G], those of the last `ask`, unchanged and in the same order.
          fitness: [n], to be minimised; `math.inf` where a vector is infeasible.

        Raises:
          ValueError: the vectors are not those that were asked for, or a fitness is NaN or -inf.
        """

    @abc.abstractmethod
    def stop(self) -> List[str]:
        """Why the search is over; empty while it goes on."""

    @abc.abstractmethod
    def mean(self) -> np.ndarray:
        """The vector that the strategy presently favours, [G] float64 in [0,1]."""


def create(name: str, **settings) -> Strategy:
    """A new strategy by its registered name.

    Raises:
      ValueError: the name is unknown; the message lists those that are known.
    """
    known = strategies()
    if name not in known:
        raise ValueError(f"strategy {name!r} is unknown; choose from {', '.join(known)}")
    return known[name](**settings)


def strategies() -> Dict[str, Type[Strategy]]:
    """All strategies of this package by name, in alphabetical order."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")
    return dict(sorted(_REGISTRY.items()))


def replay(strategy: Strategy, rounds: Iterable[Tuple[np.ndarray, Optional[Sequence[float]]]]) -> None:
    """Brings a new strategy to the state of one that went through the given rounds.

    Args:
      strategy: Created with the settings and seed of the recorded search.
      rounds: (vectors asked, fitness told) in order. The fitness of the last may be None where its candidates have not
        all been scored: the strategy then waits to be told about exactly these vectors.

    Raises:
      ValueError: the strategy asks for other vectors than the record has: other settings, or another version of NumPy
        or cma.
    """
    for index, (vectors, fitness) in enumerate(rounds):
        if not np.array_equal(strategy.ask(len(vectors)), vectors):
            raise ValueError(
                f"round {index} of the record is not what {strategy.name} asks for with these settings and packages"
            )
        if fitness is not None:
            strategy.tell(vectors, fitness)
