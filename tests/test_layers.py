"""(2+1)D units against Conv3D, worked kernels, and the formula for their width."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.networks.layers import Conv2Plus1D, Norm, Projection, SpatialConv, TemporalConv, middle_width


def test_middle_width_has_as_many_weights_as_a_full_convolution():
    # 64 -> 64 channels: 3 * 9 * 64 * 64 = 110592 weights; 144 middle channels make 9*64*144 + 3*144*64 = 110592.
    assert middle_width(64, 64) == 144
    for inputs, outputs in ((64, 128), (3, 64), (256, 512)):
        middle = middle_width(inputs, outputs)
        full, factored = 27 * inputs * outputs, 9 * inputs * middle + 3 * middle * outputs
        assert 0 <= full - factored < 9 * inputs + 3 * outputs


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(4, 6, 6), (5, 7, 6), (1, 1, 1)])
def test_both_halves_equal_conv3d(stride, size):
    video = tf.random.stateless_normal([2, *size, 3], [0, 1])
    for layer, kernel, strides in (
        (SpatialConv(5, 3, stride, 0.0), (1, 3, 3), (1, stride, stride)),
        (TemporalConv(5, 3, stride, 0.0), (3, 1, 1), (stride, 1, 1)),
    ):
        result = layer(video)
        weights = tf.reshape(layer.conv.kernel, [*kernel, 3, 5])
        expected = tf.nn.conv3d(video, weights, [1, *strides, 1], "SAME")
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_unit_of_ones_counts_its_neighbours():
    unit = Conv2Plus1D(1, 1)
    video = tf.ones([1, 3, 3, 3, 1])
    unit(video)
    unit.space.conv.kernel.assign(tf.ones([3, 3, 1, 1]))
    unit.time.conv.kernel.assign(tf.ones([3, 1, 1, 1]))
    # Frozen batch normalisation at its initial statistics divides by sqrt(1 + 1e-5).
    centre = unit(video)[0, 1, 1, 1, 0]
    assert centre.numpy() == pytest.approx(27.0, rel=1e-4)
    assert unit(video)[0, 0, 0, 0, 0].numpy() == pytest.approx(8.0, rel=1e-4)


def test_norm_uses_all_axes_but_channels():
    video = tf.random.stateless_normal([3, 4, 5, 6, 2], [0, 1]) * 3.0 + 7.0
    result = Norm(relu=False)(video, training=True).numpy()
    np.testing.assert_allclose(result.mean(axis=(0, 1, 2, 3)), 0.0, atol=1e-4)
    np.testing.assert_allclose(result.std(axis=(0, 1, 2, 3)), 1.0, atol=1e-3)


@pytest.mark.parametrize("frames", [1, 4, 5, 7])
def test_shortcut_has_the_shape_of_the_unit(frames):
    video = tf.ones([1, frames, 5, 4, 3])
    unit = Conv2Plus1D(6, 4, spatial_stride=2, temporal_stride=2)
    assert Projection(6, 2, 2, 0.0)(video).shape == unit(video).shape == (1, -(-frames // 2), 3, 2, 6)
