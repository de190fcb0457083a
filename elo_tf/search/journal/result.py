"""The result of a trial, as a line of the journal."""

import dataclasses
from typing import Any, Dict, Mapping, Optional

from elo_tf.search.fitness.base import Fitness


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """What came of one training of a candidate. What is asked of its fitness most can be asked of it.

    Attributes:
      steps: Training steps.
      seed: Of the order of the clips, and of the k-means starts.
      fitness: Its score; among the diagnostics are the losses (`loss/...`) and times (`seconds/...`) of the training.
      seconds: Wall time of training and scoring, of all attempts.
      attempts: How often it was tried.
    """

    steps: int
    seed: int
    fitness: Fitness
    seconds: float
    attempts: int = 1

    @property
    def value(self) -> Optional[float]:
        """Fitness, to be minimised; None where the candidate is infeasible."""
        return self.fitness.value

    @property
    def reason(self) -> Optional[str]:
        """Why it is infeasible; None where it has a value."""
        return self.fitness.reason

    @property
    def error(self) -> Optional[float]:
        """Standard error of the value, where it is known."""
        return self.fitness.error

    @property
    def diagnostics(self) -> Mapping[str, float]:
        """Whatever else was measured, by name."""
        return self.fitness.diagnostics

    def to_json(self) -> Dict[str, Any]:
        """The entries that a journal has of it."""
        fitness = dataclasses.asdict(self.fitness)
        failed = fitness.pop("failed")
        times = {"seconds": self.seconds, "attempts": self.attempts}
        return {"steps": self.steps, "seed": self.seed, **fitness, **times, "failed": failed}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "TrialResult":
        """The result of a journal's record.

        Raises:
          KeyError: the record lacks an entry.
        """
        fitness = Fitness(**{field.name: record[field.name] for field in dataclasses.fields(Fitness)})
        return cls(record["steps"], record["seed"], fitness, record["seconds"], record["attempts"])
