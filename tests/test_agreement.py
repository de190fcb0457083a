"""Normalised mutual information against scikit-learn."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score

from elo_tf.search.fitness.agreement import adjusted_mutual_information, normalised_mutual_information

GENERATOR = np.random.default_rng(0)
ASSIGNMENT = GENERATOR.integers(9, size=(4, 300)).astype(np.int32)
REFERENCE = (ASSIGNMENT[1] + GENERATOR.integers(2, size=300)) % 7


def test_agrees_with_scikit_learn_for_one_reference():
    found = normalised_mutual_information(ASSIGNMENT, REFERENCE)
    expected = [normalized_mutual_info_score(REFERENCE, own) for own in ASSIGNMENT]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.argmax() == 1


def test_agrees_with_scikit_learn_for_a_reference_each():
    references = GENERATOR.integers(5, size=(4, 300))
    found = normalised_mutual_information(ASSIGNMENT, references)
    expected = [normalized_mutual_info_score(other, own) for own, other in zip(ASSIGNMENT, references)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_names_of_clusters_do_not_matter():
    renamed = GENERATOR.permutation(9)[ASSIGNMENT]
    np.testing.assert_allclose(normalised_mutual_information(ASSIGNMENT, renamed), 1.0, atol=1e-12)


def test_independent_clusterings_share_nothing():
    own, other = np.divmod(np.arange(300), 10)
    np.testing.assert_allclose(normalised_mutual_information(own[None], other), 0.0, atol=1e-12)


def test_constant_clusterings_score_zero():
    constant = np.full((4, 300), 3)
    np.testing.assert_array_equal(normalised_mutual_information(constant, REFERENCE), 0.0)
    np.testing.assert_array_equal(normalised_mutual_information(ASSIGNMENT, constant[0]), 0.0)
    np.testing.assert_array_equal(normalised_mutual_information(constant, constant[0]), 0.0)


def test_videos_without_reference_are_left_out():
    missing = REFERENCE.copy()
    missing[::3] = -1
    present = missing >= 0
    expected = [normalized_mutual_info_score(REFERENCE[present], own[present]) for own in ASSIGNMENT]
    np.testing.assert_allclose(normalised_mutual_information(ASSIGNMENT, missing), expected, atol=1e-12)
    np.testing.assert_array_equal(normalised_mutual_information(ASSIGNMENT, np.full(300, -1)), 0.0)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 300\) and references \(299,\)"):
        normalised_mutual_information(ASSIGNMENT, REFERENCE[:-1])


def test_adjusted_takes_out_the_mean_over_all_permutations():
    own, other = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2])
    chance = np.mean([mutual_info_score(own, permuted) for permuted in itertools.permutations(other)])
    entropy = (np.log(2) / 2 + np.log(3) / 3 + np.log(6) / 6 + np.log(3)) / 2
    expected = (mutual_info_score(own, other) - chance) / (entropy - chance)
    np.testing.assert_allclose(adjusted_mutual_information(own[np.newaxis], other), [expected], rtol=1e-9)


def test_adjusted_takes_chance_out_whatever_the_sizes():
    random = np.random.default_rng(1)
    reference = random.integers(0, 20, 300)
    even = random.integers(0, 20, [30, 300])
    uneven = random.choice(20, [30, 300], p=[0.62] + [0.02] * 19)
    for unrelated in (even, uneven):
        assert normalised_mutual_information(unrelated, reference).mean() > 0.2
        assert abs(adjusted_mutual_information(unrelated, reference).mean()) < 0.02


def test_adjusted_of_constants_and_of_itself():
    reference = np.arange(60) % 6
    found = adjusted_mutual_information(np.stack([reference, np.zeros(60, int)]), reference)
    np.testing.assert_allclose(found, [1.0, 0.0], atol=1e-9)
