"""The descents of a search with `--strategy=gradient`: each is run once, and noted in the journal."""

from typing import Optional, Sequence, Tuple

from elo_tf.config import EvolutionConfig, InputError, LambdaConfig, WeightingConfig
from elo_tf.model.weighting import base
from elo_tf.search.journal import notes
from elo_tf.search.journal.journal import Journal
from elo_tf.search.settings import GRADIENT
from elo_tf.search.trials.descent import as_note
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
    journal: Journal, crew: Crew, count: int, loss_units: str, initial: Optional[Sequence[float]]
) -> Tuple[Tuple[float, ...], ...]:
    """[count][G] λ of all descents, those that the journal lacks run first.

    Raises:
      InputError: a descent diverged, or has no held-out clips to learn by.
    """
    if loss_units == "gradient" and notes.UNITS not in journal.notes:
        journal.note(notes.UNITS, crew.call("measure_units"))
    for number in range(count):
        name = notes.descent(number)
        if name not in journal.notes:
            print(f"Descent {number + 1} of {count}: a training that learns its λ ...", flush=True)
            journal.note(name, as_note(crew.call("descend", number, journal.notes.get(notes.UNITS), initial)))
    return tuple(tuple(found["lambdas"]) for found in notes.descents(journal.notes)[:count])
