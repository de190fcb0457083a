"""Self-supervised tasks and distillation: the terms of Eq. 1, one file a kind.

Importing this package registers every file in it; `select` builds the genome.
"""

import fnmatch
import importlib
import pkgutil
from typing import Dict, List, Sequence, Set, Tuple

from elo_tf.config import InputError, TaskConfig
from elo_tf.data.clips import MODALITIES
from elo_tf.tasks.base import KINDS, Features, Task, register

__all__ = ["KINDS", "PRESETS", "Features", "Task", "register", "select"]

DEFAULTS = TaskConfig()

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def _canonical(task: Task) -> Tuple[int, List[int], str]:
    """Sort key: single modalities first, then pairs, each in the order of the modality table; then by name."""
    places = [list(MODALITIES).index(modality) for modality in task.modalities]
    return len(places), places, task.name


# Presets of the genome, as patterns; `paper` is besides them: all terms of the kinds that the paper names.
PRESETS: Dict[str, Tuple[str, ...]] = {
    # What is cheap: neither decoders nor memories.
    "fast": ("rgb/shuffle", "rgb/backward", "rgb-*/embed", "rgb-*/align", "*/distill/stage[34]"),
}


def select(modalities: Sequence[str], patterns: Sequence[str] = ("*",), config: TaskConfig = DEFAULTS) -> List[Task]:
    """The terms of the loss in canonical order; their number is G.

    Args:
      modalities: Towers at hand, in canonical order.
      patterns: Presets (`paper` and those of `PRESETS`), names of terms, or shell patterns of names, such as `rgb/*`.
      config: Settings of the tasks.

    Raises:
      InputError: a pattern matches no term, or no term chosen teaches the RGB tower.
    """
    tasks = sorted((task for kind in KINDS.values() for task in kind.instances(modalities, config)), key=_canonical)
    names = [task.name for task in tasks]
    chosen: Set[str] = set()
    for pattern in patterns:
        if pattern == "paper":
            chosen.update(task.name for task in tasks if task.in_paper)
            continue
        # Of a preset, what these modalities allow.
        matched = [name for each in PRESETS.get(pattern, (pattern,)) for name in fnmatch.filter(names, each)]
        if not matched:
            known = ", ".join(["paper", *PRESETS, *names])
            raise InputError(f"--tasks: {pattern!r} matches no term; known with these modalities: {known}")
        chosen.update(matched)
    terms = [task for task in tasks if task.name in chosen]
    if not any("rgb" in task.teaches for task in terms):
        raise InputError(
            f"--tasks={','.join(patterns)} gives the RGB tower no gradient: none of "
            f"{', '.join(task.name for task in terms) or 'no terms'} teaches it; add a term such as rgb/shuffle"
        )
    return terms
