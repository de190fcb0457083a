"""Views: orders that are neither forward nor backward, and flow of the reversed video."""

import collections

import cv2
import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.spectrogram import log_mel
from elo_tf.data.stored_flow import dequantise
from elo_tf.prepare.flow import FlowEstimator
from elo_tf.tasks.views import VIEWS, check, find, in_order, permutation, reverse, shuffle
from tests.batches import random_clips


@pytest.mark.parametrize("frames", [3, 4, 8])
def test_never_forward_nor_backward(frames):
    orders = permutation(tf.random.stateless_uniform([5000, frames], [1, 2])).numpy()
    assert (np.sort(orders, axis=1) == np.arange(frames)).all()
    assert not (orders == np.arange(frames)).all(axis=1).any()
    assert not (orders == np.arange(frames)[::-1]).all(axis=1).any()


def test_the_forbidden_orders_by_hand():
    # Ascending noise would give the identity, descending noise the reversal; both get their first two swapped.
    orders = permutation(tf.constant([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.2, 0.1, 0.4, 0.3]])).numpy()
    assert orders.tolist() == [[1, 0, 2, 3], [2, 3, 1, 0], [1, 0, 3, 2]]


def test_all_other_orders_occur():
    orders = permutation(tf.random.stateless_uniform([4000, 4], [5, 6])).numpy()
    counts = collections.Counter(map(tuple, orders))
    assert len(counts) == 22
    assert min(counts.values()) > 100


@pytest.mark.parametrize("frames, moved", [(3, 2), (4, 3), (8, 3), (8, 8)])
def test_only_some_frames_leave_their_place(frames, moved):
    orders = permutation(tf.random.stateless_uniform([2000, frames], [3, 4]), moved).numpy()
    assert (np.sort(orders, axis=1) == np.arange(frames)).all()
    out_of_place = (orders != np.arange(frames)).sum(axis=1)
    assert not (orders == np.arange(frames)[::-1]).all(axis=1).any()
    if frames > moved + 1:
        assert (out_of_place == moved).all()
    else:  # What would have been the reversal has two more frames swapped.
        assert (out_of_place > 0).all()


def test_a_cycle_by_hand():
    # In the order of their noise, frames 2, 0 and 3 come first: 2 takes the frame of 0, 0 that of 3, 3 that of 2.
    assert permutation(tf.constant([[0.2, 0.8, 0.1, 0.3, 0.9]]), 3).numpy().tolist() == [[3, 1, 0, 2, 4]]


@pytest.mark.parametrize(
    "frames, moved, message", [(2, 0, "larger --frames"), (8, 1, "=1 cannot"), (4, 5, "use 0 or 2 to 4")]
)
def test_what_cannot_be_shuffled(frames, moved, message):
    with pytest.raises(InputError, match=message):
        permutation(tf.zeros([1, frames]), moved)


def test_more_frames_than_a_clip_has_random_numbers_are_not_shuffled():
    check("shuffled", "rgb", 64)
    check("plain", "rgb", 65)
    for view in ("shuffled", "shuffled-3"):
        with pytest.raises(InputError, match="--frames=65 are too many to shuffle; use 64 or less"):
            check(view, "rgb", 65)


@pytest.mark.parametrize("moved", [0, 3])
def test_shuffled_flow_repeats_its_last_field_as_flow_in_order_does(moved):
    clips = random_clips(batch=64, frames=4)
    flow = np.concatenate([clips["now"]["flow"][:, :3], clips["now"]["flow"][:, 2:3]], axis=1)
    shuffled = shuffle(tf.constant(flow), "flow", clips["noise"], moved).numpy()
    np.testing.assert_array_equal(shuffled[:, -1], shuffled[:, -2])
    order = permutation(clips["noise"][:, :3], moved).numpy()
    np.testing.assert_array_equal(shuffled[:, :-1], np.stack([clip[row] for clip, row in zip(flow, order)]))
    check("shuffled", "flow", 4)
    with pytest.raises(InputError, match="^2 frames, or fields of flow, have only a forward"):
        check("shuffled", "flow", 3)


