"""Promises that every registered term keeps, tested over the registry: a new kind is tested by existing."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.data.clips import MODALITIES, SEGMENTS
from elo_tf.model.elo_model import with_grey
from elo_tf.tasks import views
from tests.batches import random_clips
from tests.conformance.models import TERMS, losses_of, task_of, whole_model


@functools.lru_cache(maxsize=1)
def gradient_norms():
    """A graph that gives, for the lambdas in force, the norm of the gradient in each tower and in each head."""
    model = whole_model()
    clips = random_clips()
    groups = {modality: tower.trainable_variables for modality, tower in model.towers.items()}
    groups.update({task.name: task.trainable_variables for task in model.tasks})

    @functools.partial(tf.function, autograph=False)
    def norms():
        with tf.GradientTape() as tape:
            total = model.objective.total(model.compute_losses(clips, training=True))
        gradients = tape.gradient(total, groups, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return {group: tf.linalg.global_norm(values) for group, values in gradients.items() if values}

    return norms


def gradients_of(name):
    """Norm of the gradient of one term, or of none, in each tower, and in each head."""
    norms = gradient_norms()
    whole_model().objective.assign([float(term == name) for term in TERMS])
    return {group: norm.numpy() for group, norm in norms().items()}


@pytest.mark.parametrize("name", TERMS)
def test_is_finite_and_of_order_one(name):
    for training in (False, True):
        assert 0.1 < losses_of(training)[name] < 10


@pytest.mark.parametrize("name", [name for name in TERMS if task_of(name).equation == "Eq. 7"])
def test_classification_starts_at_chance(name):
    for training in (False, True):
        assert losses_of(training)[name] == pytest.approx(np.log(2), abs=0.05)


@pytest.mark.parametrize("name", TERMS)
def test_teaches_the_towers_that_it_says_and_no_other(name):
    task = task_of(name)
    for group, norm in gradients_of(name).items():
        if group in (*task.teaches, name):
            assert np.isfinite(norm) and norm > 1e-7, group
        else:
            assert norm == 0, group


def test_no_term_teaches_at_weight_zero():
    assert {group: norm for group, norm in gradients_of(None).items() if norm} == {}


@pytest.mark.parametrize("name", TERMS)
def test_depends_on_what_it_names_only(name):
    task = task_of(name)
    needs = {(segment, MODALITIES[modality].source) for segment, modality in task.targets}
    for modality, view in task.views:
        needs.add((views.find(view).segment, MODALITIES[modality].source))
    for segment in SEGMENTS:
        for modality in ("rgb", "flow", "audio"):
            change = abs(losses_of(False, f"{segment}/{modality}")[name] - losses_of(False)[name])
            assert (change > 0) == ((segment, modality) in needs), (segment, modality)


@pytest.mark.parametrize("name", TERMS)
def test_missing_sound_masks_its_terms_and_no_other(name):
    task = task_of(name)
    value = _without_sound()[name]
    if "audio" in task.modalities:
        assert value == 0
    else:
        assert value == pytest.approx(losses_of(True)[name], abs=1e-6)


@functools.lru_cache(maxsize=1)
def _without_sound():
    clips = _silenced(random_clips(), [0, 1, 2, 3])
    return {name: value.numpy() for name, value in whole_model().compute_losses(clips, training=True).items()}


def _silenced(clips, places, stand_in=0.0):
    """The batch with clips at these places that have no sound, whatever stands in for it."""
    sounds = np.isin(np.arange(len(clips["label"])), places, invert=True)
    clips["present"] = {**clips["present"], "audio": tf.constant(sounds, tf.float32)}
    for segment in SEGMENTS:
        audio = clips[segment]["audio"].numpy()
        audio[~sounds] = stand_in
        clips[segment] = {**clips[segment], "audio": tf.constant(audio)}
    return clips


@pytest.mark.parametrize("name", [name for name in TERMS if "audio" in task_of(name).modalities])
def test_of_a_partly_silent_batch_what_sounds_counts(name):
    mixed, alone = _partly_silent(False), _partly_silent(False, sounding_only=True)
    assert mixed[name] == pytest.approx(alone[name], rel=1e-5)


@pytest.mark.parametrize("name", TERMS)
def test_what_stands_in_for_missing_sound_is_never_seen(name):
    assert _partly_silent(True, stand_in=0.0)[name] == _partly_silent(True, stand_in=0.5)[name]


@functools.cache
def _partly_silent(training, stand_in=0.0, sounding_only=False):
    """Losses of eight clips, the last four silent, or of the first four alone."""
    clips = _silenced(random_clips(batch=8), [4, 5, 6, 7], stand_in)
    if sounding_only:
        clips = tf.nest.map_structure(lambda tensor: tensor[:4], clips)
    return {name: value.numpy() for name, value in whole_model().compute_losses(clips, training).items()}


def test_the_future_enters_no_tower():
    def outputs(change):
        clips = random_clips()
        if change:
            clips["next"] = {modality: values * np.nan for modality, values in clips["next"].items()}
        return whole_model().encode(with_grey(clips), training=True)

    tf.nest.map_structure(np.testing.assert_array_equal, outputs(False), outputs(True))
