"""Tests of `experiments.planted_clusters`."""

import dataclasses
import math

import numpy as np

from experiments import planted_clusters
from experiments.planted_clusters import CLASSES, DIMENSIONS, LAWS, PlantedConfig


def test_classes_are_as_frequent_as_their_law_says_and_centres_stand_apart():
    for law, shares in LAWS.items():
        features, classes = planted_clusters.plant(shares, 8.0, 6000, np.random.default_rng(0))
        np.testing.assert_allclose(np.bincount(classes, minlength=CLASSES) / 6000, shares, atol=0.02, err_msg=law)
        centres = np.array([features[classes == index].mean(0) for index in range(CLASSES)])
        nearest = np.linalg.norm(features[:, None] - centres, axis=2).argmin(1)
        np.testing.assert_array_equal(nearest, classes)
    # By hand: the first of twelve has 1 / (1 + 1/2 + ... + 1/12).
    assert math.isclose(LAWS["Zipf"][0], 1 / 3.103211, rel_tol=1e-6)


def test_without_a_signal_features_know_nothing_of_the_classes():
    shares = LAWS["equal"]
    features, classes = planted_clusters.plant(shares, 0.0, 12000, np.random.default_rng(1))
    means = np.array([features[classes == index].mean(0) for index in range(CLASSES)])
    # A mean of 1000 videos, in each dimension of standard deviation 1/8.
    assert np.abs(means).max() < 5 * 0.125 / math.sqrt(900)


def test_noise_has_the_rank_and_the_length_that_is_said():
    for rank in (1, 3, DIMENSIONS):
        noise = planted_clusters.flat_noise(rank, 4000, np.random.default_rng(2))
        assert np.linalg.matrix_rank(noise, tol=1e-3) == rank
    assert 0.9 < np.square(noise).sum(1).mean() < 1.1


def test_scores_follow_the_signal_and_stand_in_the_table_and_the_figure():
    config = dataclasses.replace(PlantedConfig(), videos=240, restarts=3, seeds=2)
    rows = planted_clusters.measure(config, counts=(CLASSES,), signals=(0.0, 6.0), ranks=(2,))
    known = {(row.law, row.strength): row.scores.get("agreement_adjusted") for row in rows}
    for law in LAWS:
        assert np.mean(known[law, 0.0]) < 0.05 and np.mean(known[law, 6.0]) > 0.7, law
    lines = planted_clusters.table(rows).splitlines()
    zipf = next(row for row in rows if (row.law, row.strength) == ("Zipf", 6.0)).scores
    assert lines[0] == "## K = 12" and f"{np.mean(zipf['zipf_scale_free']):.3f} ± " in lines[5]
    assert lines[5].startswith("| 6 |") and lines[-1].startswith("| 2 | ")
    (panel,) = planted_clusters.plot(rows).axes
    drawn = panel.get_lines()[0].get_xydata()
    np.testing.assert_allclose(drawn[1], [np.mean(known["Zipf", 6.0]), np.mean(zipf["zipf_scale_free"])])
