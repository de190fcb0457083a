"""Log-mel spectrograms against tones and NumPy, and their tiling of the video's frames."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.data.spectrogram import log_mel

RATE, FRAME = 16000, 1280


def tone(hertz, frames=8, amplitude=1.0):
    seconds = np.arange(frames * FRAME) / RATE
    return tf.constant(amplitude * np.sin(2 * np.pi * hertz * seconds)[np.newaxis], tf.float32)


def spectrogram(samples, frames=8, steps=4, bins=16):
    return log_mel(samples, RATE, frames, steps, bins).numpy()


def test_shape_and_range():
    noise = tf.random.stateless_uniform([3, 8 * FRAME], [0, 0], -1, 1)
    result = spectrogram(noise)
    assert result.shape == (3, 8, 4, 16, 1)
    assert 0 <= result.min() and result.max() <= 1


@pytest.mark.parametrize("hertz", [300, 1000, 4000])
def test_a_tone_is_in_its_bin(hertz):
    # Centres of 16 triangular filters, evenly spaced in mel = 1127 ln(1 + f / 700) between 60 Hz and 8 kHz.
    mel = 1127 * np.log1p(np.array([60, 8000, hertz]) / 700)
    centres = np.linspace(mel[0], mel[1], 18)[1:-1]
    expected = np.abs(centres - mel[2]).argmin()
    loudest = spectrogram(tone(hertz))[0, 1:-1, ..., 0].argmax(axis=-1)
    assert np.abs(loudest - expected).max() <= 1


def test_full_scale_is_near_one_and_decibels_are_even():
    assert spectrogram(tone(1000)).max() == pytest.approx(1.0, abs=0.06)
    loud = spectrogram(tone(1000, amplitude=0.5)).max()
    # A tenth of the amplitude is 20 dB, a quarter of the range.
    assert loud - spectrogram(tone(1000, amplitude=0.05)).max() == pytest.approx(0.25, abs=0.01)
    assert spectrogram(tf.zeros([1, 8 * FRAME])).max() == 0


def test_a_click_is_in_its_frame_and_step():
    samples = np.zeros([1, 8 * FRAME], np.float32)
    samples[0, 3 * FRAME + 2 * 320 + 160 : 3 * FRAME + 2 * 320 + 170] = 1.0
    loudness = spectrogram(tf.constant(samples))[0].mean(axis=(2, 3)).reshape(-1)
    # A window is two hops: the click sounds in its own step and in the one before.
    assert set(np.flatnonzero(loudness > 0.1)) <= {13, 14} and loudness.argmax() in (13, 14)


def test_clips_of_a_batch_do_not_touch():
    both = tf.concat([tone(500), tone(2000, amplitude=0.01)], axis=0)
    np.testing.assert_allclose(spectrogram(both)[1:], spectrogram(tone(2000, amplitude=0.01)), atol=1e-6)


def test_steps_must_tile_a_frame():
    with pytest.raises(ValueError, match="1280 samples a frame cannot be cut into 3"):
        spectrogram(tone(500), steps=3)
