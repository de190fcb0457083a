"""How TensorFlow uses the devices of this process; to be said before anything touches them."""

import tensorflow as tf

from elo_tf.runtime import machine


def set_up(threads: int = 0) -> None:
    """GPUs give memory as it is needed, so that others can use them too; threads are those that the cores allow.

    Args:
      threads: Of TensorFlow; 0 is one a core.
    """
    if not threads and machine.cores() < machine.allowed_cores():
        threads = machine.cores()  # TensorFlow knows nothing of the limits of a container.
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def gpus() -> int:
    """GPUs of this machine that this process may use; none of them is touched."""
    return len(tf.config.list_physical_devices("GPU"))


def leave_gpus() -> None:
    """Hides all GPUs from this process."""
    tf.config.set_visible_devices([], "GPU")


def take_gpu(place: int) -> None:
    """Leaves one GPU visible, if there are any, by turns: that of a place among the workers of this machine."""
    found = tf.config.list_physical_devices("GPU")
    if found:
        gpu = found[place % len(found)]
        tf.config.set_visible_devices(gpu, "GPU")
        tf.config.experimental.set_memory_growth(gpu, True)  # Other workers may share it.
