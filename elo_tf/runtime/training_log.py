"""The log of a training for TensorBoard: each term unweighted, its lambda, its share of the RGB gradient."""

import pathlib
import sys
from typing import Callable, Dict, Mapping, Optional

import numpy as np
import tensorflow as tf

from elo_tf.runtime.tensorboard import EventFile

# A term that holds more of the gradient than this leaves nothing for the others to teach.
GREATEST_SHARE = 0.9


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)


class TrainingLog:
    """Writes the event file of one training.

    Args:
      directory: Folder of the event file.
      lambdas: Weights of the terms by name, written once.
      warn: Takes a message, where one term holds nearly the whole gradient; the first time in this training only.
      suffix: End of the name of the event file.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        lambdas: Mapping[str, float],
        warn: Callable[[str], None] = _to_stderr,
        suffix: str = ".v2",
    ):
        self._file = EventFile(directory, suffix)
        self._warn: Optional[Callable[[str], None]] = warn
        self.scalars("lambda", 0, lambdas)

    def losses(self, step: int, losses: Mapping[str, float]) -> None:
        """Records the unweighted terms of a step."""
        self.scalars("loss", step, losses)

    def shares(self, step: int, shares: Dict[str, float]) -> None:
        """Records the shares of the terms in the gradient of the RGB tower (`elo_tf.model.gradients`)."""
        self.scalars("share", step, shares)
        name = max(shares, key=lambda term: shares[term], default="")
        if self._warn and len(shares) > 1 and shares[name] > GREATEST_SHARE:
            self._warn(f"step {step}: {name} holds {shares[name]:.0%} of the gradient in the RGB tower")
            self._warn = None

    def pictures(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Records pictures, [n,H,W,3] uint8, by name."""
        with self._file.at(step):
            for name, values in pictures.items():
                tf.summary.image(f"decoded/{name}", values, max_outputs=len(values))

    def scalars(self, group: str, step: int, values: Mapping[str, float]) -> None:
        """Records numbers by name."""
        self._file.scalars(step, {f"{group}/{name}": value for name, value in values.items()})

    def close(self) -> None:
        """Ends the event file."""
        self._file.close()
