"""The fitness of whole candidates: healthy, dead and broken ones."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import FitnessConfig, InputError
from elo_tf.ops import zipf
from elo_tf.ops.kmeans import kmeans
from elo_tf.search.fitness.predictability import Predictability, Target, assign_folds
from elo_tf.search.fitness.score import CHOICES, GAIN, SCORES, Labelled, Scorer
from elo_tf.search.reporting.quantity import QUANTITIES

VIDEOS, WIDTH = 240, 12
CONFIG = FitnessConfig(fitness="zipf_scale_free", clusters=8, restarts=3, kmeans_iterations=8)


def world():
    """Features and descriptors [N,D] of the same hidden classes."""
    generator = np.random.default_rng(0)
    labels = generator.integers(6, size=VIDEOS)
    features, descriptors = (
        3 * generator.normal(size=(6, WIDTH))[labels] + generator.normal(size=(VIDEOS, WIDTH)) for _ in range(2)
    )
    return features.astype(np.float32), descriptors.astype(np.float32)


FEATURES, DESCRIPTORS = world()


@pytest.fixture(scope="module")
def scorer():
    return Scorer(CONFIG)


@pytest.fixture(scope="module")
def reference(scorer):
    return scorer.cluster(DESCRIPTORS, seed=5)


def test_value_is_the_mean_over_the_restarts_of_the_chosen_score(scorer, reference):
    fitness = scorer.score(FEATURES, 1, reference)
    unit = zipf.normalise(FEATURES)
    clusters = kmeans(unit, 8, 3, 8, tf.constant([1, 0]))
    spread = zipf.within_cluster_spread(clusters.inertia, VIDEOS)
    expected = zipf.divergence(zipf.cluster_distribution(unit, clusters.centres, spread), 1.0).numpy()
    assert fitness.value == pytest.approx(expected.mean(), rel=1e-4)
    assert fitness.deviation == pytest.approx(expected.std(ddof=1), rel=1e-3)
    assert (fitness.reason, fitness.restarts) == (None, 3)


def test_literal_fitness_is_chosen_by_the_setting(scorer):
    literal = Scorer(FitnessConfig(fitness="zipf", clusters=8, restarts=3, kmeans_iterations=8)).score(FEATURES, 1)
    clusters = kmeans(FEATURES, 8, 3, 8, tf.constant([1, 0]))
    expected = zipf.divergence(zipf.cluster_distribution(FEATURES, clusters.centres, tf.ones([3])), 1.0).numpy()
    assert literal.value == pytest.approx(expected.mean(), rel=1e-4)
    assert literal.diagnostics == scorer.score(FEATURES, 1).diagnostics


def test_scale_moves_the_literal_score_and_not_the_scale_free_one(scorer):
    small, large = (scorer.score(FEATURES * scale, 1).diagnostics for scale in (0.1, 10.0))
    assert small["zipf_scale_free"] == pytest.approx(large["zipf_scale_free"], rel=1e-3)
    assert abs(small["zipf"] - large["zipf"]) > 0.05


def test_agreement_tells_the_classes_from_noise(scorer, reference):
    noise = np.random.default_rng(1).normal(size=FEATURES.shape)
    measured = [scorer.score(features, 1, reference).diagnostics for features in (FEATURES, noise)]
    good, bad = (diagnostics["agreement_adjusted"] for diagnostics in measured)
    assert good > 0.6 > 0.3 > bad


def test_a_collapsed_tower_is_infeasible_and_still_measured(scorer, reference):
    fitness = scorer.score(np.full_like(FEATURES, 0.7), 1, reference)
    assert fitness.value is None and fitness.deviation is None and fitness.reason.startswith("collapsed")
    # The hole that the gate closes: by the score alone this is no bad candidate.
    uniform = np.log(8) - np.log(8 / (1 / np.arange(1, 9)).sum()) + np.log(np.arange(1, 9)).mean() - np.log(8)
    assert fitness.diagnostics["zipf_scale_free"] == pytest.approx(uniform, abs=1e-5)
    assert fitness.diagnostics["agreement"] == 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_name_how_many(scorer, value):
    broken = FEATURES.copy()
    broken[[3, 5], 2] = value
    fitness = scorer.score(broken, 1)
    assert fitness.value is None and "2 of 240 videos" in fitness.reason


def test_features_too_large_for_float32_distances_give_no_number(scorer, reference):
    fitness = scorer.score(FEATURES * 1e25, 1, reference)
    assert fitness.value is None and fitness.reason.startswith("not finite")
    assert np.isfinite(list(fitness.diagnostics.values())).all()


def test_what_is_not_finite_is_broken_and_what_is_bad_is_not(scorer):
    assert scorer.score(np.full_like(FEATURES, np.inf), 1).failed
    assert not scorer.score(np.ones_like(FEATURES), 1).failed


def test_too_few_labelled_clips_are_named(scorer):
    labelled = Labelled(DESCRIPTORS[:7], np.arange(7) % 2, np.arange(7))
    with pytest.raises(InputError, match="--labelled has 7 clips for --clusters=8; label more"):
        scorer.score(FEATURES, 1, labelled=labelled)


def test_fewer_clips_to_score_than_clusters_are_refused():
    with pytest.raises(InputError, match="--scoring_clips=49 cannot form --clusters=50"):
        FitnessConfig(clusters=50, scoring_clips=49)


def test_fewer_videos_than_clusters_names_both(scorer):
    with pytest.raises(InputError, match="7 videos cannot form --clusters=8"):
        scorer.score(FEATURES[:7], 1)


def test_one_trace_for_all_candidates_of_a_search():
    scorer = Scorer(CONFIG)
    labelled = Labelled(DESCRIPTORS, np.arange(VIDEOS) % 2, np.arange(VIDEOS))
    scores = {
        scorer.score(FEATURES * scale, seed, labelled=labelled).value for scale in (1.0, 2.0) for seed in (0, 1, 2**40)
    }
    # One for the scores, one for the clusters of labelled clips; clips of another number need another.
    assert scorer.traces == 2
    scorer.cluster(DESCRIPTORS[:100], 0)
    assert scorer.traces == 3
    assert len(scores) >= 3


def test_the_deviation_of_a_single_restart_is_unknown():
    fitness = Scorer(FitnessConfig(fitness="zipf", clusters=8, restarts=1, kmeans_iterations=8)).score(FEATURES, 1)
    assert fitness.value is not None and fitness.deviation is None and fitness.restarts == 1
    assert "zipf" in fitness.diagnostics and "zipf_deviation" not in fitness.diagnostics


def test_every_fitness_is_a_score_and_has_words(scorer, reference):
    (field,) = [field for field in dataclasses.fields(FitnessConfig) if field.name == "fitness"]
    assert set(field.metadata["choices"]) == set(CHOICES) == set(QUANTITIES)
    labelled = Labelled(DESCRIPTORS, np.arange(VIDEOS) % 2, np.arange(VIDEOS))
    diagnostics = scorer.score(FEATURES, 1, reference, labelled=labelled).diagnostics
    assert set(SCORES) == {name for name in diagnostics if f"{name}_deviation" in diagnostics}
    assert {name for name, _ in CHOICES.values()} - {GAIN} < set(SCORES)


def foretold():
    targets = {"flow": Target(DESCRIPTORS, np.full(VIDEOS, True), assign_folds(np.arange(VIDEOS)))}
    return Predictability(targets)


def test_gains_are_measured_from_the_untrained_tower():
    by_gain, measure = Scorer(dataclasses.replace(CONFIG, fitness="predictability")), foretold()
    noise = np.random.default_rng(1).normal(size=FEATURES.shape).astype(np.float32)
    untrained = by_gain.score(noise, 1, foretold=measure)
    assert untrained.value == 1.0  # It gains nothing over itself.
    measure.untrained = measure.measure(noise)
    trained = by_gain.score(FEATURES, 1, foretold=measure)
    gains = measure.measure(FEATURES)["flow"] - measure.untrained["flow"]
    assert trained.value == pytest.approx(1 - gains.mean()) and trained.value < 0.5
    assert (trained.restarts, trained.deviation) == (5, pytest.approx(gains.std(ddof=1)))
    assert trained.diagnostics["gain_flow"] == trained.diagnostics["gain"] == pytest.approx(gains.mean())
    # What knows less than the untrained tower is refused, where that one knew something.
    measure.untrained = measure.measure(FEATURES)
    assert by_gain.score(noise, 1, foretold=measure).reason.startswith("worse than untrained")


def test_predictability_without_other_modalities_is_refused():
    with pytest.raises(
        InputError, match="--fitness=predictability needs scoring clips of 10 videos with flow or sound"
    ):
        Scorer(dataclasses.replace(CONFIG, fitness="predictability")).score(FEATURES, 1)


def test_same_seed_same_fitness(scorer, reference):
    assert scorer.score(FEATURES, 4, reference) == scorer.score(FEATURES, 4, reference)
