"""Eq. 1: the weighted sum, what a weight of 0 keeps out, and loss files."""

import json

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.model.objective import Objective, load_loss, save_loss, schema_hash

NAMES = ("rgb/reconstruct", "rgb/shuffle", "rgb-flow/embed")


@pytest.fixture
def objective():
    return Objective(NAMES)


def test_total_equals_the_sum_by_hand(objective):
    objective.assign([0.5, 0.0, 1.0])
    losses = dict(zip(NAMES, map(tf.constant, (2.0, 100.0, 0.25))))
    assert objective.total(losses).numpy() == 0.5 * 2.0 + 0.25


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_zero_weight_keeps_nan_and_inf_out(objective, bad):
    objective.assign([1.0, 0.0, 1.0])
    losses = dict(zip(NAMES, map(tf.constant, (2.0, bad, 1.0))))
    assert objective.total(losses).numpy() == 3.0


def test_gate_stops_an_infinite_derivative(objective):
    point = tf.Variable([0.0, 4.0])

    def gradient():
        with tf.GradientTape() as tape:
            # The derivative of the root is infinite at 0.
            losses = {
                NAMES[0]: tf.reduce_sum(objective.gate(point.value(), 0)),
                NAMES[1]: tf.reduce_sum(tf.sqrt(objective.gate(point.value(), 1))),
                NAMES[2]: tf.constant(0.0),
            }
            total = objective.total(losses)
        return tape.gradient(total, point).numpy()

    objective.assign([1.0, 0.0, 0.0])
    np.testing.assert_array_equal(gradient(), [1.0, 1.0])
    objective.assign([0.0, 1.0, 0.0])
    np.testing.assert_array_equal(gradient(), [np.inf, 0.25])


def test_another_loss_needs_no_new_graph(objective):
    traces = []

    @tf.function
    def total(values):
        traces.append(1)
        return objective.total(dict(zip(NAMES, tf.unstack(values))))

    for lambdas in ([1, 1, 1], [0, 0, 1], [0.3, 0.1, 0]):
        objective.assign(lambdas)
        assert total(tf.constant([1.0, 2.0, 3.0])).numpy() == pytest.approx(np.dot(lambdas, [1, 2, 3]))
    assert len(traces) == 1


@pytest.mark.parametrize("lambdas", [[1, 1], [0, 0, 1.01], [-0.1, 0, 0], [np.nan, 0, 0]])
def test_bad_lambdas_are_refused(objective, lambdas):
    with pytest.raises(InputError):
        objective.assign(lambdas)


def test_loss_file_round_trip_is_exact_and_by_name(tmp_path):
    path = tmp_path / "evolved_loss.json"
    lambdas = np.random.default_rng(0).random(3)
    save_loss(path, NAMES, lambdas, {"fitness": 0.1})
    np.testing.assert_array_equal(load_loss(path, NAMES).lambdas, lambdas)
    np.testing.assert_array_equal(load_loss(path, NAMES[::-1]).lambdas, lambdas[::-1])
    assert json.loads(path.read_text())["schema_hash"] == schema_hash(NAMES)
    assert [file.name for file in tmp_path.iterdir()] == ["evolved_loss.json"]


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "is not a loss file"),
        ('{"lambdas": 3}', "is not a loss file"),
        ('{"lambdas": {"rgb/shuffle": 1}}', "lacks rgb/reconstruct, rgb-flow/embed"),
        ('{"lambdas": {"rgb/shuffle": 1, "rgb/reconstruct": 1, "rgb-flow/embed": 0, "x": 1}}', "has x"),
        ('{"lambdas": {"rgb/shuffle": "much", "rgb/reconstruct": 1, "rgb-flow/embed": 0}}', "is not a loss file"),
    ],
)
def test_loss_file_for_other_terms_names_them(tmp_path, content, message):
    path = tmp_path / "loss.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        load_loss(path, NAMES)


def test_missing_loss_file(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_loss(tmp_path / "none.json", NAMES)
