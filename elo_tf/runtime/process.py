"""What TensorFlow has but once a process: a run that is one of several in it leaves it as it was, or refuses."""

import contextlib
from typing import Iterator

import tensorflow as tf

from elo_tf.config import InputError


def limit_threads(threads: int) -> None:
    """Lets TensorFlow use so many CPU threads; 0 leaves their number as it is.

    Raises:
      InputError: TensorFlow is in use in this process, with another number.
    """
    if not threads:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        raise InputError(
            f"--threads={threads}: TensorFlow is in use in this process, with another number of threads; begin with "
            "this run in a new process, or leave the setting out"
        ) from None


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Within it Keras makes layers of a precision, such as `mixed_bfloat16`; afterwards as it did before."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
