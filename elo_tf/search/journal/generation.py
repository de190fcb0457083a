"""Records of a search: generations of candidates, and finalists, with the results of their trials."""

import dataclasses
import math
from typing import List, Optional, Tuple

import numpy as np

from elo_tf.search.journal.result import TrialResult
from elo_tf.search.journal.rungs import Rungs

# Further apart than any two values of a fitness; enough digits are left to tell those of one rung apart.
BEHIND = 1e6


@dataclasses.dataclass(frozen=True)
class Generation:
    """Candidates that were asked for together.

    Attributes:
      index: Number of the generation, from 0.
      candidates: [n], numbers of its candidates, running through the whole search.
      lambdas: [n,G] float64 in [0,1].
      runs: [n], the results of each candidate so far, from rung to rung.
      rungs: How long they are trained.
    """

    index: int
    candidates: Tuple[int, ...]
    lambdas: np.ndarray
    runs: Tuple[Tuple[TrialResult, ...], ...]
    rungs: Rungs

    @property
    def results(self) -> Tuple[Optional[TrialResult], ...]:
        """[n], of the longest training of each candidate so far; None for one without a result."""
        return tuple(runs[-1] if runs else None for runs in self.runs)

    @property
    def full_results(self) -> Tuple[Optional[TrialResult], ...]:
        """[n], of the training in full of each candidate, whose values compare; None for one that has had none."""
        full = len(self.rungs.steps)
        return tuple(runs[-1] if len(runs) == full else None for runs in self.runs)

    def due(self) -> List[Tuple[int, int]]:
        """(place, steps) of what can run now: what is missing in the first rung that is not through."""
        places: Tuple[int, ...] = tuple(range(len(self.candidates)))
        for rung, steps in enumerate(self.rungs.steps):
            missing = [(place, steps) for place in places if len(self.runs[place]) <= rung]
            if missing or rung + 1 == len(self.rungs.steps):
                return missing
            fitness = [fitness_of(self.runs[place][rung]) for place in places]
            going_on = self.rungs.promoted(rung, len(self.candidates), fitness)
            places = tuple(places[index] for index in going_on)
        raise AssertionError("there is a last rung")

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run."""
        return not self.due()

    def fitness(self) -> Optional[np.ndarray]:
        """Fitness for the strategy, [n] float64: inf for infeasible candidates; None until the generation is complete.

        A candidate that missed a rung must rank behind those that reached it, since they beat it when they were
        compared. So `BEHIND` is added to its value for each rung that it missed. This holds across generations too.
        """
        if not self.complete:
            return None
        reached = np.array([len(runs) for runs in self.runs])
        return np.array([fitness_of(result) for result in self.results]) + BEHIND * (len(self.rungs.steps) - reached)


@dataclasses.dataclass(frozen=True)
class Finalists:
    """The candidates among which fresh seeds decide.

    Attributes:
      candidates: [n], numbers.
      lambdas: [n,G].
      seeds: Those that no search has used.
      steps: Of the full training.
      runs: [n], the results of each so far, in the order of the seeds.
    """

    candidates: Tuple[int, ...]
    lambdas: np.ndarray
    seeds: Tuple[int, ...]
    steps: int
    runs: Tuple[Tuple[Optional[TrialResult], ...], ...]

    def due(self) -> List[Tuple[int, int]]:
        """(place, seed) of what is left to run."""
        return [
            (place, seed)
            for place, runs in enumerate(self.runs)
            for seed, result in zip(self.seeds, runs)
            if result is None
        ]

    def means(self) -> np.ndarray:
        """[n], mean over the seeds; inf for a candidate that was infeasible under one of them."""
        return np.array([np.mean([fitness_of(result) for result in runs]) for runs in self.runs])


def fitness_of(result: Optional[TrialResult]) -> float:
    """The value of a result; inf where it has none, or is missing."""
    return math.inf if result is None or result.value is None else result.value
