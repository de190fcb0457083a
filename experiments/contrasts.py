"""Contrasts between rows of a table: weighted sums of accuracies, run by run, with errors and verdicts.

A run is a (world, seed). All rows of a run share the world, its labelled videos and the first weights of the tower, so
that a difference is taken within runs before it is averaged: what makes a world hard does not count as noise. A ratio
and a share are contrasts too (Fieller): a / b >= 1.64 where a - 1.64 b >= 0 on average.

Runs of one world share its videos. With two or three worlds an error says how far other seeds would move a mean, and
little of how far other worlds would.
"""

import dataclasses
import math
from typing import Dict, Mapping, Sequence, Tuple

import numpy as np

# Row -> run -> accuracy in [0,1].
Run = Tuple[str, int]
Values = Mapping[str, Mapping[Run, float]]

HOLDS, FAILS, UNTOLD = "holds", "does not hold", "cannot be told"
ERRORS = 2.0  # Standard errors beyond which a contrast is not chance.
FEWEST_RUNS = 3  # Of fewer, the standard error itself is little known.


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over runs.

    Attributes:
      mean: NaN where there are no runs.
      error: Its standard error, s.d. / sqrt(n) with n - 1 in the s.d.; NaN for fewer than two runs.
      runs: n.
    """

    mean: float
    error: float
    runs: int

    @property
    def verdict(self) -> str:
        """Whether the mean is above 0 beyond two standard errors, or below it, or neither."""
        if self.runs < FEWEST_RUNS or not abs(self.mean) > ERRORS * self.error:
            return UNTOLD
        return HOLDS if self.mean > 0 else FAILS

    @property
    def percent(self) -> str:
        """`43.4 ± 1.2`, in percent, ± the standard error; a dash where there are no runs."""
        if not self.runs:
            return "–"
        return f"{100 * self.mean:.1f}" + (f" ± {100 * self.error:.1f}" if self.runs > 1 else "")

    @property
    def points(self) -> str:
        """`+3.4 ± 1.2`, a difference in percentage points."""
        return f"+{self.percent}" if self.mean >= 0 else self.percent


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and standard error of one value a run."""
    values = np.asarray(values, np.float64)
    if not len(values):
        return Estimate(math.nan, math.nan, 0)
    error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Estimate(float(values.mean()), error, len(values))


def contrast(weights: Mapping[str, float], values: Values) -> Estimate:
    """The weighted sum of rows over the runs that all of them have.

    Args:
      weights: Row -> weight, such as {"evolved": 1, "random": -1.64}.
      values: Of the rows.
    """
    return estimate(list(by_run(weights, values).values()))


def by_run(weights: Mapping[str, float], values: Values) -> Dict[Run, float]:
    """The weighted sum of rows in each run that all of them have."""
    runs = set.intersection(*(set(values.get(row, {})) for row in weights)) if weights else set()
    return {run: sum(weight * values[row][run] for row, weight in weights.items()) for run in sorted(runs)}


def ratio(over: str, under: str, values: Values) -> float:
    """Ratio of the means of two rows over the runs that both have; NaN where there are none, or the lower one is 0."""
    runs = by_run({over: 1, under: 1}, values)
    below = sum(values[under][run] for run in runs)
    return sum(values[over][run] for run in runs) / below if below else math.nan


def share(row: str, low: str, high: str, values: Values) -> float:
    """How much of the way from one row to another a third has gone: (row - low) / (high - low), of means; or NaN."""
    runs = by_run({row: 1, low: 1, high: 1}, values)
    own, bottom, top = (sum(values[name][run] for run in runs) for name in (row, low, high))
    return (own - bottom) / (top - bottom) if top != bottom else math.nan


def best(rows: Sequence[str], values: Values) -> str:
    """The row with the highest mean; "" where none has runs."""
    means = {row: estimate(list(values[row].values())).mean for row in rows if values.get(row)}
    return max(means, key=means.get, default="")
