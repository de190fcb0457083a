"""One update: parts of a batch, clipping and the scaled loss against NumPy, on a model that one can do by hand."""

import types

import numpy as np
import pytest
import tensorflow as tf

from elo_tf import tasks
from elo_tf.config import FinalTrainConfig, InputError, TaskConfig
from elo_tf.data.clips import ClipSizes
from elo_tf.model.elo_model import EloModel
from elo_tf.train.update import Update
from tests.batches import random_clips

RATE = 0.1


class Line(tf.keras.Model):
    """y = w x with the mean square error, the gradients of `EloModel`; `unused` has none."""

    def __init__(self, optimizer):
        super().__init__()
        self.w = tf.Variable([2.0, -1.0])
        self.unused = tf.Variable(1.0)
        self.objective = types.SimpleNamespace(names=("square",))
        self.compile(optimizer=optimizer)

    compute_gradients = EloModel.compute_gradients
    _open_gradients = EloModel._open_gradients

    def compute_losses(self, clips, training):
        assert training
        error = tf.linalg.matvec(clips["x"], self.w) - clips["y"]
        return {"square": tf.reduce_mean(error**2)}


def line(optimizer):
    model = Line(optimizer)
    model.tasks = []
    model.objective.lambdas = tf.Variable([1.0])
    model.objective.total = lambda losses: losses["square"]
    return model


def batch(size=6):
    random = np.random.default_rng(0)
    x, y = random.normal(size=[size, 2]).astype(np.float32), random.normal(size=size).astype(np.float32)
    return {"x": tf.constant(x), "y": tf.constant(y), "video": tf.range(size, dtype=tf.int64)}


def by_hand(clips, w):
    """The loss and its gradient."""
    x, y = clips["x"].numpy().astype(float), clips["y"].numpy().astype(float)
    error = x @ w - y
    return np.mean(error**2), 2 * x.T @ error / len(y)


@pytest.mark.parametrize("parts", [1, 2, 3, 6])
@pytest.mark.parametrize("clip_norm", [0.0, 0.5, 100.0])
def test_parts_and_clipping_against_numpy(parts, clip_norm):
    clips = batch()
    model = line(tf.keras.optimizers.legacy.SGD(RATE))
    loss, gradient = by_hand(clips, model.w.numpy())
    norm = np.linalg.norm(gradient)
    assert 0.5 < norm < 100
    expected = model.w.numpy() - RATE * gradient * (min(1, clip_norm / norm) if clip_norm else 1)
    losses, finite = tf.function(Update(model, clip_norm, parts), autograph=False)(clips)
    assert finite
    np.testing.assert_allclose(losses["square"], loss, rtol=1e-6)
    np.testing.assert_allclose(model.w.numpy(), expected, rtol=1e-6)
    assert float(model.unused) == 1.0


@pytest.mark.parametrize("parts, clip_norm", [(1, 0.0), (2, 1.0)])
def test_a_step_that_overflows_is_left_out_and_the_scale_halves(parts, clip_norm):
    optimizer = tf.keras.optimizers.legacy.SGD(RATE)
    model = line(tf.keras.mixed_precision.LossScaleOptimizer(optimizer, initial_scale=2.0**100))
    update = tf.function(Update(model, clip_norm, parts), autograph=False)
    clips = batch()
    before = model.w.numpy()
    # The gradient is near 1e10, and 1e40 when scaled, more than float32 holds.
    update({**clips, "y": tf.constant([0, 0, 0, 0, 0, 3e10])})
    np.testing.assert_array_equal(model.w.numpy(), before)
    assert float(model.optimizer.loss_scale) == 2.0**99
    _, gradient = by_hand(clips, before)
    update(clips)
    factor = min(1, clip_norm / np.linalg.norm(gradient)) if clip_norm else 1
    np.testing.assert_allclose(model.w.numpy(), before - RATE * factor * gradient, rtol=1e-6)
    assert float(model.optimizer.loss_scale) == 2.0**99


@pytest.mark.slow
def test_two_like_halves_taken_in_parts_are_the_whole():
    """With both halves alike, batch normalisation sees in a part what it sees in the whole; so do all terms."""
    sizes = ClipSizes(frames=4, future_frames=2, size=16, audio_steps=4, mel_bins=16)
    half = random_clips(batch=4, frames=4, future=2)
    clips = tf.nest.map_structure(lambda values: tf.concat([values, values], 0), half)
    names = ("rgb/reconstruct", "rgb/backward", "rgb-grey/embed")
    moved = []
    for parts in (1, 2):
        tf.keras.utils.set_random_seed(0)
        model = EloModel(tasks.select(("rgb", "grey"), names), sizes, weight_decay=1e-3)
        model.compile(optimizer=tf.keras.optimizers.legacy.SGD(RATE))
        model.compute_losses(clips, training=False)
        before = [variable.numpy() for variable in model.trainable_variables]
        losses, _ = tf.function(Update(model, 0.0, parts), autograph=False)(clips)
        after = [variable.numpy() for variable in model.trainable_variables]
        assert max(np.abs(new - old).max() for new, old in zip(after, before)) > 1e-3
        moved.append((after, {name: float(value) for name, value in losses.items()}))
    assert moved[0][1] == pytest.approx(moved[1][1], abs=1e-5)
    for one, two in zip(moved[0][0], moved[1][0]):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_clusters_are_renewed_by_updates_not_by_parts():
    config = TaskConfig(pseudo_labels=2, memory_videos=64, recluster_every=2)
    sizes = ClipSizes(frames=4, future_frames=2, size=16, audio_steps=4, mel_bins=16)
    model = EloModel(tasks.select(("rgb",), ("rgb/deep_cluster",), config), sizes)
    model.compile(optimizer=tf.keras.optimizers.legacy.SGD(RATE))
    clips = random_clips(batch=4, frames=4, future=2)
    model.compute_losses(clips, training=False)
    update, memory = Update(model, parts=2), model.tasks[0].memory
    clustered = []
    for _ in range(3):
        update(clips)
        clustered.append(bool(memory.is_clustered()))
    assert clustered == [False, True, True] and int(memory.steps) == 6


def test_parts_must_divide_the_clips_and_leave_them_company():
    train = FinalTrainConfig(accumulate=3)
    assert train.clips_at_a_time(6, 1) == 2 and train.clips_at_a_time(12, 2) == 2
    for parts, batch_size, devices in ((4, 6, 1), (6, 6, 1), (2, 4, 2)):
        with pytest.raises(InputError, match=f"--accumulate={parts} does not split the {batch_size // devices} clips"):
            FinalTrainConfig(accumulate=parts).clips_at_a_time(batch_size, devices)
