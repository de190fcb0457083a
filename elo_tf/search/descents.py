"""The descents of a search with `--strategy=gradient`: each runs once, and the journal keeps it."""

import dataclasses
from typing import Optional, Sequence, Tuple

from elo_tf.config import EvolutionConfig, InputError, LambdaConfig, WeightingConfig
from elo_tf.model.weighting import base
from elo_tf.search import units
from elo_tf.search.journal import notes
from elo_tf.search.journal.journal import Journal
from elo_tf.search.settings import GRADIENT
from elo_tf.search.trials.scheduler import Crew


def check(evolution: EvolutionConfig, learning: LambdaConfig) -> None:
    """Raises `InputError` where λ cannot be learned with these settings."""
    if evolution.strategy != GRADIENT:
        if learning.learn_lambdas:
            raise InputError(
                f"--learn_lambdas={learning.learn_lambdas} with --strategy={evolution.strategy}, which finds λ without "
                "gradients; use --strategy=gradient"
            )
        return
    base.find(WeightingConfig(learn_lambdas=learning.learn_lambdas))
    if evolution.rungs > 1:
        raise InputError(f"--strategy=gradient trains each loss in full; use --rungs=1, not {evolution.rungs}")


def learned(
    journal: Journal, crew: Crew, count: int, initial: Optional[Sequence[float]]
) -> Tuple[Tuple[float, ...], ...]:
    """[count][G] λ of all descents, those that the journal lacks run first.

    Raises:
      InputError: a descent diverged, or has no held-out clips to learn by.
    """
    units.agree(journal, crew)
    for number in range(count):
        name = notes.descent(number)
        if name not in journal.notes:
            print(f"Descent {number + 1} of {count}: a training that learns its λ ...", flush=True)
            found = crew.call("descend", number, journal.notes.get(notes.UNITS), initial)
            journal.note(name, dataclasses.asdict(found))
    return tuple(tuple(found["lambdas"]) for found in notes.descents(journal.notes)[:count])
