"""What a search shows while it runs: a table that grows by a line a generation, and RUN_DIR/tensorboard."""

import pathlib
import sys
import time
from typing import Any, Dict, List, Optional, Sequence, Union

import numpy as np
from tensorboard.plugins.hparams import api as hparams

from elo_tf.runtime.progress import progress_bar
from elo_tf.runtime.tensorboard import EventFile
from elo_tf.search.journal.generation import Generation
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.reporting.findings import Standing
from elo_tf.search.trials.trial import Trial

_COLUMNS = ("generation", "best", "s.e.", "ties", "mean", "s.d.", "infeasible", "trainings/h", "left")
_WIDTHS = (10, 9, 8, 5, 9, 8, 11, 12, 9)


class SearchLog:
    """The table over a progress bar; scalars and hyper-parameters for TensorBoard. A context manager.

    Args:
      directory: Folder for TensorBoard.
      generations: How many there will be.
      trainings: How many the whole search takes, as far as one knows.
      done: Those done before.
      seed: Of the search: trainings with others do not count as candidates in TensorBoard.
      first_steps: Of the first training of every candidate, with which its hyper-parameters are recorded.
    """

    def __init__(
        self, directory: pathlib.Path, generations: int, trainings: int, done: int, seed: int, first_steps: int
    ):
        self._directory = directory
        self._generations = generations
        self._left = trainings - done
        self._seed = seed
        self._first_steps = first_steps
        self._bar = progress_bar(trainings, "training", done)
        self._begun = time.perf_counter()
        self._finished = 0
        self._has_header = False
        self._course: Optional[EventFile] = None

    def __enter__(self) -> "SearchLog":
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.clear()  # Closing leaves one that was shown by `write` alone.
        self._bar.close()
        if self._course:
            self._course.close()

    def warn(self, message: str) -> None:
        """Shows a line on stderr, above the bar."""
        self._bar.write(message, file=sys.stderr)

    def candidate(self, trial: Trial, result: TrialResult, names: Sequence[str]) -> None:
        """A training has ended."""
        self._finished += 1
        self._bar.update(1)
        if result.fitness.failed:
            self.warn(f"candidate {trial.candidate} failed after {result.attempts} attempts: {result.reason}")
        if trial.seed == self._seed:
            self._record(trial, result, names)

    def _record(self, trial: Trial, result: TrialResult, names: Sequence[str]) -> None:
        """One run in TensorBoard: the lambdas as hyper-parameters, scores as metrics."""
        values = dict(result.diagnostics)
        if result.value is not None:
            values["fitness"] = result.value
        shown = {name: value for name, value in values.items() if not name.startswith(("seconds/", "loss/"))}
        file = EventFile(self._directory / f"{trial.candidate:05d}")
        if trial.steps == self._first_steps:
            with file.at(trial.steps):
                hparams.hparams(dict(zip(names, trial.lambdas)), trial_id=f"{trial.candidate:05d}")
        file.scalars(trial.steps, {f"candidate/{name}": value for name, value in shown.items()})
        file.close()

    def generation(self, generation: Generation, ranking: List[Standing]) -> None:
        """A generation has ended.

        Args:
          generation: Complete.
          ranking: Of the whole search so far.
        """
        row = self._row(generation, ranking)
        if not self._has_header:
            self._bar.write(_line(_COLUMNS))
            self._has_header = True
        shown = [str(row[name]) if isinstance(row[name], (int, str)) else f"{row[name]:.4f}" for name in _COLUMNS]
        self._bar.write(_line(["-" if text == "nan" else text for text in shown]))
        if not any(result and result.value is not None for result in generation.full_results):
            reason = next(each.reason for each in generation.results if each and each.value is None)
            self.warn(f"generation {generation.index}: no candidate is feasible; the first: {reason}")
        if self._course is None:
            self._course = EventFile(self._directory / "search")
        charted = ("best", "mean", "s.d.", "infeasible", "trainings/h")
        finite = {name: value for name, value in row.items() if not isinstance(value, str) and np.isfinite(value)}
        self._course.scalars(generation.index, {f"search/{name}": finite[name] for name in charted if name in finite})

    def _row(self, generation: Generation, ranking: List[Standing]) -> Dict[str, Union[str, float]]:
        values = np.array([each.value for each in generation.full_results if each and each.value is not None])
        best = ranking[0] if ranking else None
        rate = self._finished / (time.perf_counter() - self._begun)
        left = (self._left - self._finished) / rate if rate else float("nan")
        return {
            "generation": f"{generation.index + 1}/{self._generations}",
            "best": best.value if best else float("nan"),
            "s.e.": best.error if best and best.error is not None else float("nan"),
            "ties": sum(each.tie for each in ranking) - 1 if best else 0,
            "mean": float(values.mean()) if len(values) else float("nan"),
            "s.d.": float(values.std()) if len(values) else float("nan"),
            "infeasible": sum(each is not None and each.value is None for each in generation.results),
            "trainings/h": round(3600 * rate),
            "left": _duration(left),
        }


def _line(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS))


def _duration(seconds: float) -> str:
    """`2 d 5 h`, `1 h 05 m` or `42 s`, whichever says it."""
    if seconds < 90:
        return f"{max(0, seconds):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 2880:
        return f"{minutes // 60} h {minutes % 60:02d} m" if minutes >= 60 else f"{minutes} m"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
