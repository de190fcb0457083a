"""Augmentation: one crop, mirror and colour for all frames, segments and modalities."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.data.augmentation import DRAWS, Augmentation
from elo_tf.data.stored_flow import ZERO


def draws(row=0.0, column=0.0, mirror=0.9, hue=0.5, saturation=0.5, value=0.5):
    rest = [0.0] * (DRAWS - 6)
    return tf.constant([row, column, mirror, hue, saturation, value, *rest])


def frames(count=3, size=12):
    return tf.constant(np.random.default_rng(0).integers(0, 256, [count, size, size, 3], np.uint8))


def test_crop_by_hand():
    # 12 - 8 = 4, so there are five places: 0.5 * 5 = 2.5 -> row 2, and 0.99 * 5 -> column 4.
    result = Augmentation.drawn(draws(row=0.5, column=0.99), 12, 8, True, 0.0).rgb(frames())
    np.testing.assert_allclose(result, frames().numpy()[:, 2:10, 4:12] / 255.0, atol=1e-6)


def test_crop_without_room():
    result = Augmentation.drawn(draws(row=0.999), 12, 12, True, 0.0).rgb(frames())
    np.testing.assert_allclose(result, frames().numpy() / 255.0, atol=1e-6)


def test_mirror_negates_u_and_keeps_v():
    fields = np.full([2, 12, 12, 2], ZERO, np.uint8)
    fields[:, :, :6] = [ZERO + 127, ZERO - 127]  # The left half moves right, and up.
    straight = Augmentation.drawn(draws(mirror=0.9), 12, 12, True, 0.2).flow(tf.constant(fields)).numpy()
    mirrored = Augmentation.drawn(draws(mirror=0.1), 12, 12, True, 0.2).flow(tf.constant(fields)).numpy()
    assert (straight[:, :, :6] == [1, -1]).all() and (straight[:, :, 6:] == 0).all()
    assert (mirrored[:, :, 6:] == [-1, -1]).all() and (mirrored[:, :, :6] == 0).all()


def test_rgb_and_flow_are_cropped_and_mirrored_alike():
    rgb, flow = np.zeros([1, 12, 12, 3], np.uint8), np.full([1, 12, 12, 2], ZERO, np.uint8)
    rgb[0, 5, 3] = 255
    flow[0, 5, 3] = 255
    augmentation = Augmentation.drawn(draws(row=0.3, column=0.1, mirror=0.1), 12, 9, True, 0.0)
    bright = np.argwhere(augmentation.rgb(tf.constant(rgb)).numpy()[..., 0])
    moving = np.argwhere(augmentation.flow(tf.constant(flow)).numpy()[..., 0])
    assert bright.tolist() == moving.tolist() and len(bright) == 1


def test_color_is_the_same_for_all_frames():
    still = tf.repeat(frames(1), 4, axis=0)
    result = Augmentation.drawn(draws(hue=0.9, saturation=0.1, value=0.2), 12, 12, True, 0.5).rgb(still).numpy()
    assert (result == result[:1]).all()
    assert np.abs(result - still.numpy() / 255.0).mean() > 0.02
    assert 0 <= result.min() and result.max() <= 1


def test_middle_draws_change_no_color():
    result = Augmentation.drawn(draws(), 12, 12, True, 1.0).rgb(frames())
    np.testing.assert_allclose(result, frames().numpy() / 255.0, atol=2e-3)


def test_centre_crop_changes_nothing_else():
    result = Augmentation.centred(12, 8).rgb(frames())
    np.testing.assert_allclose(result, frames().numpy()[:, 2:10, 2:10] / 255.0, atol=1e-6)


@pytest.mark.parametrize("flip, share", [(True, 0.5), (False, 0.0)])
def test_half_are_mirrored_if_asked_for(flip, share):
    random = tf.random.stateless_uniform([400, DRAWS], [0, 1])
    mirrored = [bool(Augmentation.drawn(row, 12, 8, flip, 0.0).mirrored) for row in random]
    assert np.mean(mirrored) == pytest.approx(share, abs=0.1)
