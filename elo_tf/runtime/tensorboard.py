"""Writes files for TensorBoard; what cannot be written is an `OSError`, as for every other file."""

import contextlib
import errno
import pathlib
from typing import Iterator, Mapping, Union

import tensorflow as tf


class EventFile:
    """Scalars by name and step.

    Args:
      directory: Its folder, a run in TensorBoard.
      suffix: End of its name.

    Raises:
      OSError: the file cannot be written, here and in all methods.
    """

    def __init__(self, directory: Union[str, pathlib.Path], suffix: str = ".v2"):
        self._directory = directory
        with self._errors():
            self._writer = tf.summary.create_file_writer(str(directory), filename_suffix=suffix)

    @contextlib.contextmanager
    def at(self, step: int) -> Iterator[None]:
        """Makes the file that of `tf.summary` within this context, which ends with what it got on disk."""
        with self._errors(), self._writer.as_default(step=step):
            yield

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Records values of a step."""
        with self.at(step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def close(self) -> None:
        """Ends the file."""
        with self._errors():
            self._writer.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        # Else a worker would take a full disk for a failure of its candidate.
        try:
            yield
        except tf.errors.OpError as error:
            why = error.message.splitlines()[0].rpartition("; ")[2]
            number = errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
            raise OSError(number, why, str(self._directory)) from None
