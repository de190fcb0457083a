"""Normalised mutual information against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from elo_tf.fitness.agreement import normalised_mutual_information

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
