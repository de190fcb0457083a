"""Norms and shares of gradients: against a tape of the reader's own, and without a trace in the model."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf import tasks
from elo_tf.config import InputError
from elo_tf.model.elo_model import EloModel
from elo_tf.model.gradients import GradientNorms
from tests.batches import SIZES, random_clips

NAMES = ("flow/distill/stage3", "flow/shuffle", "rgb/deep_cluster", "rgb/reconstruct")


@pytest.fixture
def model():
    tf.keras.utils.set_random_seed(0)
    model = EloModel(tasks.select(("rgb", "flow"), NAMES), SIZES)
    model.compute_losses(random_clips())
    return model


def norm_by_hand(model, name, modality):
    with tf.GradientTape() as tape:
        loss = model.compute_losses(random_clips(), training=True)[name]
    gradients = tape.gradient(loss, model.towers[modality].trainable_variables)
    return np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients if gradient is not None))


def test_norms_equal_a_tape_of_one_loss(model):
    norms = GradientNorms(model).measure(random_clips())
    assert norms["rgb/reconstruct"]["rgb"] == pytest.approx(norm_by_hand(model, "rgb/reconstruct", "rgb"), rel=1e-3)
    assert norms["flow/shuffle"]["flow"] == pytest.approx(norm_by_hand(model, "flow/shuffle", "flow"), rel=1e-3)
    assert norms["flow/shuffle"]["rgb"] == norms["flow/distill/stage3"]["flow"] == 0


def test_measuring_leaves_the_model_as_it_was(model):
    model.objective.assign([0.1, 0.2, 0.3, 0.0])
    before = [variable.numpy() for variable in model.variables]
    GradientNorms(model).measure(random_clips())
    for variable, value in zip(model.variables, before):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_units_are_of_the_tower_that_is_taught(model):
    norms = GradientNorms(model)
    units = norms.units([random_clips(), random_clips(seed=1)])
    alone = [norms.measure(random_clips(seed=seed)) for seed in (0, 1)]
    assert units["flow/shuffle"] == pytest.approx(np.mean([each["flow/shuffle"]["flow"] for each in alone]))
    assert units["rgb/reconstruct"] == pytest.approx(np.mean([each["rgb/reconstruct"]["rgb"] for each in alone]))


def test_in_units_of_its_gradient_a_term_pulls_with_its_lambda(model):
    norms = GradientNorms(model)
    model.objective.assign_units(norms.units([random_clips()]))
    model.objective.assign([0.5, 1.0, 0.25, 0.0])
    shares = norms.shares(random_clips())
    # The order of the names: rgb/deep_cluster, rgb/reconstruct, flow/distill/stage3, flow/shuffle. The last has weight
    # 0 and is not measured.
    expected = {"rgb/deep_cluster": 0.5 / 1.75, "rgb/reconstruct": 1.0 / 1.75, "flow/distill/stage3": 0.25 / 1.75}
    assert shares == pytest.approx(expected, abs=1e-4)


def test_a_term_without_a_gradient_has_no_unit(model):
    units = {name: 1.0 for name in model.objective.names}
    with pytest.raises(InputError, match="the gradient of flow/shuffle cannot be measured"):
        model.objective.assign_units({**units, "flow/shuffle": 0.0})
