"""Eq. 2, 6, 7 and 8 against NumPy and cases worked by hand."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.ops.equations import average, balanced_cross_entropy, binary_cross_entropy, contrastive, distance


@pytest.fixture
def pair():
    random = np.random.default_rng(0)
    return random.normal(size=[5, 3, 4]).astype(np.float32), random.normal(size=[5, 3, 4]).astype(np.float32)


def test_distances_equal_numpy(pair):
    difference = (pair[0] - pair[1]).reshape(5, -1)
    np.testing.assert_allclose(distance(*pair, norm="l2"), np.linalg.norm(difference, axis=1), rtol=1e-5)
    np.testing.assert_allclose(distance(*pair), np.sqrt((difference**2).mean(axis=1)), rtol=1e-5)
    np.testing.assert_allclose(distance(*pair, norm="squared"), (difference**2).mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("norm", ["root_mean_square", "l2", "squared"])
def test_gradient_is_finite_at_zero_distance(norm):
    point = tf.ones([2, 3])
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = distance(point, tf.ones([2, 3]), norm)
    np.testing.assert_allclose(value, 0.0, atol=1.1e-3)
    np.testing.assert_array_equal(tape.gradient(value, point), np.zeros([2, 3]))


def test_contrastive_has_a_finite_gradient_where_all_points_agree():
    points = tf.ones([3, 4])
    with tf.GradientTape() as tape:
        tape.watch(points)
        value = contrastive(points, points, points, ~tf.eye(3, dtype=tf.bool))
    np.testing.assert_allclose(value, 1.4, atol=3e-3)
    np.testing.assert_array_equal(tape.gradient(value, points), np.zeros([3, 4]))


def test_half_precision_is_computed_in_single():
    big = tf.cast(tf.fill([1, 4096], 3.0), tf.bfloat16)
    assert distance(big, tf.zeros_like(big), "l2").numpy()[0] == pytest.approx(3 * 64, rel=1e-6)


def test_unknown_norm():
    with pytest.raises(ValueError, match="'l1' is unknown; choose from root_mean_square, l2, squared"):
        distance(tf.zeros([1, 1]), tf.zeros([1, 1]), "l1")


def test_binary_cross_entropy_equals_numpy():
    logits = np.array([-2.0, 0.0, 3.0], np.float32)
    probabilities = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(binary_cross_entropy(logits, True), -np.log(probabilities), rtol=1e-5)
    np.testing.assert_allclose(binary_cross_entropy(logits[:, None], False), -np.log(1 - probabilities), rtol=1e-5)
    assert np.isfinite(binary_cross_entropy(tf.constant([-1e4, 1e4]), True)).all()


def test_two_classes_weigh_the_same():
    # Four examples of one class, of which one does not count, against a single one of the other.
    positives, negatives = tf.constant([0.0, 1.0, 2.0, 9.0]), tf.constant([[3.0]])
    value = balanced_cross_entropy(positives, negatives, tf.constant([1.0, 1, 1, 0]), tf.ones(1))
    expected = 0.5 * (np.log1p(np.exp([0.0, -1.0, -2.0])).mean() + np.log1p(np.exp(3.0)))
    assert value.numpy() == pytest.approx(expected, rel=1e-5)
    zero = balanced_cross_entropy(tf.zeros(5), tf.zeros(2), tf.ones(5), tf.ones(2))
    assert zero.numpy() == pytest.approx(np.log(2), rel=1e-6)


@pytest.mark.parametrize("positive, negative", [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_one_class_alone_teaches_nothing(positive, negative):
    logits = tf.constant([0.5, -2.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = balanced_cross_entropy(logits, logits[:1], tf.fill([2], positive), tf.fill([1], negative))
    assert value.numpy() == 0 and not tape.gradient(value, logits).numpy().any()


def test_contrastive_equals_numpy():
    random = np.random.default_rng(1)
    anchors, positives, negatives = (random.normal(size=[n, 4]).astype(np.float32) for n in (3, 3, 5))
    allowed = random.random([3, 5]) < 0.6
    allowed[:, 0] = True
    weights = np.array([1, 0, 1, 1, 0], np.float32)

    def expected(allowed):
        for anchor, positive, row in zip(anchors, positives, allowed):
            push = [max(0, 3.0 - np.linalg.norm(anchor - other)) for other, counts in zip(negatives, row) if counts]
            yield np.linalg.norm(anchor - positive) + np.mean(push)

    values = contrastive(anchors, positives, negatives, allowed, margin=3.0)
    np.testing.assert_allclose(values, list(expected(allowed)), rtol=1e-4)
    values = contrastive(anchors, positives, negatives, allowed, margin=3.0, weights=weights)
    np.testing.assert_allclose(values, list(expected(allowed & (weights > 0))), rtol=1e-4)


def test_negatives_that_count_by_hand():
    # Distances .5, 1 and 2 under a margin of 1.5: hinges 1, .5 and 0.
    anchor, negatives = tf.zeros([1, 2]), tf.constant([[0.5, 0.0], [1.0, 0.0], [0.0, 2.0]])
    everyone = tf.fill([1, 3], True)
    for counted, expected in (("all", 0.5), ("active", 0.75), ("hardest", 1.0)):
        value = contrastive(anchor, anchor, negatives, everyone, margin=1.5, counted=counted).numpy()[0]
        assert value == pytest.approx(expected, abs=3e-3)
    masked = contrastive(anchor, anchor, negatives, everyone, 1.5, tf.constant([0.0, 1.0, 1.0]), "hardest").numpy()[0]
    assert masked == pytest.approx(0.5, abs=3e-3)
    with pytest.raises(ValueError, match="'few' are unknown; choose from all, active, hardest"):
        contrastive(anchor, anchor, negatives, everyone, counted="few")


def test_hinge_at_the_margin():
    anchor, negatives = tf.zeros([1, 2]), tf.constant([[1.4, 0.0], [1.0, 0.0], [0.0, 2.0]])
    for row, expected in ((0, 0.0), (1, 0.4), (2, 0.0)):
        allowed = tf.one_hot([row], 3) > 0
        value = contrastive(anchor, anchor, negatives, allowed, margin=1.4).numpy()[0]
        assert value == pytest.approx(expected, abs=2e-3)


def test_no_negative_leaves_the_pull():
    point = tf.constant([[0.0, 0.0]])
    value = contrastive(point, point + 3.0, point, tf.constant([[False]]))
    np.testing.assert_allclose(value, [np.sqrt(18)], rtol=1e-4)


def test_average_is_weighted_and_never_reads_what_does_not_count():
    assert average(tf.constant([1.0, 5.0, np.nan]), tf.constant([1.0, 1.0, 0.0])).numpy() == 3.0
    assert average(tf.constant([np.inf]), tf.constant([0.0])).numpy() == 0.0
