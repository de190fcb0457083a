"""When so many candidates of a search fail that it had better end: what is wrong is then not their losses.

Failures are counted in the last generations that together have ten candidates, and held against three at least, so that
rounds of a single child are not judged by one. A generation with which the command has ended is noted in the journal:
neither it nor those before it are counted when the search goes on, so that what is asked anew is judged anew.
"""

from typing import List, Sequence

from elo_tf.config import InputError
from elo_tf.record.generation import Generation
from elo_tf.record.journal import Journal

_JUDGED = 10
_LEAST = 3


def too_many(journal: Journal, share: float) -> bool:
    """Whether more than a share of the last candidates failed, and no run of the command has ended with that yet."""
    return bool(_failing(journal, share))


def check(journal: Journal, share: float) -> None:
    """Notes in the journal that too many failed, where they did.

    Args:
      journal: Open.
      share: `--max_failures`, in [0,1].

    Raises:
      InputError: too many failed.
    """
    judged = _failing(journal, share)
    if not judged:
        return
    reasons, first, last = _reasons(judged), judged[0].index, judged[-1].index
    where = f"generation {last}" if first == last else f"generations {first} to {last}"
    journal.note(_note(judged[-1]), len(reasons))
    raise InputError(
        f"{len(reasons)} of {_size(judged)} candidates of {where} failed, more than --max_failures={share:g} allows; "
        f"the first: {reasons[0]}. Mend the cause and give the same command again: the search goes on with the next "
        "generation"
    )


def _failing(journal: Journal, share: float) -> List[Generation]:
    """The generations that count, in order, where too many of them failed; else none."""
    judged: List[Generation] = []
    for generation in reversed(journal.generations()):
        if _note(generation) in journal.notes or _size(judged) >= _JUDGED:
            break
        judged.insert(0, generation)
    is_over = judged and judged[-1].complete
    return judged if is_over and len(_reasons(judged)) > share * max(_size(judged), _LEAST) else []


def _size(generations: Sequence[Generation]) -> int:
    return sum(len(generation.candidates) for generation in generations)


def _reasons(generations: Sequence[Generation]) -> List[str]:
    return [result.reason for generation in generations for result in generation.results if result and result.failed]


def _note(generation: Generation) -> str:
    return f"too_many_failed/{generation.index}"
