"""The summary of some steps of a training."""

import dataclasses
from typing import Dict


@dataclasses.dataclass
class Progress:
    """What a stretch of steps came to.

    Attributes:
      step: Steps done since the beginning of the run.
      losses: Unweighted terms of the last step, by name; means over the replicas.
      seconds: Wall time of the stretch.
      waiting: Part of it spent waiting for clips.
      clips: Clips seen in it.
      counted: How many of them counted for each term, by name.
    """

    step: int
    losses: Dict[str, float]
    seconds: float = 0.0
    waiting: float = 0.0
    clips: int = 0
    counted: Dict[str, float] = dataclasses.field(default_factory=dict)
