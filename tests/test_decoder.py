"""The decoder: six convolutions over space, every frame its own, any target."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import TaskConfig
from elo_tf.data.clips import ClipSizes
from elo_tf.networks.decoder import Decoder


@pytest.mark.parametrize(
    "features, target",
    [((2, 1, 2, 2, 64), (8, 32, 32, 3)), ((1, 2, 1, 1, 8), (4, 4, 16, 1)), ((1, 2, 2, 3, 8), (5, 30, 41, 2))],
)
def test_shape_and_convolutions(features, target):
    decoder = Decoder(target)
    result = decoder(tf.random.stateless_normal(features, [0, 0]))
    assert result.shape == (features[0], *target) and result.dtype == tf.float32
    kernels = [weight for weight in decoder.trainable_variables if weight.shape.rank == 4]
    assert len(kernels) == 6 and all(kernel.shape[:2] == (3, 3) for kernel in kernels)


@pytest.mark.parametrize("modality, stride", [("rgb", 2), ("flow", 2), ("audio", 1)])
def test_half_size_and_the_target_averaged_to_it(modality, stride):
    sizes = ClipSizes(frames=4, future_frames=2, size=16, audio_steps=4, mel_bins=16)
    decoder = Decoder.of("now", modality, sizes, TaskConfig())
    features = tf.random.stateless_normal([2, 1, 1, 1, 8], [0, 0])
    frames, height, width, channels = sizes.segment_shape("now", modality)
    decoded = decoder(features).numpy()
    assert decoded.shape == (2, frames, height // stride, width // stride, channels)
    target = np.random.default_rng(0).random([2, frames, height, width, channels]).astype(np.float32)
    pooled = target.reshape(2, frames, height // stride, stride, width // stride, stride, channels).mean((3, 5))
    expected = np.sqrt(((decoded - pooled) ** 2).reshape(2, -1).mean(1) + 1e-6)
    np.testing.assert_allclose(decoder.loss(features, tf.constant(target), training=False), expected, rtol=1e-4)


def test_places_are_laid_out_anew_where_they_differ():
    # From sound, one place, to pictures of 32 x 32: the four quarters of a frame can be told apart.
    decoder, features = Decoder((2, 32, 32, 3)), tf.random.stateless_normal([1, 1, 1, 1, 8], [0, 0])
    assert decoder(features).shape == (1, 2, 32, 32, 3)
    assert decoder.layout.kernel.shape == (8, 2 * 2 * 64)


def test_positions_in_time_do_not_mix():
    decoder = Decoder((4, 16, 16, 1))
    features = tf.random.stateless_normal([1, 2, 1, 1, 8], [0, 0])
    before = decoder(features).numpy()
    after = decoder(features + [[[[[0.0]]], [[[1.0]]]]]).numpy()
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    assert np.abs(before[:, 2:] - after[:, 2:]).max() > 1e-3


def test_learns_to_tell_frames_apart():
    target = tf.ones([4, 2, 16, 16, 1]) * tf.constant([0.1, 0.9])[:, tf.newaxis, tf.newaxis, tf.newaxis]
    features = tf.random.stateless_normal([4, 1, 1, 1, 8], [0, 0])
    decoder, optimizer = Decoder((2, 16, 16, 1)), tf.keras.optimizers.legacy.Adam(0.01)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(decoder(features, training=True) - target))
        variables = decoder.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    decoder(features)
    first = float(step())
    for _ in range(100):
        last = float(step())
    # Half of the frames each: what does not depend on the frame leaves 0.16.
    assert last < 0.04 < first
