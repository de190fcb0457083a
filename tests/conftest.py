"""Set-up of the test run: quiet TensorFlow, two logical CPUs for tests of replicas."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
import tensorflow as tf


def pytest_configure():
    # Before anything touches the devices: a strategy of two replicas needs two of them.
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(autouse=True)
def _collectives_apart():
    """Replicas find each other by numbers that every strategy counts from the same start, in tables of the process.

    Two strategies of one process would meet there ("Shape mismatch in the collective instance"). Programs make one;
    tests set theirs apart as those of TensorFlow do (`strategy_combinations.py`).
    """
    tf.distribute.MirroredStrategy._collective_key_base += 100_000