def test_views_are_found_by_name():
    noise = random_clips(batch=4)
    plain, some = (find(name).make(noise, "rgb").numpy() for name in ("plain", "shuffled-3"))
    assert [sum((a != b).any() for a, b in zip(*pair)) for pair in zip(plain[::2], some)] == [3, 3]
    assert in_order({"other", "shuffled-3", "plain"}) == ["plain", "shuffled-3", "other"]
    for unknown in ("sideways", "plain-3", "shuffled-x"):
        with pytest.raises(KeyError):
            find(unknown)


def test_shuffle_moves_whole_frames():
    clips = random_clips(batch=4)
    rgb = clips["now"]["rgb"]
    order = permutation(clips["noise"][:, :8]).numpy()
    shuffled = shuffle(rgb, "rgb", clips["noise"]).numpy()
    for clip in range(4):
        np.testing.assert_array_equal(shuffled[clip], rgb.numpy()[clip][order[clip]])


def test_views_of_every_second_clip():
    clips = random_clips(batch=6)
    assert VIEWS["plain"].make(clips, "rgb").shape[0] == 6
    np.testing.assert_array_equal(VIEWS["other"].make(clips, "flow"), clips["other"]["flow"][::2])
    np.testing.assert_array_equal(VIEWS["reversed"].make(clips, "rgb"), clips["now"]["rgb"][::2, ::-1])


def test_reversed_flow_is_the_flow_of_the_reversed_video():
    # A square moves right over a textured ground, by another distance each frame; the video is reversed, flow computed
    # anew. As in a clip, the last field repeats the one before it.
    ground = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, [64, 64, 3], np.uint8), (5, 5), 0)
    square = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, [24, 24, 3], np.uint8), (3, 3), 0)
    places = np.cumsum([14, 1, 3, 0, 4, 2])
    frames = np.stack([ground] * len(places))
    for frame, place in zip(frames, places):
        frame[20:44, place : place + 24] = square
    estimate = FlowEstimator(IngestConfig())
    forward, backward = (dequantise(estimate(video)) for video in (frames, frames[::-1].copy()))
    inside = (slice(None), slice(27, 37), slice(27, 35))  # Of the square in every frame.

    def speeds(fields):
        """Pixels a frame by which the square moves right in each field."""
        return 20 * fields[inside][..., 0].mean(axis=(1, 2))

    derived = reverse(tf.constant(forward[np.newaxis]), "flow", None).numpy()[0]
    np.testing.assert_allclose(speeds(forward), [1, 3, 0, 4, 2, 2], atol=0.4)
    np.testing.assert_allclose(speeds(backward), [-2, -4, 0, -3, -1, -1], atol=0.4)
    np.testing.assert_allclose(speeds(derived), [-2, -4, 0, -3, -1, -1], atol=0.4)
    assert np.abs(derived - backward)[inside].mean() < 0.2 * np.abs(forward[::-1] - backward)[inside].mean()


def test_reversed_sound_is_the_spectrum_of_the_reversed_samples():
    # A tone that rises from 500 to 3500 Hz under a slow envelope; a window lasts two steps, so that the spectrum of the
    # reversed samples lies one step beside the reversed spectrum.
    time = np.arange(8 * 1280) / 16000
    phase = 2 * np.pi * (500 * time + 0.5 * 3000 / time[-1] * time**2)
    samples = (np.sin(phase) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))).astype(np.float32)
    forward, backward = (log_mel(each[np.newaxis], 16000, 8, 4, 64) for each in (samples, samples[::-1].copy()))
    derived = reverse(forward, "audio", None).numpy().reshape(32, 64)
    backward, forward = backward.numpy().reshape(32, 64), forward.numpy().reshape(32, 64)

    def apart(one):
        return np.abs(one[1:] - backward[:-1]).mean()

    only_frames = forward.reshape(8, 4, 64)[::-1].reshape(32, 64)
    assert apart(derived) < 0.2 * min(apart(forward), apart(only_frames), apart(-derived))
    # No seams at the borders of frames.
    np.testing.assert_array_equal(np.diff(derived, axis=0), -np.diff(forward, axis=0)[::-1])
