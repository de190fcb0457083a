"""Checkpoints of a training: weights, optimiser and step; the rest follows from settings and step.

    RUN_DIR/checkpoints/ckpt-500.index, .data-*     checkpoint   (names the whole ones)

The order of the clips, and all that is random about them, is a function of the seed and the step
(`elo_tf.data.reader`), so that the step is the position in the data and the state of the random numbers.
"""

import pathlib
import re
import shutil
from typing import List, Optional

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.networks.tower import CHECKPOINTS, FILE, PREFIX, latest_checkpoint

_ANEW = "use another --run_dir to start again"


class Checkpoints:
    """Those of one run.

    Args:
      run_dir: Directory of the run.
      model: With its optimiser; all variables are made.
      step: Steps that are done, int64.
      keep: How many checkpoints are kept.
      process: Number of this process among those that train together. All of them have to save; what any but the
        first writes is thrown away.

    Attributes:
      directory: Where they lie.
    """

    def __init__(self, run_dir: pathlib.Path, model: tf.keras.Model, step: tf.Variable, keep: int, process: int = 0):
        self.directory = run_dir / CHECKPOINTS
        self._model = model
        self._step = step
        self._checkpoint = tf.train.Checkpoint(model=model, step=step)
        self._own = self.directory if process == 0 else self.directory / f".worker-{process}"
        self._keep = keep
        self._manager: Optional[tf.train.CheckpointManager] = None

    def restore(self) -> Optional[str]:
        """Takes over the last checkpoint; returns its prefix, or None where the run has not begun.

        Raises:
          InputError: it cannot be read or is of another model, or there are checkpoints whose list is lost.
        """
        last = latest_checkpoint(self.directory)
        if last is None:
            self._check_not_begun()
            return None
        try:
            self._checkpoint.restore(last).assert_consumed()
        except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
            reason = str(error).strip().splitlines()[0][:200]
            others = self.earlier(last)
            remedy = _ANEW
            if others:
                listed = f"{pathlib.Path(last).name} in {self.directory}/checkpoint"
                remedy = f"to resume from {others[-1]}, put it in place of {listed}; {remedy}"
            raise InputError(f"{last} cannot be loaded ({reason}); {remedy}") from None
        return last

    def _check_not_begun(self) -> None:
        """Raises `InputError` where a run that has begun has lost its checkpoints, or their list.

        A run has begun when its first checkpoint is whole and listed; the description of the tower is written after it.
        """
        lost = self.directory / "checkpoint"
        found = self.earlier(None)
        if set(found) - {f"{PREFIX}-0"} or (found and (self.directory.parent / FILE).exists()):
            raise InputError(f"{lost}, which lists the checkpoints, is missing or damaged; restore it, or {_ANEW}")
        if (self.directory.parent / FILE).exists():
            raise InputError(f"{self.directory} has lost its checkpoints; restore them, or {_ANEW}")

    def earlier(self, last: Optional[str]) -> List[str]:
        """Names of the checkpoints on disk besides this one, oldest first."""
        names = {path.name[: -len(".index")] for path in self.directory.glob(f"{PREFIX}-*.index")}
        names -= {pathlib.Path(last).name} if last else set()
        return sorted(names, key=lambda name: int(re.sub(r"\D", "", name) or 0))

    def save(self) -> str:
        """Writes a checkpoint of the present step; returns its prefix.

        Raises:
          FloatingPointError: a weight is not finite, so that what is on disk is better; the message names it.
          OSError: it cannot be written.
        """
        bad = [variable.name for variable in self._model.trainable_variables if not np.isfinite(variable.numpy()).all()]
        if bad:
            raise FloatingPointError(f"weights are not finite: {', '.join(bad[:3])}")
        if self._manager is None:  # Not before `restore` has found what is there.
            self._manager = tf.train.CheckpointManager(
                self._checkpoint, str(self._own), max_to_keep=self._keep, checkpoint_name=PREFIX
            )
        try:
            prefix = self._manager.save(int(self._step.numpy()))
        except tf.errors.OpError as error:
            raise OSError(f"{self._own} cannot be written: {error.message}") from None
        if self._own != self.directory:
            shutil.rmtree(self._own)
            self._manager = None
        return prefix

    @property
    def last(self) -> str:
        """Prefix of the last one, to be named in messages."""
        return latest_checkpoint(self.directory) or "none"
