"""Eq. 3-5 against NumPy and SciPy in float64, and the cases with a known answer."""

import numpy as np
import pytest
import scipy.spatial
import scipy.special
import scipy.stats
import tensorflow as tf

from elo_tf.ops import zipf


def case(videos=60, clusters=7, restarts=3, width=5, scale=1.0):
    generator = np.random.default_rng(0)
    features = scale * generator.normal(size=(videos, width)) + 3.0
    centres = scale * generator.normal(size=(restarts, clusters, width)) + 3.0
    return features.astype(np.float32), centres.astype(np.float32)


def exact_probabilities(features, centres, two_sigma_squared):
    distances = [scipy.spatial.distance.cdist(features, own, "sqeuclidean") for own in centres]
    return scipy.special.softmax(-np.stack(distances) / np.reshape(two_sigma_squared, [-1, 1, 1]), axis=2)


@pytest.mark.parametrize("two_sigma_squared", [1.0, [0.5, 2.0, 30.0]])
def test_probabilities_are_eq_3_and_4(two_sigma_squared):
    features, centres = case()
    found = zipf.assignment_probabilities(features, centres, tf.constant(two_sigma_squared))
    np.testing.assert_allclose(found, exact_probabilities(features, centres, two_sigma_squared), rtol=1e-4, atol=1e-6)


def test_probabilities_where_the_plain_exponential_is_zero_everywhere():
    features, centres = case(width=2048, scale=10.0)
    distances = np.square(features[:, None] - centres[0]).sum(-1)
    assert (np.exp(-distances) == 0).all()
    found = zipf.assignment_probabilities(features, centres, tf.constant(1.0)).numpy()
    np.testing.assert_allclose(found, exact_probabilities(features, centres, 1.0), atol=1e-4)
    np.testing.assert_allclose(found.sum(2), 1.0, rtol=1e-5)


def test_distribution_is_the_mean_over_the_videos():
    features, centres = case()
    spread = tf.constant([0.5, 2.0, 30.0])
    expected = exact_probabilities(features, centres, spread.numpy()).mean(axis=1)
    np.testing.assert_allclose(zipf.cluster_distribution(features, centres, spread), expected, rtol=1e-4)


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.0, 2.0])
def test_prior_is_zipfs_law(exponent):
    found = zipf.zipf_prior(50, exponent)
    np.testing.assert_allclose(found, scipy.stats.zipfian.pmf(np.arange(1, 51), exponent, 50), rtol=1e-5)


@pytest.mark.parametrize("exponent", [0.7, 1.0, 2.0])
def test_divergence_is_scipys_relative_entropy_of_the_sorted_distribution(exponent):
    distribution = np.random.default_rng(0).dirichlet(np.ones(50), size=4)
    prior = scipy.stats.zipfian.pmf(np.arange(1, 51), exponent, 50)
    expected = [scipy.stats.entropy(np.sort(own)[::-1], prior) for own in distribution]
    np.testing.assert_allclose(zipf.divergence(distribution.astype(np.float32), exponent), expected, rtol=1e-4)


def test_perfect_zipf_scores_zero_in_any_order():
    prior = zipf.zipf_prior(50, 1.0).numpy()
    generator = np.random.default_rng(0)
    shuffled = np.stack([generator.permutation(prior) for _ in range(5)])
    np.testing.assert_allclose(zipf.divergence(shuffled, 1.0), 0.0, atol=1e-6)


def test_uniform_clusters_score_what_the_known_hole_says():
    uniform = np.full((1, 50), 1 / 50, np.float32)
    assert zipf.divergence(uniform, 1.0).numpy()[0] == pytest.approx(0.56, abs=0.005)


def test_empty_clusters_do_not_make_nan():
    one = np.eye(1, 50, dtype=np.float32)
    harmonic = (1 / np.arange(1, 51)).sum()
    np.testing.assert_allclose(zipf.divergence(one, 1.0), np.log(harmonic), rtol=1e-5)


def test_normalised_features():
    features = np.random.default_rng(0).normal(2.0, [1.0, 10.0, 0.1], size=(200, 3)).astype(np.float32)
    standard = (features - features.mean(0)) / features.std(0)
    expected = standard / np.linalg.norm(standard, axis=1, keepdims=True)
    np.testing.assert_allclose(zipf.normalise(features), expected, rtol=1e-3, atol=1e-5)


def test_normalised_features_do_not_change_with_scale_and_shift():
    features, _ = case()
    moved = features * np.float32([1, 10, 0.1, 5, 100]) + 2
    np.testing.assert_allclose(zipf.normalise(moved), zipf.normalise(features), atol=1e-4)


def test_constant_dimensions_carry_nothing():
    features, _ = case()
    noise = np.random.default_rng(1).normal(size=len(features))
    # The last dimension varies only by the rounding of float32, which must not be blown up to unit variance.
    padded = np.concatenate([features, np.full((60, 1), 5.0), (3000 + 1e-4 * noise)[:, None]], axis=1)
    padded = padded.astype(np.float32)
    np.testing.assert_allclose(zipf.normalise(padded)[:, :5], zipf.normalise(features), atol=1e-6)
    np.testing.assert_array_equal(zipf.normalise(padded)[:, 5:], 0.0)
    np.testing.assert_array_equal(zipf.normalise(np.full((60, 5), 0.3, np.float32)), 0.0)


def test_collapsed_features_give_uniform_clusters_and_no_nan():
    nothing = np.zeros((60, 5), np.float32)
    spread = zipf.within_cluster_spread(tf.zeros([2]), 60)
    distribution = zipf.cluster_distribution(nothing, np.zeros((2, 4, 5), np.float32), spread)
    np.testing.assert_allclose(distribution, 0.25)


def test_spread_is_the_mean_squared_distance():
    np.testing.assert_allclose(zipf.within_cluster_spread(tf.constant([30.0, 6.0]), 60), [0.5, 0.1])
