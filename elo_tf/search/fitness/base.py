"""The score of a candidate, in the form that scorers return and the journal stores."""

import dataclasses
import math
from typing import Mapping, Optional


@dataclasses.dataclass(frozen=True)
class Fitness:
    """What a candidate is worth: a number to minimise, or a reason why there is none.

    Attributes:
      value: Mean over the restarts; None where the candidate is infeasible. Never NaN.
      reason: Why it is infeasible; None where it has a value.
      deviation: Standard deviation over the restarts, or folds; None where it is infeasible, and for a single restart.
      restarts: k-means runs, or folds, whose mean the value is.
      diagnostics: Everything that was measured, also of an infeasible candidate; finite floats.
      failed: Whether it is infeasible because no training came to its end: diverged, out of memory, worker lost.
    """

    value: Optional[float]
    reason: Optional[str]
    deviation: Optional[float]
    restarts: int
    diagnostics: Mapping[str, float]
    failed: bool = False

    @property
    def error(self) -> Optional[float]:
        """Standard error of the value over its restarts; it knows nothing of the luck of the training.

        None where it is unknown: without a value, and for a single restart, of which older journals have a deviation 0.
        """
        return None if self.deviation is None or self.restarts < 2 else self.deviation / math.sqrt(self.restarts)
