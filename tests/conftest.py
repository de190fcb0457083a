"""Set-up of the test run: quiet TensorFlow, two logical CPUs for tests of replicas, long files first, little memory."""

import collections
import ctypes
import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
import tensorflow as tf


def pytest_configure():
    # Before anything touches the devices: a strategy of two replicas needs two of them.
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.hookimpl(tryfirst=True)  # Before slow tests are deselected: their files are the long ones also without them.
def pytest_collection_modifyitems(items):
    # Files with slow tests first, so that the last ones are short: no core waits long for the other one at the end.
    slow = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True, scope="module")
def _memory_given_back(request):
    """What a file has cached is freed after it, and what that took goes back to the system, where glibc holds it."""
    yield
    for function in vars(request.module).values():
        if hasattr(function, "cache_clear") and function.__module__ == request.module.__name__:
            function.cache_clear()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


@pytest.fixture(autouse=True)
def _collectives_apart():
    """Replicas find each other by numbers that every strategy counts from the same start, in tables of the process.

    Two strategies of one process would meet there ("Shape mismatch in the collective instance"). Programs make one;
    tests set theirs apart as those of TensorFlow do (`strategy_combinations.py`).
    """
    tf.distribute.MirroredStrategy._collective_key_base += 100_000
