"""Configures the devices of TensorFlow in this process, before anything uses them.

TensorFlow has these settings once a process: a run that is one of several in it leaves them as they are, or refuses.
"""

import contextlib
from typing import Iterator

import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.runtime import machine


def set_up(threads: int = 0) -> None:
    """GPUs give memory as it is needed, so that others can use them too; threads are those that the cores allow.

    Args:
      threads: Of TensorFlow; 0 is one a core.

    Raises:
      InputError: TensorFlow is in use in this process, with another number of threads.
    """
    wanted = threads
    if not threads and machine.cores() < machine.allowed_cores():
        wanted = machine.cores()  # TensorFlow knows nothing of the limits of a container.
    try:
        if wanted:
            tf.config.threading.set_intra_op_parallelism_threads(wanted)
            tf.config.threading.set_inter_op_parallelism_threads(wanted)
    except RuntimeError:
        if threads:
            raise InputError(
                f"--threads={threads}: TensorFlow already runs in this process with another number of threads; start "
                "this run in a new process, or omit the setting"
            ) from None
    # They may be in use already, by what this process did before.
    with contextlib.suppress(RuntimeError):
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Within it Keras makes layers of a precision, such as `mixed_bfloat16`; afterwards as it did before."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def gpus() -> int:
    """GPUs of this machine that this process may use; none of them is touched."""
    return len(tf.config.list_physical_devices("GPU"))


def leave_gpus() -> None:
    """Hides all GPUs from this process: those of a search are for its workers, and TensorFlow would fill them."""
    tf.config.set_visible_devices([], "GPU")


def take_gpu(place: int) -> None:
    """Leaves one GPU visible, if there are any, by turns: that of a place among the workers of this machine.

    On Ray only those are there that it has given to this worker: none, unless `--gpus_per_candidate` says so.
    """
    found = tf.config.list_physical_devices("GPU")
    if found:
        gpu = found[place % len(found)]
        tf.config.set_visible_devices(gpu, "GPU")
        tf.config.experimental.set_memory_growth(gpu, True)  # Other workers may share it.
