"""Set-up of the test run: quiet TensorFlow, two logical CPUs for tests of replicas."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf


def pytest_configure():
    # Before anything touches the devices: a strategy of two replicas needs two of them.
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
