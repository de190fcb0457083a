"""What a training reports: on the screen, in TensorBoard, and at its end in results.json."""

import contextlib
import dataclasses
import json
import pathlib
import sys
import time
from typing import Any, Dict, Optional

from tqdm import tqdm

from elo_tf import tasks
from elo_tf.data.clips import MODALITIES
from elo_tf.model import term_table
from elo_tf.model.elo_model import EloModel
from elo_tf.runtime.progress import progress_bar
from elo_tf.runtime.storage import write_text
from elo_tf.runtime.training_log import TrainingLog
from elo_tf.train import pictures
from elo_tf.train.lambda_path import EVERY, LambdaPath
from elo_tf.train.progress import Progress
from elo_tf.train.terms import Terms
from elo_tf.train.trainer import Trainer
from elo_tf.train.weighing import Weighing

RESULTS = "results.json"


class Account:
    """Keeps the account of one training.

    Args:
      trainer: That it is of.
      terms: Of its loss.
      directory: Of the run; None for a process that writes nothing.
      done: Steps that were done before.
    """

    def __init__(self, trainer: Trainer, terms: Terms, directory: Optional[pathlib.Path], done: int):
        self._trainer = trainer
        self._terms = terms
        self._directory = directory
        self._done = done
        self._bar: Optional[tqdm] = None
        self._log: Optional[TrainingLog] = None
        self._path: Optional[LambdaPath] = None
        self._since = _Sums()  # The last entry of the record.
        self._totals = _Sums()
        self._stretches = 0
        self._last: Dict[str, float] = {}
        self._counted = _Counts(trainer.reader.videos.count)

    def announce(self, prefix: Optional[str]) -> None:
        """Prints what is about to be done."""
        if self._directory is None:
            return
        trainer, terms = self._trainer, self._terms
        if trainer.reader.excluded:
            print(f"{trainer.reader.excluded} videos are too short for the clips asked for and left out")
        if terms.dropped:
            print(f"{len(terms.dropped)} terms left out, of too small a weight: {', '.join(terms.dropped)}")
            print(self._saved())
        parameters = ", ".join(f"{name} {count:,}" for name, count in trainer.parameters().items())
        print(f"{len(terms.lambdas)} terms; parameters: {parameters}")
        begin = f"from {prefix}" if prefix else "from random weights"
        print(
            f"{trainer.reader.videos.count} videos, {trainer.steps} steps of {trainer.settings.data.batch_size} clips "
            f"on {trainer.strategy.num_replicas_in_sync} devices, {begin}",
            flush=True,
        )

    def _saved(self) -> str:
        """What leaving terms out saves, in arithmetic."""
        names = (*self._terms.lambdas, *self._terms.dropped)
        config = self._terms.tasks[0].config
        whole = EloModel(
            tasks.select(tuple(MODALITIES), names, config),
            self._trainer.model.sizes,
            self._trainer.settings.model.backbone,
        )
        before, after = (term_table.operations_a_clip(model) for model in (whole, self._trainer.model))
        towers = sorted(set(whole.towers) - set(self._trainer.model.towers))
        without = f", no tower for {', '.join(towers)}" if towers else ""
        return (
            f"that saves {1 - after / before:.0%} of the arithmetic: {after / 1e6:.0f} in place of {before / 1e6:.0f} "
            f"MFLOPs a clip, forward{without}"
        )

    def __enter__(self) -> "Account":
        if self._directory is not None:
            self._bar = progress_bar(self._trainer.steps, "step", self._done)
            train = self._trainer.settings.train
            if train.log_every or train.share_every or train.pictures_every:
                self._log = TrainingLog(self._directory / "tensorboard", self._terms.lambdas)
            if self._trainer.weighing:
                self._path = self._open_path(self._directory)
                self._add_to_path(self._path, self._trainer.weighing, self._done)
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._log:
            self._log.close()
        if self._path:
            self._path.close()

    def show(self, progress: Progress) -> None:
        """Takes note of a stretch of steps."""
        self._last = progress.losses
        self._stretches += 1
        if self._stretches == 2:  # The first one traced the graph.
            self._totals = _Sums()
        for sums in (self._since, self._totals):
            sums.add(progress)
        self._counted.add(progress)
        if self._directory is not None:
            self._counted.warn(is_last=progress.step >= self._trainer.steps)
        if self._bar is not None:
            self._bar.update(progress.step - self._bar.n)
        every = self._trainer.settings.train.pictures_every
        drawn = {}
        if every and progress.step % every == 0:
            # In all processes: they hold the statistics of batch normalisation together.
            drawn = pictures.draw(self._trainer.model, self._trainer.sample(pictures.CLIPS))
        weighing, step = self._trainer.weighing, progress.step
        if self._path and weighing and (step % EVERY == 0 or step == self._trainer.steps):
            self._add_to_path(self._path, weighing, step)
        if self._log:
            self._record(self._log, progress)
            self._log.pictures(progress.step, drawn)

    def _open_path(self, directory: pathlib.Path) -> LambdaPath:
        return LambdaPath(directory, self._trainer.model.objective.names, self._done)

    def _conclude_path(self, path: LambdaPath, weighing: Weighing) -> None:
        terms, by = self._terms, weighing.weighting.known_as
        codes = {task.name: task.code for task in terms.tasks}
        path.conclude(codes, terms.tasks[0].config, terms.units, by)

    def _add_to_path(self, path: LambdaPath, weighing: Weighing, step: int) -> None:
        path.add(step, self._trainer.model.objective.lambdas.numpy(), weighing.outer_value())

    def _record(self, log: TrainingLog, progress: Progress) -> None:
        train, step = self._trainer.settings.train, progress.step
        if train.log_every and step % train.log_every == 0:
            log.losses(step, progress.losses)
            log.scalars(
                "training",
                step,
                {
                    "learning_rate": self._trainer.learning_rate(),
                    "clips_per_second": self._since.speed,
                    "waiting_for_data": self._since.waiting,
                },
            )
            self._since = _Sums()
        if train.share_every and step % train.share_every == 0:
            log.shares(step, self._trainer.shares())

    def complete(self) -> None:
        """Writes what is lacking of results.json where the program was killed between the last checkpoint and it."""
        if self._directory is not None and not (self._directory / RESULTS).exists():
            if self._trainer.weighing:
                with contextlib.closing(self._open_path(self._directory)) as path:
                    self._conclude_path(path, self._trainer.weighing)
            _write(self._directory, self._facts())

    def conclude(self) -> None:
        """Writes results.json and prints the end."""
        if self._directory is None:
            return
        if self._path and self._trainer.weighing:
            self._conclude_path(self._path, self._trainer.weighing)
        totals = self._totals
        _write(self._directory, {
            **self._facts(),
            "losses": self._last,
            # Of the part that this process has trained, but for its first call, which traces the graph.
            "seconds": round(totals.seconds, 1),
            "clips_per_second": round(totals.speed, 3),
            "waiting_for_data": round(totals.waiting, 4),
        })  # fmt: skip
        print(
            f"{self._trainer.steps} steps done, {totals.speed:.1f} clips/s, {totals.waiting:.1%} of the time waiting "
            f"for data; the tower is in {self._trainer.checkpoints.last}"
        )

    def _facts(self) -> Dict[str, Any]:
        trainer = self._trainer
        return {
            "steps": trainer.steps,
            "clips": trainer.steps * trainer.settings.data.batch_size,
            "lambdas": self._terms.lambdas,
            "parameters": trainer.parameters(),
            "devices": trainer.strategy.num_replicas_in_sync,
            "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }


def _write(directory: pathlib.Path, facts: Dict[str, Any]) -> None:
    write_text(directory / RESULTS, json.dumps(facts, indent=2) + "\n")


class _Counts:
    """Clips of the first epoch that counted for each term: one that none counted for is warned of, once.

    Args:
      videos: Of an epoch.
    """

    def __init__(self, videos: int):
        self._videos = videos
        self._seen = 0
        self._sums: Dict[str, float] = {}
        self._is_judged = False

    def add(self, progress: Progress) -> None:
        """Adds a stretch."""
        self._seen += progress.clips
        for name, count in progress.counted.items():
            self._sums[name] = self._sums.get(name, 0.0) + count

    def warn(self, is_last: bool) -> None:
        """Names the terms without a clip, when the epoch, or the training before it, is at its end."""
        if self._is_judged or not (is_last or self._seen >= self._videos):
            return
        self._is_judged = True
        idle = [name for name, count in self._sums.items() if not count]
        if idle:
            print(
                f"warning: none of the first {self._seen} clips counted for {', '.join(idle)}: their videos lack what "
                "these terms look at, such as sound; they teach nothing",
                file=sys.stderr,
                flush=True,
            )


@dataclasses.dataclass
class _Sums:
    """Clips and seconds of several stretches; of the seconds, those spent waiting for clips."""

    clips: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def add(self, progress: Progress) -> None:
        """Adds a stretch."""
        self.clips += progress.clips
        self.seconds += progress.seconds
        self.waited += progress.waiting * progress.seconds

    @property
    def speed(self) -> float:
        """Clips a second."""
        return self.clips / max(self.seconds, 1e-9)

    @property
    def waiting(self) -> float:
        """Part of the time spent waiting."""
        return self.waited / max(self.seconds, 1e-9)
