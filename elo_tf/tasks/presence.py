"""Refuses terms that no training video can teach, before anything is built."""

from typing import Sequence

from elo_tf.config import InputError
from elo_tf.data.clips import MODALITIES
from elo_tf.tasks.base import Task


def check_heard(terms: Sequence[Task], sounding: int, records: str) -> None:
    """Raises `InputError` where terms look at sound and no video has any.

    Args:
      terms: Of the loss.
      sounding: Videos to train on that have sound.
      records: Their folder.
    """
    deaf = [term.name for term in terms if "audio" in {MODALITIES[name].source for name in term.modalities}]
    if deaf and not sounding:
        raise InputError(
            f"no video of {records} that is long enough to train on has sound, which {', '.join(deaf)} need; use "
            "records of videos with sound, or drop these terms by --modalities=rgb,grey,flow, --tasks or another --loss"
        )
