"""Ends a search if too many trainings fail, since the cause is then not their losses.

Failures are counted over the last generations that together have ten candidates. Each length of training is judged by
itself, since with `--rungs` few candidates are trained in full. Fewer than three trainings count as three, so that one
failure does not condemn a round of a single child. When a search ends for this reason, the journal notes the last
generation. After a restart, neither that generation nor an earlier one is counted again.
"""

from typing import List, NamedTuple, Optional, Sequence

from elo_tf.config import InputError
from elo_tf.search.journal.generation import Generation
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult

_JUDGED = 10
_LEAST = 3


class _Verdict(NamedTuple):
    """Generations that were judged, and the trainings of one length of which too many failed."""

    generations: List[Generation]
    trainings: List[TrialResult]


def too_many(journal: Journal, share: float) -> bool:
    """Whether more than a share of the last candidates failed, and no run of the command has ended with that yet."""
    return _judge(journal, share) is not None


def check(journal: Journal, share: float) -> None:
    """Notes in the journal that too many failed, where they did.

    Args:
      journal: Open.
      share: `--max_failures`, in [0,1].

    Raises:
      InputError: too many failed.
    """
    verdict = _judge(journal, share)
    if verdict is None:
        return
    first, last = verdict.generations[0].index, verdict.generations[-1].index
    where = f"generation {last}" if first == last else f"generations {first} to {last}"
    steps, failed = verdict.trainings[0].steps, _failed(verdict.trainings)
    journal.note(_note(verdict.generations[-1]), len(failed))
    raise InputError(
        f"{len(failed)} of {len(verdict.trainings)} trainings of {steps} steps in {where} failed, more than "
        f"--max_failures={share:g} allows; the first: {failed[0].reason}. Fix the cause and rerun the command: the "
        "search continues with the next generation"
    )


def _judge(journal: Journal, share: float) -> Optional[_Verdict]:
    """The generations that count, in order, and the failing length of training; None where there is none."""
    judged: List[Generation] = []
    for generation in reversed(journal.generations()):
        if _note(generation) in journal.notes or _size(judged) >= _JUDGED:
            break
        judged.insert(0, generation)
    if not judged or not judged[-1].complete:
        return None
    for rung in range(len(journal.rungs.steps)):
        trainings = [runs[rung] for generation in judged for runs in generation.runs if len(runs) > rung]
        if len(_failed(trainings)) > share * max(len(trainings), _LEAST):
            return _Verdict(judged, trainings)
    return None


def _size(generations: Sequence[Generation]) -> int:
    return sum(len(generation.candidates) for generation in generations)


def _failed(trainings: Sequence[TrialResult]) -> List[TrialResult]:
    return [each for each in trainings if each.fitness.failed]


def _note(generation: Generation) -> str:
    return f"too_many_failed/{generation.index}"
