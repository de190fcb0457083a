"""The decoder: six convolutions over space, every frame its own, any target."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.decoder import Decoder


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
