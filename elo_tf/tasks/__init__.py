"""Self-supervised tasks and distillation: the terms of Eq. 1, one file a kind.

Importing this package registers every file in it; `select` builds the genome.
"""

import fnmatch
import importlib
import pkgutil
from typing import List, Sequence

from elo_tf.clips import MODALITIES
from elo_tf.config import InputError
from elo_tf.tasks.base import KINDS, Features, Task, register

__all__ = ["KINDS", "Features", "Task", "register", "select"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def _canonical(task: Task):
    """Sort key: single modalities first, then pairs, each in the order of the modality table; then by name."""
    places = [list(MODALITIES).index(modality) for modality in task.modalities]
    return len(places), places, task.name


def select(modalities: Sequence[str], patterns: Sequence[str] = ("*",)) -> List[Task]:
    """The terms of the loss in canonical order; their number is G.

    Args:
      modalities: Towers at hand, in canonical order.
      patterns: Names of terms or shell patterns of names, such as `rgb/*`.

    Raises:
      InputError: a pattern matches no term.
    """
    tasks = sorted((task for kind in KINDS.values() for task in kind.instances(modalities)), key=_canonical)
    names = [task.name for task in tasks]
    chosen = set()
    for pattern in patterns:
        matched = fnmatch.filter(names, pattern)
        if not matched:
            raise InputError(f"--tasks: {pattern!r} matches no term; known with these modalities: {', '.join(names)}")
        chosen.update(matched)
    return [task for task in tasks if task.name in chosen]
