"""Tournament selection with ageing: children of good parents enter a pool, the oldest leave (Sec. 3.2.3 and [13]).

    pool --draw `tournament_size` feasible members--> best of them --replace one λ by U[0,1]--> child --told--> pool
                                                                          the oldest member <--leaves--

The paper says how a child differs from its parent and no more. The rest is regularised evolution (Real et al., 2019):
a member leaves the pool for its age, not for its rank. A score is noisy, and a vector that was lucky once would
otherwise stay the parent of everything for ever.
"""

import collections
from typing import Deque, Sequence, Tuple

import numpy as np

from elo_tf.search.evolution import base


class Tournament(base.Strategy, known_as="tournament"):
    """Steady-state evolution of a pool. See `base.Strategy` for the arguments.

    Rounds are uniform in [0,1]^G until the pool is full; afterwards all vectors of a round are children of the pool as
    it stands when they are asked for. They can be scored side by side, and with a population of 1 each child meets its
    elder siblings in the pool, which is the search of the paper: 2000 rounds of one child.

    An infeasible member is never a parent while the pool has a feasible one: tournaments are among the feasible, all of
    them where there are fewer than `tournament_size`.

    A vector to start from enters the pool with the first round, and leaves it for its age as all do.

    Raises:
      ValueError: a tournament is larger than the pool.
    """

    takes_initial = True

    def __init__(self, dimensions: int, seed: int, settings: base.Settings = base.DEFAULTS):
        super().__init__(dimensions, seed, settings)
        if settings.tournament_size > settings.pool:
            raise ValueError(
                f"a tournament of {settings.tournament_size} cannot be drawn from a pool of {settings.pool}; "
                "give a smaller tournament_size or a larger pool"
            )
        self._random = np.random.default_rng(seed)
        # (vector, fitness), the oldest first.
        self._pool: Deque[Tuple[np.ndarray, float]] = collections.deque(maxlen=settings.pool)

    def _propose(self, n: int) -> np.ndarray:
        if len(self._pool) < self.settings.pool:
            return self._with_initial(self._random.random((n, self.dimensions)))
        feasible = [member for member in self._pool if np.isfinite(member[1])]
        return np.array([self._child(feasible or list(self._pool)) for _ in range(n)])

    def _learn(self, vectors: np.ndarray, fitness: np.ndarray) -> None:
        self._pool.extend(zip(vectors, fitness))

    def _child(self, members: Sequence[Tuple[np.ndarray, float]]) -> np.ndarray:
        """The winner of one tournament among (vector, fitness) pairs, with one λ drawn anew: [G]."""
        size = min(self.settings.tournament_size, len(members))
        drawn = self._random.choice(len(members), size, replace=False)
        child = min((members[index] for index in drawn), key=lambda member: member[1])[0].copy()
        child[self._random.integers(self.dimensions)] = self._random.random()
        return child
