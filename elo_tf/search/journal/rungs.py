"""Successive halving: many short trainings, few long ones (Karnin, Koren and Somekh, 2013).

    rung 0    n candidates, short ──> the best third ──> rung 1    n/3, three times as long ──> ... ──> full length

Departure from the paper, which trains every candidate in full: most candidates show early that they are no good. Each
rung is a training of its own from the initial weights, with its own learning rate down to zero: half of a cosine says
little about its end, and a rung then needs nothing from the one before, on whichever machine it ran.
"""

import dataclasses
import math
from typing import Sequence, Tuple

import numpy as np

MOST_RUNGS = 64


@dataclasses.dataclass(frozen=True)
class Rungs:
    """How long candidates are trained, and which of them longer.

    Attributes:
      steps: Training steps of each rung, rising; the last is the full length.
      reduction: Of so many candidates one goes on to the next rung.
    """

    steps: Tuple[int, ...]
    reduction: float

    @classmethod
    def of(cls, steps: int, rungs: int, reduction: float) -> "Rungs":
        """Rungs up to a full length of `steps`, each longer than the one before by the factor of the reduction.

        Raises:
          ValueError: the shortest rung would have no step, or two would be equally long, whose results could not be
            told apart.
        """
        if not 1 <= rungs <= MOST_RUNGS or reduction <= 1:
            raise ValueError(
                f"{rungs} rungs with a reduction of {reduction:g}; use 1 to {MOST_RUNGS} rungs, and a reduction above 1"
            )
        lengths = tuple(round(steps / reduction**above) for above in reversed(range(rungs)))
        if lengths[0] < 1:
            raise ValueError(
                f"{rungs} rungs with a reduction of {reduction:g} leave no step of {steps} for the shortest; use fewer"
            )
        if len(set(lengths)) < rungs:
            raise ValueError(
                f"{rungs} rungs with a reduction of {reduction:g} have {lengths} steps; each must exceed the last"
            )
        return cls(lengths, reduction)

    def check(self, candidates: int) -> None:
        """Raises `ValueError` where from some rung none of so many candidates would be left out."""
        rooms = [self._room(rung, candidates) for rung in range(len(self.steps))]
        if len(set(rooms)) < len(rooms):
            raise ValueError(
                f"{rooms} of {candidates} candidates would train on the rungs, so that one rung drops none; give fewer "
                "rungs or a larger --population"
            )

    def trainings(self, candidates: int) -> int:
        """How many trainings a generation takes if enough of its candidates are feasible."""
        return sum(self._room(rung, candidates) for rung in range(len(self.steps)))

    def training_steps(self, candidates: int) -> int:
        """How many training steps that is."""
        return sum(steps * self._room(rung, candidates) for rung, steps in enumerate(self.steps))

    def _room(self, rung: int, candidates: int) -> int:
        return math.ceil(candidates / self.reduction**rung)

    def promoted(self, rung: int, candidates: int, fitness: Sequence[float]) -> Tuple[int, ...]:
        """Which of those that took part in a rung take part in the next.

        Args:
          rung: Number of the rung, from 0; not the last.
          candidates: n, of the whole generation.
          fitness: Of those that took part, inf where infeasible.

        Returns:
          Their places in `fitness`, rising: the best n / reduction^(rung+1), rounded up, as far as they are feasible;
          of equals the first.
        """
        best = np.argsort(fitness, kind="stable")[: self._room(rung + 1, candidates)]
        return tuple(sorted(int(place) for place in best if math.isfinite(fitness[place])))
