"""How long a step takes on a device, by hand."""

import pytest

from elo_tf.costs.accelerators import ACCELERATORS, PRECISIONS, Accelerator, Work, estimate, largest_batch, with_own

DEVICE = Accelerator("by hand", 10, 100, {"float32": 2.0, "mixed_bfloat16": 8.0})


def test_arithmetic_limits_a_step_of_many_operations():
    # 10^12 operations at half of 2 x 10^12 a second, against 10^9 bytes at 10^11 a second.
    made = estimate(DEVICE, "float32", Work(operations=1e12, traffic=1e9, memory=1e9), 0.5)
    assert made.seconds == pytest.approx(1.0) and made.limit == "arithmetic" and made.fits


def test_memory_limits_a_step_of_few_operations():
    made = estimate(DEVICE, "mixed_bfloat16", Work(operations=1e9, traffic=5e10, memory=1e9), 0.5)
    assert made.seconds == pytest.approx(0.5) and made.limit == "memory"


def test_a_part_of_the_memory_stays_free():
    assert estimate(DEVICE, "float32", Work(1, 1, 8.5e9), 1.0).fits
    assert not estimate(DEVICE, "float32", Work(1, 1, 8.6e9), 1.0).fits


def test_the_largest_batch_just_fits():
    # 8.5 GB - 2 GB leave room for 13 clips of half a GB.
    assert largest_batch(DEVICE, 2e9, 0.5e9) == 13
    assert largest_batch(DEVICE, 9.5e9, 0.5e9) == 0


def test_every_accelerator_has_a_rate_for_every_precision():
    for device in with_own(1.5, 16, 100):
        assert set(device.teraflops) == set(PRECISIONS)
        assert all(device.teraflops[precision] <= device.teraflops["float32"] for precision in device.lacks)


def test_a_device_of_ones_own_is_one_more():
    assert with_own(0, 16, 100) == ACCELERATORS
    own = with_own(1.5, 16, 100)[-1]
    assert (own.teraflops["float32"], own.memory_gb, own.bandwidth_gbs) == (1.5, 16, 100)
