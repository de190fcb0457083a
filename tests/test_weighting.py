"""Each weighting against what its paper says, by hand, on terms whose gradients one can write down."""

import math

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import InputError, WeightingConfig
from elo_tf.model.weighting import base
from elo_tf.model.weighting.dynamic_average import WINDOW
from elo_tf.model.weighting.gradient_surgery import surgery
from elo_tf.model.weighting.look_ahead import slopes_ahead
from elo_tf.model.weighting.term_gradients import TermGradients
from elo_tf.model.weighting.unroll import STEPS

# Two quadratics, |w - c_i|^2 / 2: the gradient of each is w - c_i.
CENTRES = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)


def quadratics(w, outer=None, optimizer=None):
    """Losses [2] and the gradients of two quadratics at the variable w."""
    with tf.GradientTape(persistent=True) as tape:
        losses = tf.reduce_sum((w - CENTRES) ** 2, axis=1) / 2
    return losses, TermGradients(tape, losses, [w], optimizer, outer)


def create(name, count=2, lambdas=None, **settings):
    names = tuple(f"rgb/{index}" for index in range(count))
    start = base.Start(names, lambdas or [1.0] * count, 3, WeightingConfig(**settings))
    return base.create(name, start)


def test_gradients_of_terms_are_those_by_hand():
    w = tf.Variable([3.0, 1.0])
    _, gradients = quadratics(w)
    each = w.numpy() - CENTRES
    np.testing.assert_allclose(gradients.total(tf.constant([0.5, 2.0]))[0], 0.5 * each[0] + 2 * each[1])
    np.testing.assert_allclose(gradients.along([tf.constant([2.0, -1.0])]), each @ [2.0, -1.0])
    np.testing.assert_allclose(gradients.norms(), np.linalg.norm(each, axis=1), rtol=1e-6)
    np.testing.assert_allclose(gradients.products(), each @ each.T, rtol=1e-6)


def test_equal_weights_are_one():
    losses, gradients = quadratics(tf.Variable([3.0, 1.0]))
    np.testing.assert_array_equal(create("equal", lambdas=[0.2, 0.7]).ask(losses, gradients), [1.0, 1.0])


def test_random_weights_are_softmaxes_of_normal_numbers():
    weighting = create("rlw", 3)
    drawn = np.array([weighting.ask(tf.ones([3]), None) for _ in range(400)])
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0, rtol=1e-5)
    # log of a ratio of two of them is the difference of two normal numbers.
    ratios = np.log(drawn[:, 0] / drawn[:, 1])
    assert abs(ratios.mean()) < 0.25 and abs(ratios.std() - math.sqrt(2)) < 0.2
    np.testing.assert_allclose(drawn.mean(axis=0), 1 / 3, atol=0.05)


def test_uncertainty_follows_the_gradient_of_its_loss():
    """Kendall et al., Eq. 7: L exp(-s) / 2 + s / 2, differentiated by TensorFlow; at rest the weight is 1 / (2 L)."""
    losses = tf.constant([0.5, 4.0])
    weighting = create("uncertainty", lambda_rate=0.3)
    s = tf.Variable([0.0, 0.0])
    for _ in range(3):
        np.testing.assert_allclose(weighting.ask(losses, None), 0.5 * np.exp(-s.numpy()), rtol=1e-5)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(losses * tf.exp(-s) / 2 + s / 2)
        s.assign_sub(0.3 * tape.gradient(total, s))
    for _ in range(100):
        weights = weighting.ask(losses, None)
    np.testing.assert_allclose(weights, 1 / (2 * losses.numpy()), rtol=1e-3)


def test_uncertainty_leaves_a_term_without_clips():
    weighting = create("uncertainty")
    for _ in range(5):
        weights = weighting.ask(tf.constant([0.0, 0.1]), None)
    assert weights[0] == 0.5 and weights[1] > 0.5


