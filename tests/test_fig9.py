"""Fig. 9: statistics against SciPy and TensorFlow Addons, variants against known clusters, tables of known cases."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_addons as tfa
from scipy import stats

from elo_tf.config import FitnessConfig
from elo_tf.search.fitness.score import Scorer
from experiments import alignments, fig9, fig9_analysis, fig9_plots, fig9_tables, fitness_variants, rank_statistics
from experiments.fig9_analysis import Candidate, World

CONFIG = FitnessConfig(fitness="agreement", clusters=4, restarts=4)


def pairs(count=40, seed=0, levels=0):
    random = np.random.default_rng(seed)
    first = random.standard_normal(count)
    second = first + random.standard_normal(count)
    return tuple(np.round(values * levels) if levels else values for values in (first, second))


@pytest.mark.parametrize("levels", [0, 1])
def test_correlations_are_those_of_scipy(levels):
    first, second = pairs(levels=levels)
    assert rank_statistics.pearson(first, second) == pytest.approx(stats.pearsonr(first, second)[0])
    assert rank_statistics.spearman(first, second) == pytest.approx(stats.spearmanr(first, second)[0])
    np.testing.assert_array_equal(rank_statistics.ranks(first), stats.rankdata(first))


def test_correlations_are_those_of_tensorflow_addons():
    # Its metrics sort values into bins of [0,1], so that they need many of these, and agree as far as bins are fine.
    first, second = ((values - values.min()) / (np.ptp(values) + 1e-3) for values in pairs())
    for metric, statistic in (
        (tfa.metrics.PearsonsCorrelation(actual_cutpoints=2000, preds_cutpoints=2000), rank_statistics.pearson),
        (tfa.metrics.SpearmansRank(actual_cutpoints=2000, preds_cutpoints=2000), rank_statistics.spearman),
    ):
        metric.update_state(*(tf.constant(values, tf.float32) for values in (first, second)))
        assert statistic(first, second) == pytest.approx(float(metric.result()), abs=5e-3)


def test_no_correlation_with_a_constant():
    assert np.isnan(rank_statistics.pearson(np.ones(5), np.arange(5)))
    assert np.isnan(rank_statistics.spearman(np.arange(2), np.arange(2)))
    assert np.isnan(rank_statistics.interval(rank_statistics.pearson, np.ones(5), np.arange(5))).all()


def test_the_partial_correlation_is_that_of_what_the_third_leaves_of_the_ranks():
    random = np.random.default_rng(3)
    held = random.standard_normal(50)
    first, second = (held + random.standard_normal(50) for _ in range(2))
    columns = [stats.rankdata(values) for values in (first, second, held)]
    left = [np.polyval(np.polyfit(columns[2], own, 1), columns[2]) - own for own in columns[:2]]
    expected = stats.pearsonr(*left)[0]
    assert rank_statistics.partial_spearman(first, second, held) == pytest.approx(expected)
    assert expected < 0.6 * rank_statistics.spearman(first, second)  # Most of it was the third.
    assert math.isnan(rank_statistics.partial_spearman(first, second, first))
    assert math.isnan(rank_statistics.partial_spearman(first[:2], second[:2], held[:2]))


def test_an_interval_covers_as_often_as_it_says():
    # True r of x and x + noise of the same size: sqrt(1/2).
    inside = 0
    for seed in range(60):
        low, high = rank_statistics.interval(rank_statistics.pearson, *pairs(60, seed), seed=seed)
        inside += low <= np.sqrt(0.5) <= high
    assert 0.8 <= inside / 60 <= 0.97


@pytest.mark.parametrize("count", [1, 2, 4, 6, 9])
def test_best_of_is_the_mean_over_all_draws(count):
    scores = np.array([3.0, 1.0, 2.0, 5.0, -np.inf, 4.0])
    truths = np.array([0.1, 0.7, 0.2, 0.4, 0.9, 0.3])
    size = min(count, 6)
    draws = list(itertools.combinations(range(6), size))
    expected = np.mean([truths[max(draw, key=lambda place: scores[place])] for draw in draws])
    assert rank_statistics.best_of(count, scores, truths) == pytest.approx(expected)


def test_best_of_equal_scores_is_the_mean():
    truths = np.array([0.1, 0.7, 0.2, 0.4])
    assert rank_statistics.best_of(2, np.zeros(4), truths) == pytest.approx(truths.mean())


def test_noise_finds_the_deviations_that_were_drawn():
    random = np.random.default_rng(0)
    losses = random.normal(0, 2.0, 4000)
    found = rank_statistics.noise([loss + random.normal(0, 1.0, 3) for loss in losses])
    assert found["within"] == pytest.approx(1.0, rel=0.05)
    assert found["between"] == pytest.approx(np.sqrt(4 + 1 / 3), rel=0.05)
    assert found["reliability"] == pytest.approx(0.8, abs=0.02)
    assert math.isnan(rank_statistics.noise([[1.0, 2.0]] * 7)["reliability"])  # Too few losses to say.
    assert rank_statistics.noise([[1.0, 2.0], [3.0]]) == {}


def test_losses_are_of_all_kinds_and_the_same_for_a_seed():
    losses = fig9.draw_losses(14, 100, seed=0)
    kinds = [kind for kind, _ in losses]
    assert losses == fig9.draw_losses(14, 100, seed=0) and losses != fig9.draw_losses(14, 100, seed=1)
    assert [kinds.count(kind) for kind in ("ones", "single", "uniform", "sparse")] == [1, 14, 42, 43]
    for kind, lambdas in losses:
        count = sum(value > 0 for value in lambdas)
        assert len(lambdas) == 14 and min(lambdas) >= 0 and max(lambdas) <= 1
        assert {"ones": count == 14, "single": count == 1, "uniform": count == 14, "sparse": 2 <= count <= 4}[kind]
    # With many terms, corners are a third.
    assert [kind for kind, _ in fig9.draw_losses(45, 30, seed=0)].count("single") == 10
    assert all(len(fig9.draw_losses(terms, 9, seed=0)) == 9 for terms in (1, 2, 3))


@pytest.fixture(scope="module")
def heaps(tmp_path_factory):
    """Embeddings in four heaps of sizes like Zipf's, and descriptors of sound that know the heaps."""
    folder = tmp_path_factory.mktemp("heaps")
    random = np.random.default_rng(0)
    heap = np.repeat(range(4), [96, 48, 32, 24])
    features = (8 * np.eye(16)[heap] + 0.1 * random.standard_normal([200, 16])).astype(np.float32)
    sound = (5 * np.eye(6)[heap] + 0.1 * random.standard_normal([200, 6])).astype(np.float32)
    present = np.arange(200) % 10 > 0
    flow = random.standard_normal([200, 5]).astype(np.float32)
    parts = {"audio": sound, "audio_present": present, "flow": flow, "flow_present": np.ones(200, bool)}
    # The tower that was not trained knows nothing; two clips a video.
    parts |= {"untrained": random.standard_normal([200, 16]).astype(np.float32), "videos": np.arange(200) // 2}
    np.savez(folder / "reference.npz", **parts)
    np.save(folder / "00000-3-7.npy", features)
    return folder, features


def test_variants_of_known_clusters(heaps):
    folder, features = heaps
    scores = fitness_variants.evaluate(folder, CONFIG, seed=0)[0]
    own = {name: [each.name for each in variants] for name, variants in fitness_variants.families(CONFIG).items()}
    # Sizes of the heaps are those of Zipf's law at s = 1; heaps have more structure than either null.
    exact = "zipf raw literal s=1 K=4 R=4"
    assert scores[exact] == max(scores[name] for name in own["normalisation, sigma"]) == pytest.approx(0.0, abs=0.01)
    assert min(scores[name] for name in own["null"][1:]) > 0
    audio, plain, flow = (
        f"agreement {name} K=4 R=4" for name in ("audio adjusted", "audio plain", "flow adjusted")
    )  # fmt: skip
    assert scores[audio] > 0.6 and scores[plain] >= scores[audio] and abs(scores[flow]) < 0.1
    # Two of the six dimensions of sound are noise.
    assert (
        0.6 < scores["gain in R2, audio"] == scores["gain in R2, any"] < 4 / 6 + 0.05
        and abs(scores["gain in R2, flow"]) < 0.2
    )
    one, other = scores["gain in R2, audio"], scores["gain in R2, flow"]
    np.testing.assert_allclose(scores["gain in R2, all"], one + other)
    assert scores["gain in CKA, any"] > 0.8 and scores["gain in neighbours, any"] > 0.1
    assert set(scores) == {name for names in own.values() for name in names}
    assert (folder / "00000-3-7.json").exists()


def test_variants_of_the_search_are_its_fitness(heaps):
    folder, features = heaps
    offline = fitness_variants.Offline(folder, CONFIG, seed=0)
    for seed in (7, 2**31 + 5):
        scores = offline.scores(features, seed)
        fitness = Scorer(CONFIG).score(features, seed, offline.reference("audio", 4))
        found = fitness.diagnostics
        assert -scores["zipf standardise_l2 within s=1 K=4 R=4"] == pytest.approx(found["zipf_scale_free"], rel=1e-5)
        assert -scores["zipf raw literal s=1 K=4 R=4"] == pytest.approx(found["zipf"], rel=1e-5, abs=1e-6)
        assert scores["agreement audio plain K=4 R=4"] == pytest.approx(found["agreement"])


def test_alignments_are_one_under_rotation_and_near_chance_without_relation():
    random = np.random.default_rng(0)
    x, videos = random.standard_normal([400, 5]), np.arange(400) // 2
    turned = 3 * x @ np.linalg.qr(random.standard_normal([5, 5]))[0] + 1
    other = random.standard_normal([400, 4])
    assert alignments.linear_cka(x, turned) == pytest.approx(1) and alignments.linear_cka(x, other) < 0.05
    assert alignments.mutual_neighbours(x, x, videos) == 1
    # Of 398 clips of other videos ten are neighbours, so that by chance 2.5 % are shared.
    assert alignments.mutual_neighbours(x, other, videos) == pytest.approx(10 / 398, abs=0.01)
    assert not (videos[alignments._neighbours(x, videos)] == videos[:, np.newaxis]).any()


def test_nulls_keep_what_they_should():
    random = np.random.default_rng(0)
    features = (random.standard_normal([2000, 3]) @ random.standard_normal([3, 3]) + 2).astype(np.float32)
    gaussian, permuted = (fitness_variants._null(kind, features) for kind in fitness_variants.NULLS)
    np.testing.assert_allclose(np.cov(gaussian.T), np.cov(features.T), atol=0.15 * np.cov(features.T).max())
    np.testing.assert_array_equal(np.sort(permuted, axis=0), np.sort(features, axis=0))
    assert abs(np.corrcoef(permuted.T)[0, 1]) < 0.1 < abs(np.corrcoef(features.T)[0, 1])


def synthetic(part="choose", count=60, error=0.0, name="main:0"):
    """A world in which `agreement` is the truth plus noise, `zipf` nothing but noise, and the gate stops the lowest."""
    random = np.random.default_rng(5)
    truth = np.clip(random.normal(0.25, 0.1, count), 0.08, None)
    candidates = []
    for seed in (0, 1):
        for number in range(count if seed == 0 else 12):
            own = truth[number]
            measured = {
                "gain": 2 * own - 0.3,
                "zipf": random.random(),
                "zipf_scale_free": 0.6 - own + random.normal(0, 0.08),
                "agreement": own + random.normal(0, error) if error else own,
                "agreement_adjusted": own - 0.1 + random.normal(0, 0.02),
                "weak": own + random.normal(0, 0.03),
                "true/kmeans": own - 0.02,
                "true/linear": own,
                "feature_deviation": 0.5,
            }
            measured["effective_rank"] = 30 + 10 * measured["zipf"] + number % 5
            variants = {"base": -measured["zipf_scale_free"], "other": own, "worse": random.random()}
            kind = ("single", "uniform", "sparse")[number % 3] if number else "ones"
            reason = "learned nothing: agreement" if own < 0.12 else None
            candidates.append(Candidate(number, kind, seed, (1.0,) * 3, reason, measured, variants))
    untrained = {**candidates[0].measured, "true/linear": 0.1, "true/kmeans": 0.14, "agreement_adjusted": 0.02}
    families = {"what": ["base", "other", "worse"]}
    return World(name, part, 700, untrained, families, tuple(candidates))


def test_what_is_the_truth_correlates_fully():
    world = synthetic()
    assert fig9_analysis.spearman(world.first, "agreement", "true/linear") == pytest.approx((1, 1, 1))
    rho, low, high = fig9_analysis.spearman(world.first, "zipf", "true/linear")
    assert low < 0 < high and abs(rho) < 0.3
    # Less is better in `zipf_scale_free`, and its correlation still is positive.
    assert fig9_analysis.pearson(world.first, "zipf_scale_free", "true/kmeans")[0] > 0.6
    for gated in (False, True):
        best = fig9_analysis.picked(world.first, "agreement", "true/linear", gated)
        assert best == fig9_analysis.picked(world.first, "true/linear", "true/linear", gated)
        assert best > fig9_analysis.picked(world.first, "zipf", "true/linear", gated)


def test_tables_tell_a_score_of_the_rank_from_one_of_the_truth():
    lines = fig9_tables.write(synthetic()).splitlines()
    first = lines.index("## What the scores read besides: the effective rank of the features") + 4
    rows = {
        line.split("|")[1].strip(): [float(cell.split()[0]) for cell in line.split("|")[2:5]]
        for line in lines[first : first + len(fig9_analysis.FITNESSES)]
    }
    assert set(rows) == set(fig9_analysis.FITNESSES)
    assert (
        rows["zipf"][0] < -0.8 and abs(rows["zipf"][1]) < 0.3
    )  # Less of it is better, and goes with fewer dimensions.
    assert abs(rows["agreement"][0]) < 0.3 and rows["agreement"][1:] == [1, 1]


def test_a_gate_that_stops_the_best_does_not_hide_how_good_they_are():
    """The oracle without the gate is the best of 16 of all; behind it, of what passed and, last, of the rest."""
    world = synthetic()
    blind = [dataclasses.replace(each, reason="gate" if world.knows(each) else None) for each in world.first]
    free, behind = (fig9_analysis.picked(blind, "true/linear", "true/linear", gated) for gated in (False, True))
    assert free == fig9_analysis.picked(world.first, "true/linear", "true/linear", False) > behind


def test_agreements_with_two_modalities_are_two_fitnesses():
    def of(name, part, modality):
        families = {"agreement with": [f"agreement {modality} adjusted"], "what": ["own", "other"]}
        return dataclasses.replace(synthetic(part, name=name), families=families)

    text = fig9_tables.summarise([of("a:0", "choose", "audio"), of("b:0", "report", "flow")])
    rows = {line.split("|")[1].strip(): line.split("|")[2:4] for line in text.splitlines() if line.startswith("| ag")}
    assert rows["agreement with audio"][1].strip() == "–" != rows["agreement with audio"][0].strip()
    assert rows["agreement with flow"][0].strip() == "–" != rows["agreement with flow"][1].strip()
    assert "nan" not in text


def test_groups_of_candidates():
    world = synthetic()
    assert world.chance == pytest.approx(0.1 + 2 * np.sqrt(0.09 / 700))
    groups = world.groups()
    assert len(groups["all"]) == 60 and all(each.seed == 0 for each in groups["all"])
    assert all(each.measured["true/linear"] > world.chance for each in groups["above chance"])
    assert 0 < len(groups["passed the gate"]) < 60
    # One that could not be measured is in no group.
    broken = dataclasses.replace(world.candidates[3], measured={}, variants={})
    world = dataclasses.replace(world, candidates=(*world.candidates[:3], broken, *world.candidates[4:]))
    assert len(world.first) == 59


def test_a_fitness_that_is_the_truth_is_as_reliable_as_it():
    world = synthetic(error=0.03)
    assert fig9_analysis.noise(world, "agreement")["within"] == pytest.approx(0.03, rel=0.5)
    assert fig9_analysis.noise(world, "true/linear")["within"] == pytest.approx(0)
    assert fig9_analysis.noise(world, "zipf")["reliability"] < 0.6


def test_the_choice_is_made_on_one_part_and_reported_on_the_other():
    text = fig9_tables.summarise([synthetic(), synthetic("report", name="second:1")])
    [line] = [line for line in text.splitlines() if "chosen" in line]
    assert line.split("|")[1:4] == [" what ", " other ", " 1.000 "]
    assert "report: second:1" in text
    assert "chosen" not in fig9_tables.summarise([synthetic("report")])


@pytest.mark.slow
def test_results_are_written_and_read_again(tmp_path):
    world = synthetic()
    text = fig9.publish(world, tmp_path, {"command": "c"})
    assert {path.name for path in tmp_path.iterdir()} == {
        "fig9_main-0.md", "fig9_main-0.json", "fig9_main-0.png", "fig9_main-0_ranks.png",
    }  # fmt: skip
    assert "| agreement | " in text and (tmp_path / "fig9_main-0.md").read_text().startswith("# Fig. 9, world main:0")
    assert World.from_json(json.loads((tmp_path / "fig9_main-0.json").read_text())) == world
    assert "chosen" in fig9.summarise(tmp_path) and (tmp_path / "fig9_summary.md").exists()


def test_figures_show_every_candidate():
    world = synthetic()
    figure = fig9_plots.scatter(world)
    gain, literal = figure.axes[:2]
    assert sum(len(points.get_offsets()) for points in gain.collections) == 60
    assert gain.get_xlim()[0] < gain.get_xlim()[1]
    left, right = literal.get_xlim()
    assert left > right  # Less of Zipf is better, and the better is to the right.
    assert sum(len(points.get_offsets()) for points in fig9_plots.rankings(world).axes[0].collections) == 60
