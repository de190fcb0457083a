"""Optical flow: sign and size on a known motion, quantisation by hand, one field a frame."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elo_tf.config import IngestConfig
from elo_tf.data.stored_flow import dequantise, quantise
from elo_tf.prepare.flow import FlowEstimator


def moving_texture(u, v, frames=4, size=64):
    """uint8 [F,size,size,3]: a texture that moves by (u, v) whole pixels a frame."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.normal(size=(4 * size, 4 * size)).astype(np.float32), (0, 0), 2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    start = 3 * size // 2
    views = [texture[start - t * v :, start - t * u :][:size, :size] for t in range(frames)]
    return np.repeat(np.stack(views)[..., None], 3, axis=-1)


@pytest.mark.parametrize("method", ["dis", "tvl1"])
@pytest.mark.parametrize("u, v", [(3, 0), (0, -2), (-2, 4)])
def test_known_motion(method, u, v):
    flow = FlowEstimator(IngestConfig(flow=method))(moving_texture(u, v))
    assert flow.shape == (4, 64, 64, 2) and flow.dtype == np.uint8
    pixels = dequantise(flow)[:, 8:-8, 8:-8] * 20
    error = np.hypot(pixels[..., 0] - u, pixels[..., 1] - v)
    assert np.median(error) < 0.25


def test_last_field_repeats():
    flow = FlowEstimator(IngestConfig())(moving_texture(2, 1, frames=3))
    np.testing.assert_array_equal(flow[2], flow[1])
    assert np.any(flow[1] != flow[0])


def test_pairs_are_independent_of_what_came_before():
    frames = moving_texture(2, 1, frames=4)
    estimator = FlowEstimator(IngestConfig())
    np.testing.assert_array_equal(estimator(frames)[2], estimator(frames[2:])[0])


def test_single_frame_does_not_move():
    np.testing.assert_array_equal(FlowEstimator(IngestConfig(size=16))(np.zeros((1, 16, 16, 3), np.uint8)), 128)


@pytest.mark.parametrize("size", [16, 17, 200])
def test_any_size(size):
    still = np.repeat(moving_texture(0, 0, frames=1, size=size), 2, axis=0)
    np.testing.assert_allclose(FlowEstimator(IngestConfig(size=size))(still), 128, atol=1)


def test_quantise_by_hand():
    flow = np.array([0.0, 20.0, -20.0, 99.0, -99.0, 10.0, np.nan], np.float32)
    np.testing.assert_array_equal(quantise(flow, 20.0), [128, 255, 1, 255, 1, 192, 128])
    np.testing.assert_array_equal(dequantise(np.array([128, 255, 1], np.uint8)), [0, 1, -1])


@given(st.floats(-40, 40), st.floats(1, 40))
def test_quantise_is_within_half_a_step_and_symmetric(value, bound):
    stored = quantise(np.array([value, -value]), bound)
    restored = dequantise(stored) * bound
    assert abs(restored[0] - np.clip(value, -bound, bound)) <= bound / 254 + 1e-6 * bound
    assert restored[0] == -restored[1]