def test_dwa_weighs_by_the_ratio_of_two_windows():
    weighting = create("dwa")
    first = [weighting.ask(tf.constant([2.0, 4.0]), None) for _ in range(WINDOW)]
    second = [weighting.ask(tf.constant([1.0, 3.6]), None) for _ in range(WINDOW)]
    np.testing.assert_allclose(first + second, 1.0, rtol=1e-6)
    powers = np.exp(np.array([1 / 2, 3.6 / 4]) / 2)  # Liu et al., Eq. 7, temperature 2
    np.testing.assert_allclose(weighting.ask(tf.constant([9.0, 9.0]), None), 2 * powers / powers.sum(), rtol=1e-5)


def test_gradnorm_makes_one_update_of_its_algorithm():
    w = tf.Variable([3.0, 1.0])
    losses, gradients = quadratics(w)
    weighting = create("gradnorm", lambda_rate=0.1)
    np.testing.assert_array_equal(weighting.ask(losses, gradients), [1.0, 1.0])
    # All have fallen alike at the start: targets are the mean norm, the smaller one gains, the greater loses.
    norms = np.linalg.norm(w.numpy() - CENTRES, axis=1)
    moved = 1.0 - 0.1 * np.sign(norms - norms.mean()) * norms / norms.mean()
    np.testing.assert_allclose(weighting.ask(losses, gradients), 2 * moved / moved.sum(), rtol=1e-5)


def test_gradnorm_asks_more_of_a_term_that_falls_slowly():
    """Norms are equal; the loss of the first has halved, the second's has not: it is to have the greater gradient."""
    weighting = create("gradnorm", lambda_rate=0.02)
    w = tf.Variable([2.0, 2.0])
    _, gradients = quadratics(w)
    gradients.norms = lambda: tf.constant([1.0, 1.0])
    weighting.ask(tf.constant([1.0, 1.0]), gradients)
    for _ in range(60):
        weights = weighting.ask(tf.constant([0.5, 1.0]), gradients).numpy()
    left = np.array([0.5, 1.0]) / 0.75
    np.testing.assert_allclose(weights / weights.sum(), left**1.5 / (left**1.5).sum(), atol=0.03)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_surgery_is_that_of_the_algorithm(order):
    """Yu et al., Alg. 1, vector by vector in NumPy."""
    gradients = np.array([[1.0, 0.2, 0.0], [-1.0, 0.5, 0.3], [0.1, -1.0, 0.4]])
    expected = np.zeros(3)
    for each in gradients:
        own = each.copy()
        for other in order:
            against = own @ gradients[other]
            if gradients[other] is not each and not np.array_equal(gradients[other], each) and against < 0:
                own -= against / (gradients[other] @ gradients[other]) * gradients[other]
        expected += own
    weights = surgery(tf.constant(gradients @ gradients.T, tf.float32), tf.constant(order)).numpy()
    np.testing.assert_allclose(weights @ gradients, expected, atol=1e-5)
    assert weights.min() >= 1 and weights.max() > 1.1


def test_slopes_ahead_are_those_of_a_step_of_fixed_length():
    """Against finite differences of J(w - η g / |g|), g the weighted sum: exact as η goes to 0."""
    w, target = tf.Variable([3.0, 1.0], dtype=tf.float32), np.array([0.5, 3.0])

    def outer():
        return tf.reduce_sum((w - tf.constant(target, tf.float32)) ** 2) / 2

    lambdas = np.array([0.4, 0.7])
    gradients = quadratics(w, outer)[1]
    value, slope = gradients.outer()
    slopes = slopes_ahead(tf.constant(lambdas, tf.float32), gradients, slope)
    start = w.numpy().astype(float)

    def ahead(weights, eta=1e-4):
        step = weights @ (start - CENTRES)
        return ((start - eta * step / np.linalg.norm(step) - target) ** 2).sum() / 2 / eta

    differences = [(ahead(lambdas + 1e-4 * one) - ahead(lambdas - 1e-4 * one)) / 2e-4 for one in np.eye(2)]
    np.testing.assert_allclose(slopes, np.array(differences) / np.linalg.norm(start - target), rtol=1e-2)
    assert float(value) == pytest.approx(((start - target) ** 2).sum() / 2)
    assert slopes.numpy() @ lambdas == pytest.approx(0, abs=1e-5)  # The scale of the loss does nothing.


