"""A trial, one training of a candidate and its scoring: the request, the outcome, and its line in the journal."""

import dataclasses
import math
from typing import Mapping, Optional, Tuple

from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.trials.embeddings import Embeddings

# Between the seeds of two attempts; further apart than the seeds of any search.
_NEXT_ATTEMPT = 1_000_003


@dataclasses.dataclass(frozen=True)
class Trial:
    """What a worker is asked for.

    Attributes:
      candidate: Its number.
      lambdas: [G] in [0,1].
      steps: Training steps.
      seed: Of the order of the clips, and of the k-means starts.
      attempt: How often it diverged before; each attempt sees the clips in another order.
      units: What each term is divided by, by name; None where that is 1.
      log: Folder for the record of the training; None records nothing.
      keep: Whether the embeddings of the scoring clips are answered too.
    """

    candidate: int
    lambdas: Tuple[float, ...]
    steps: int
    seed: int
    attempt: int = 0
    units: Optional[Mapping[str, float]] = None
    log: Optional[str] = None
    keep: bool = False

    @property
    def order_seed(self) -> int:
        """Seed of the order of the clips in this attempt."""
        return (self.seed + self.attempt * _NEXT_ATTEMPT) % 2**31


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a worker answers.

    Attributes:
      fitness: The score, or why there is none; it has failed where a term stopped being finite.
      losses: Last unweighted value of each term; empty if it diverged.
      seconds: Wall time of each part: `reset`, `data` (waiting for clips), `training`, `scoring`.
      warnings: What a user should know of the training.
      embeddings: Of the scoring clips; None where the fitness has no value, or they are not asked for.
    """

    fitness: Fitness
    losses: Mapping[str, float]
    seconds: Mapping[str, float]
    warnings: Tuple[str, ...] = ()
    embeddings: Optional[Embeddings] = dataclasses.field(default=None, compare=False)


@dataclasses.dataclass(frozen=True)
class Ended:
    """A trial that came to its end.

    Attributes:
      trial: What was asked for.
      outcome: That of the last attempt.
      seconds: Wall time of all attempts.
      attempts: Their number.
    """

    trial: Trial
    outcome: Outcome
    seconds: float
    attempts: int = 1

    @property
    def result(self) -> TrialResult:
        """What the journal takes."""
        outcome = self.outcome
        losses = {f"loss/{name}": value for name, value in outcome.losses.items() if math.isfinite(value)}
        parts = {f"seconds/{name}": value for name, value in outcome.seconds.items()}
        diagnostics = {**outcome.fitness.diagnostics, **losses, **parts}
        fitness = dataclasses.replace(outcome.fitness, diagnostics=diagnostics)
        return TrialResult(self.trial.steps, self.trial.seed, fitness, self.seconds, self.attempts)


def lost(reason: str) -> Outcome:
    """The outcome of a trial that no worker brought to its end."""
    return Outcome(Fitness(None, reason, None, 0, {}, failed=True), {}, {})
