"""What every weighting keeps: bounds, state in variables that checkpoints hold, one graph, replicas that agree."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import WeightingConfig
from elo_tf.model.weighting import base
from elo_tf.model.weighting.term_gradients import TermGradients, mean_of_replicas
from elo_tf.runtime.private_api import make_slots
from elo_tf.train import replicas

NAMES = tuple(base.weightings())
TERMS = 3
# Points that the weights of a regression are drawn to, a term a column.
POINTS = np.random.default_rng(0).normal(size=[8, TERMS, 2]).astype(np.float32) + 1


class Regression:
    """Three quadratic terms of one variable, and the weighting of a name."""

    def __init__(self, name):
        self.w = tf.Variable([3.0, -1.0])
        self.optimizer = tf.keras.optimizers.legacy.SGD(0.05)
        make_slots(self.optimizer, [self.w])  # Made here: a graph that makes variables is traced twice.
        start = base.Start(tuple("abc"), [0.2, 0.5, 1.0], 4, WeightingConfig(lambda_rate=0.2))
        self.weighting = base.create(name, start)
        self.step = tf.function(self._step, autograph=False)

    def _step(self, points):
        """The weights [3] by these points [n,3,2], after which the variable has moved by them."""
        with tf.GradientTape(persistent=True) as tape:
            losses = tf.reduce_mean(tf.reduce_sum((self.w - points) ** 2, axis=2), axis=0) / 2
            outer = self._outer if self.weighting.looks_at == base.HELD_OUT else None
            gradients = TermGradients(tape, losses, [self.w], self.optimizer, outer)
            weights = self.weighting.ask(mean_of_replicas(losses), gradients)
        self.w.assign_sub(0.05 * gradients.total(weights)[0])
        return weights

    def _outer(self):
        return tf.reduce_sum((self.w - [2.0, 0.0]) ** 2)

    def steps(self, count, first=0):
        return np.array([self.step(tf.constant(POINTS * (1 + 0.1 * index))) for index in range(first, first + count)])


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_positive_finite_and_lambdas_at_most_one(name):
    weights = Regression(name).steps(20)
    assert weights.shape == (20, TERMS) and weights.dtype == np.float32
    assert np.isfinite(weights).all() and weights.min() > 0
    assert not base.weightings()[name].is_lambda or weights.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_traced_again(name):
    regression = Regression(name)
    regression.steps(3)
    assert regression.step.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("name", NAMES)
def test_goes_on_from_a_checkpoint_to_the_bit(name, tmp_path):
    whole, half, rest = (Regression(name) for _ in range(3))
    expected = whole.steps(8)
    half.steps(5)
    path = tf.train.Checkpoint(weighting=half.weighting, w=half.w).write(str(tmp_path / "state"))
    tf.train.Checkpoint(weighting=rest.weighting, w=rest.w).read(path).assert_consumed()
    np.testing.assert_array_equal(rest.steps(3, first=5), expected[5:])


@pytest.mark.parametrize("name", [name for name in NAMES if not base.weightings()[name].second_order])
def test_two_replicas_equal_one(name):
    alone = Regression(name)
    expected = alone.steps(4)
    strategy = replicas.make_strategy("mirrored")
    with strategy.scope():
        shared = Regression(name)

    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(POINTS[context.replica_id_in_sync_group :: 2])
    )
    step = tf.function(
        lambda parts, factor: strategy.run(lambda own: shared._step(own * factor), [parts]), autograph=False
    )
    for index, weights in enumerate(expected):
        for found in strategy.experimental_local_results(step(parts, tf.constant(1 + 0.1 * index))):
            np.testing.assert_allclose(found, weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(shared.w.numpy(), alone.w.numpy(), rtol=1e-4)
