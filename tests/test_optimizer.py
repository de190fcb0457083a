"""Optimisers: the schedule by hand, and weight decay that never becomes the strongest teacher."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import TrainConfig
from elo_tf.model.optimizer import WarmupCosine, make_optimizer, penalty
from elo_tf.runtime.private_api import make_slots


def test_schedule_by_hand():
    rate = WarmupCosine(0.4, steps=10, warmup_steps=2)
    values = [float(rate(step)) for step in (0, 1, 2, 6, 10)]
    np.testing.assert_allclose(values, [0.2, 0.4, 0.4, 0.2, 0.0], atol=1e-7)


def decayed(optimizer, steps=200):
    """A kernel and a bias of ones after steps without any gradient from a loss."""
    config = TrainConfig(steps=steps, optimizer=optimizer, learning_rate=0.01, weight_decay=0.01)
    kernel, bias = tf.Variable(tf.ones(4), name="conv/kernel:0"), tf.Variable(tf.ones(4), name="conv/bias:0")
    optimizer = make_optimizer(config)
    for _ in range(steps):
        gradient = 2 * penalty(config) * kernel
        optimizer.apply_gradients([(gradient, kernel), (tf.zeros(4), bias)])
    return config, kernel.numpy(), bias.numpy()


def test_adam_decays_by_its_rate_whatever_the_gradient():
    config, kernel, bias = decayed("adam")
    rates = [float(WarmupCosine(0.01, config.steps, config.warmup_steps)(step)) for step in range(config.steps)]
    np.testing.assert_allclose(kernel, np.prod([1 - 0.01 * rate for rate in rates]), rtol=1e-5)
    np.testing.assert_array_equal(bias, np.ones(4))


def test_sgd_decays_by_its_penalty():
    _, kernel, bias = decayed("sgd")
    assert (kernel < 0.99).all() and (kernel > 0.7).all()
    np.testing.assert_array_equal(bias, np.ones(4))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_slots_are_made_and_nothing_moves(optimizer):
    config = TrainConfig(steps=5, optimizer=optimizer)
    kernel = tf.Variable(tf.ones(4), name="conv/kernel:0")
    optimizer = make_optimizer(config)
    make_slots(optimizer, [kernel])
    count = len(optimizer.variables())
    assert count > 1 and all((variable.numpy() == 0).all() for variable in optimizer.variables())
    np.testing.assert_array_equal(kernel.numpy(), np.ones(4))
    traces = []

    @tf.function(autograph=False)
    def step():
        traces.append(1)
        optimizer.apply_gradients([(tf.ones(4), kernel)])

    step()
    assert len(traces) == 1 and len(optimizer.variables()) == count