def test_steps_of_adam_are_divided_by_its_second_moments():
    w = tf.Variable([3.0, 1.0])
    optimizer = tf.keras.optimizers.legacy.Adam(0.1)
    optimizer.apply_gradients([(tf.constant([1.0, 100.0]), w)])
    _, gradients = quadratics(w, optimizer=optimizer)
    step = gradients.step_of([tf.constant([1.0, 100.0])])[0].numpy()
    assert step[0] == pytest.approx(step[1], rel=1e-4)


def test_the_series_of_unroll_is_that_of_its_formula():
    """SGD on two quadratics of unequal curvature, whose Hessian one can write down."""
    shapes, centres = tf.constant([[1.0, 3.0], [2.0, 0.5]]), tf.constant(CENTRES)
    lambdas, rate = tf.Variable([0.4, 0.7]), 0.05
    w = tf.Variable([3.0, 1.0])
    with tf.GradientTape(persistent=True) as tape:
        losses = tf.reduce_sum(shapes * (w - centres) ** 2, axis=1) / 2
        gradients = TermGradients(tape, losses, [w], tf.keras.optimizers.legacy.SGD(rate))
        outer = [w - tf.constant([0.5, 3.0])]
        series = create("unroll")._seen_from_here(outer, tf.convert_to_tensor(lambdas), gradients)
    hessian = np.diag(lambdas.numpy() @ shapes.numpy())
    bent, expected = outer[0].numpy(), np.zeros(2)
    for _ in range(STEPS):
        expected += bent
        bent = bent - rate * hessian @ bent
    np.testing.assert_allclose(series[0], expected, rtol=1e-5)


def descend(outer_centre, steps=120, **settings):
    """λ after learning them while w follows their sum."""
    w = tf.Variable([3.0, 3.0])
    weighting = create("lookahead", lambda_rate=0.1, **settings)
    for _ in range(steps):
        losses, gradients = quadratics(w, lambda: tf.reduce_sum((w - outer_centre) ** 2) / 2)
        lambdas = weighting.ask(losses, gradients)
        w.assign_sub(0.05 * gradients.total(lambdas)[0])
    return lambdas.numpy(), w.numpy()


def test_looking_ahead_finds_the_term_that_serves_the_objective():
    lambdas, _ = descend(CENTRES[0])
    assert lambdas[0] > 0.9 and lambdas[1] < 0.1
    lambdas, _ = descend(CENTRES[1])
    assert lambdas[1] > 0.9 and lambdas[0] < 0.1


def test_an_objective_between_two_terms_needs_both():
    middle = CENTRES.mean(axis=0)
    _, w = descend(middle, steps=300)
    np.testing.assert_allclose(w, middle, atol=0.15)


def test_learned_weights_start_where_they_are_told():
    assert create("lookahead").first() == pytest.approx([0.5, 0.5])
    assert create("lookahead", lambdas=[0.3, 1.0], lambda_start=0).first() == pytest.approx([0.3, 0.99])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"weighting": "beauty"}, "--weighting='beauty' is unknown; choose from fixed, dwa, equal"),
        ({"weighting": "lookahead"}, "--weighting='lookahead' is unknown"),
        ({"learn_lambdas": "dwa"}, "--learn_lambdas='dwa' is unknown; choose from lookahead, unroll"),
        ({"learn_lambdas": "lookahead", "weighting": "dwa"}, "both set the weights; use one"),
    ],
)
def test_what_is_no_weighting_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        base.find(WeightingConfig(**settings))
