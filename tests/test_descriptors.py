"""Descriptors against cases by hand, and what they must see and must not see."""

import numpy as np
import pytest

from elo_tf.config import InputError
from elo_tf.data import descriptors


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _clips(rng):
    return {
        "pixels": rng.random((5, 8, 20, 28, 3), np.float32),
        "color_histogram": rng.random((5, 8, 20, 28, 3), np.float32),
        "frame_difference": rng.random((5, 8, 20, 28, 3), np.float32),
        "audio": rng.random((5, 8, 4, 16, 1), np.float32),
        "flow": rng.uniform(-1, 1, (5, 8, 20, 28, 2)).astype(np.float32),
    }


WIDTHS = {"pixels": 192, "color_histogram": 64, "frame_difference": 28, "audio": 80, "flow": 47}


@pytest.mark.parametrize("name", descriptors.DESCRIPTORS)
def test_each_row_depends_on_its_clip_alone(rng, name):
    clips = _clips(rng)[name]
    rows = descriptors.describe(name, clips)
    assert rows.shape == (5, WIDTHS[name]) and rows.dtype == np.float32
    alone = np.concatenate([descriptors.describe(name, clips[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(rows, alone, rtol=1e-5, atol=1e-6)
    assert np.abs(rows[0] - rows[1]).max() > 1e-4


@pytest.mark.parametrize("name", descriptors.DESCRIPTORS)
def test_a_constant_clip_is_finite(rng, name):
    assert np.isfinite(descriptors.describe(name, np.zeros_like(_clips(rng)[name]))).all()


def test_pixels_are_means_of_cells(rng):
    clip = rng.random((2, 4, 16, 8, 3), np.float32)
    expected = clip.reshape(2, 4, 8, 2, 8, 1, 3).mean((1, 3, 5))
    np.testing.assert_allclose(descriptors.pixels(clip).reshape(2, 8, 8, 3), expected, rtol=1e-5)


def test_pixels_weigh_all_pixels_of_uneven_cells(rng):
    clip = rng.random((1, 2, 19, 21, 3), np.float32)
    cells = descriptors.pixels(clip).reshape(8, 8, 3)
    rows, columns = (np.linspace(0, side, 9).astype(int) for side in (19, 21))
    np.testing.assert_allclose(
        cells[3, 7], clip[0][:, rows[3] : rows[4], columns[7] : columns[8]].mean((0, 1, 2)), rtol=1e-5
    )


def test_color_histogram_counts_colours_and_not_places(rng):
    clip = np.zeros((1, 2, 4, 4, 3), np.float32)
    clip[0, 0, 0, :, 0] = 1.0  # 4 of 32 pixels are pure red, index 3 * 16
    histogram = descriptors.color_histogram(clip)[0]
    assert histogram[48] == pytest.approx(4 / 32) and histogram[0] == pytest.approx(28 / 32)
    clip = _clips(rng)["color_histogram"]
    np.testing.assert_array_equal(
        descriptors.color_histogram(clip), descriptors.color_histogram(clip[:, ::-1, :, ::-1])
    )


def test_frame_difference_by_hand():
    clip = np.zeros((1, 4, 2, 2, 3), np.float32)
    clip[0, 1, 0, 0] = 0.4  # appears, stays, goes: energies .1, 0, .1 over four pixels
    clip[0, 2, 0, 0] = 0.4
    row = descriptors.frame_difference(clip)[0]
    np.testing.assert_allclose(row[:4], [0.2 / 3, np.std([0.1, 0, 0.1]), 0, 0.1], atol=1e-6)
    np.testing.assert_allclose(row[4:8], [0.1, 0, 0.1, 0.1], atol=1e-6)
    np.testing.assert_allclose(row[18:21], [2 / 12] * 3, atol=1e-6)
    np.testing.assert_allclose(row[21:], [0, 0.1, 0.1], atol=1e-6)


def test_audio_by_hand():
    steps = np.zeros((1, 2, 2, 3, 1), np.float32)
    steps[0, :, :, 1, 0] = [[0.0, 0.9], [0.3, 0.0]]
    row = descriptors.audio(steps)[0]
    np.testing.assert_allclose(row[:3], [0, 0.3, 0], atol=1e-6)
    np.testing.assert_allclose(row[9:12], [0, 0.9, 0], atol=1e-6)
    np.testing.assert_allclose(row[12:16], [0.1, np.std([0, 0.3, 0.1, 0]), 0, 0.3], atol=1e-6)
    np.testing.assert_allclose(row[16:20], [0.2, np.std([0.3, 0.2, 0.1]), 0.1, 0.3], atol=1e-6)


def test_audio_sees_a_rhythm_that_means_do_not_show():
    even = np.full((1, 8, 4, 2, 1), 0.5, np.float32)
    beating = even.copy()
    beating[0, ::2], beating[0, 1::2] = 0.0, 1.0
    np.testing.assert_allclose(descriptors.audio(even)[0, :2], descriptors.audio(beating)[0, :2])
    assert np.abs(descriptors.audio(even) - descriptors.audio(beating)).max() > 0.4


def test_flow_tells_magnitude_and_direction():
    field = np.zeros((2, 3, 4, 4, 2), np.float32)
    field[0, ..., 0] = 0.3
    field[1, ..., 1] = 0.4
    rows = descriptors.flow(field)
    np.testing.assert_allclose(rows[:, 0], [0.3, 0.4], rtol=1e-5)
    directions = rows[:, 15:23]
    np.testing.assert_allclose(directions.sum(1), 1, rtol=1e-5)
    assert directions[0].argmax() == 4 and directions[1].argmax() == 6
    np.testing.assert_allclose(rows[:, 39:], 0, atol=1e-6)


def test_flow_sees_a_turn_that_means_of_magnitude_do_not_show():
    straight = np.zeros((1, 4, 4, 4, 2), np.float32)
    straight[..., 0] = 0.3
    turning = straight.copy()
    turning[:, 2:, ..., 0] = -0.3
    rows = descriptors.flow(np.concatenate([straight, turning]))
    np.testing.assert_allclose(rows[0, :15], rows[1, :15], atol=1e-6)
    assert rows[1, 39] == pytest.approx(0.6 / 3) and rows[0, 39] == 0


def test_an_unknown_descriptor_lists_the_known_ones():
    with pytest.raises(InputError, match="'taste' is unknown; choose from pixels, color_histogram"):
        descriptors.describe("taste", np.zeros((1, 8, 4, 4, 3)))
