"""The whole genome in one model on small clips, made once a test process, and how its terms are measured."""

import functools

import tensorflow as tf

from elo_tf import tasks
from elo_tf.config import TaskConfig
from elo_tf.data.clips import MODALITIES
from elo_tf.model.elo_model import EloModel
from elo_tf.model.gradients import GradientNorms
from tests.batches import SIZES, random_clips

_GENOME = tasks.select(tuple(MODALITIES))
TERMS = [term.name for term in _GENOME]
DEFAULTS = TaskConfig()


def build(config=DEFAULTS, patterns=("*",), precision="float32"):
    """A model of the terms that match, its variables made; the same at every call."""
    policy = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(precision)
    try:
        tf.keras.utils.set_random_seed(0)
        model = EloModel(tasks.select(tuple(MODALITIES), patterns, config), SIZES)
        model.compute_losses(random_clips())
    finally:
        tf.keras.mixed_precision.set_global_policy(policy)
    return model


@functools.lru_cache(maxsize=1)
def _model_and_first_values():
    model = build()
    return model, [variable.numpy() for variable in model.variables]


def whole_model():
    """All terms in one model, as it was made: what a test before this one trained or measured is undone."""
    model, values = _model_and_first_values()
    for variable, value in zip(model.variables, values):
        variable.assign(value)
    return model


def task_of(name):
    """The term of this name, as the registry describes it: no model is built."""
    return _GENOME[TERMS.index(name)]


@functools.cache
def losses_of(training, change=None):
    """Losses of a batch in which one thing is changed: `segment/modality` or nothing."""
    clips = random_clips()
    if change:
        segment, modality = change.split("/")
        clips[segment] = {**clips[segment], modality: clips[segment][modality] * 0.5 + 0.1}
    return {name: value.numpy() for name, value in whole_model().compute_losses(clips, training).items()}


@functools.cache
def norms_of_all():
    """name -> modality -> norm of the gradient of the term in that tower."""
    return GradientNorms(whole_model()).measure(random_clips())
