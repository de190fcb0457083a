"""Promises that every registered term keeps, tested over the registry: a new kind is tested by existing."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from elo_tf import tasks
from elo_tf.clips import MODALITIES, SEGMENTS
from elo_tf.model import EloModel
from tests.batches import SIZES, random_clips

TERMS = [term.name for term in tasks.select(tuple(MODALITIES))]


@functools.lru_cache(maxsize=1)
def _model_and_first_values():
    tf.keras.utils.set_random_seed(0)
    model = EloModel(tasks.select(tuple(MODALITIES)), SIZES)
    model.compute_losses(random_clips())
    return model, [variable.numpy() for variable in model.variables]


def whole_model():
    """All terms in one model, as it was made: what a test before this one trained or measured is undone."""
    model, values = _model_and_first_values()
    for variable, value in zip(model.variables, values):
        variable.assign(value)
    return model


@functools.cache
def losses_of(training, change=None):
    """Losses of a batch in which one thing is changed: `segment/modality`, `video/N` or nothing."""
    clips = random_clips()
    if change:
        segment, modality = change.split("/")
        clips[segment] = {**clips[segment], modality: clips[segment][modality] * 0.5 + 0.1}
    return {name: value.numpy() for name, value in whole_model().compute_losses(clips, training).items()}


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


def gradients_of(name, weight=1.0):
    """Norm of the gradient of one term in each tower, and in its own head where it has one."""
    norms = gradient_norms()
    whole_model().objective.assign([weight * (term == name) for term in TERMS])
    return {group: norm.numpy() for group, norm in norms().items()}


@pytest.mark.parametrize("name", TERMS)
def test_is_finite_and_of_order_one(name):
    for training in (False, True):
        assert 0.05 < losses_of(training)[name] < 10


@pytest.mark.parametrize("name", TERMS)
def test_teaches_the_towers_that_it_says_and_no_other(name):
    task = next(task for task in whole_model().tasks if task.name == name)
    for group, norm in gradients_of(name).items():
        if group in (*task.teaches, name):
            assert np.isfinite(norm) and norm > 1e-7, group
        else:
            assert norm == 0, group


@pytest.mark.parametrize("name", TERMS)
def test_teaches_nothing_at_weight_zero(name):
    assert set(gradients_of(name, weight=0.0).values()) == {0.0}


@pytest.mark.parametrize("name", TERMS)
def test_depends_on_what_it_names_only(name):
    task = next(task for task in whole_model().tasks if task.name == name)
    needs = {(segment, MODALITIES[modality].source) for segment, modality in task.targets}
    for modality, view in task.views:
        segment = {"other": "other"}.get(view, "now")
        needs.add((segment, MODALITIES[modality].source))
    for segment in SEGMENTS:
        for modality in ("rgb", "flow", "audio"):
            change = abs(losses_of(False, f"{segment}/{modality}")[name] - losses_of(False)[name])
            assert (change > 1e-6) == ((segment, modality) in needs), (segment, modality)


@pytest.mark.parametrize("name", TERMS)
def test_missing_sound_masks_its_terms_and_no_other(name):
    task = next(task for task in whole_model().tasks if task.name == name)
    value = _without_sound()[name]
    if "audio" in task.modalities:
        assert value == 0
    else:
        assert value == pytest.approx(losses_of(True)[name], abs=1e-6)


@functools.lru_cache(maxsize=1)
def _without_sound():
    clips = random_clips()
    clips["present"] = {**clips["present"], "audio": tf.zeros([4])}
    for segment in SEGMENTS:
        clips[segment] = {**clips[segment], "audio": tf.zeros_like(clips[segment]["audio"])}
    return {name: value.numpy() for name, value in whole_model().compute_losses(clips, training=True).items()}


def test_graph_equals_eager():
    graph = tf.function(functools.partial(whole_model().compute_losses, training=False), autograph=False)
    for name, value in graph(random_clips()).items():
        assert value.numpy() == pytest.approx(losses_of(False)[name], rel=1e-4), name
