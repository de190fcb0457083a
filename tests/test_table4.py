"""Table 4: budgets, courses and winners of journals worked by hand, the table and the figure made of them."""

import dataclasses
import json

import numpy as np
import pytest

from elo_tf.config import InputError
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.journal.rungs import Rungs
from elo_tf.search.reporting.report import UNTRAINED
from experiments import courses, table4, table4_plots
from experiments.table4 import Table4Config

RANDOM = np.random.default_rng(0)


def result(value, linear=0.5, steps=9, seed=0):
    truth = {"true/kmeans": linear / 2, "true/linear": linear}
    reason, deviation = ("gate: x", None) if value is None else (None, 0.1)
    return TrialResult(steps, seed, Fitness(value, reason, deviation, 4, truth), 2.0)


def journal_of(path, generations, rungs=1, finalists=None, names=("a", "b")):
    """A journal of generations [[result, ...], ...]; with rungs, [[(short, full or None), ...], ...]."""
    settings = {"steps": 9, "rungs": rungs, "reduction": 3.0, "fitness": "zipf"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with Journal.open(str(path), {"seed": 0, "settings": settings, "names": [*names], "schema": "x"}) as journal:
        journal.note(UNTRAINED, {"true/kmeans": 0.14, "true/linear": 0.09, "zipf": 0.5})
        for generation in generations:
            numbers = journal.ask(RANDOM.random((len(generation), len(names))))
            runs = [each if isinstance(each, tuple) else (each,) for each in generation]
            for rung in range(rungs):
                for number, own in reversed(list(zip(numbers, runs))):  # They may end in any order.
                    if own[rung] is not None:
                        journal.tell(number, own[rung])
        if finalists:
            journal.name_finalists([0, None], RANDOM.random((2, 2)), [11, 12])
            for number, own in zip(journal.finalists().candidates, finalists):
                for each in own:
                    journal.tell(number, each)
    return Journal.read(str(path))


def test_a_course_worked_by_hand(tmp_path):
    journal = journal_of(
        tmp_path / "j",
        [[result(None, 0.9), result(0.4, 0.2), result(0.3, 0.6)], [result(0.5, 0.8), result(0.1, 0.1)]],
    )  # fmt: skip
    course = courses.course(journal)
    np.testing.assert_array_equal(course.steps, [9, 18, 27, 36, 45])
    nan = np.nan
    expected = [[nan] * 3, [0.4, 0.1, 0.2], [0.3, 0.3, 0.6], [0.3, 0.3, 0.6], [0.1, 0.05, 0.1]]
    np.testing.assert_allclose(course.best, expected)
    np.testing.assert_allclose(course.at(np.array([0, 8, 18, 44, 45, 99]))[:, 0], [nan, nan, 0.4, 0.3, 0.1, 0.1])
    assert courses.cost(journal) == {"trainings": 5, "infeasible": 1, "steps": 45, "rescoring": 0, "seconds": 10.0}
    # Fitness went from .35 to .3, and 1-layer accuracy from .57 to .45: it was fooled.
    drift = courses.drift(journal)
    assert drift["fitness"] == pytest.approx((0.35, 0.3))
    assert drift["true/linear"] == pytest.approx((1.7 / 3, 0.45))
    assert courses.order(journal) == pytest.approx(-0.8)  # Best first: truths .1, .6, .2, .8.


def test_short_trainings_cost_but_are_not_the_best(tmp_path):
    short = [result(value, 0.3, steps=3) for value in (0.01, 0.02, 0.03)]
    journal = journal_of(tmp_path / "j", [[(short[0], result(0.5)), (short[1], None), (short[2], None)]], rungs=2)
    course = courses.course(journal)
    np.testing.assert_array_equal(course.steps, [3, 6, 9, 18])
    np.testing.assert_allclose(course.best[:, 0], [np.nan, np.nan, np.nan, 0.5])
    np.testing.assert_allclose(courses.all_truths(journal), [[0.25, 0.5]])


def test_what_a_fitness_is_worth_over_all_searches_of_a_seed(tmp_path):
    """Losses that two searches share count once; short trainings do not; the signs are those of a good fitness."""

    def told(zipf, weak, linear, steps=9):
        own = result(0.5, linear, steps)
        diagnostics = {**own.diagnostics, "zipf": zipf, "weak": weak}
        return dataclasses.replace(own, fitness=dataclasses.replace(own.fitness, diagnostics=diagnostics))

    full = [told(0.1, 0.2, 0.4), told(0.2, 0.4, 0.3), told(0.3, 0.6, 0.2)]
    plain = journal_of(tmp_path / "a", [full])
    short = told(9, 9, 0.9, steps=3)
    rungs = journal_of(tmp_path / "b", [[(short, told(0.4, 0.8, 0.1)), (short, None)]], rungs=2)
    own = {("cma_es", "zipf"): {0: plain}, ("grid", "zipf"): {0: plain}, ("cma_es_rungs", "zipf"): {0: rungs}}
    head, _, *rows = table4._worth(own)[:8]
    assert head == "| rho with 1-layer | seed 0, 4 losses |"
    assert rows[:3] == ["| gain | – |", "| zipf | 1.00 [1.00, 1.00] |", "| zipf_scale_free | – |"]
    assert rows[5].startswith("| weak | -1.00 [-1.00, -1.00]")


def test_the_winner_is_worth_what_fresh_seeds_say(tmp_path):
    first = [result(0.3, 0.7, seed=seed) for seed in (11, 12)]
    second = [result(0.2, 0.2, seed=11), result(0.1, 0.4, seed=12)]
    journal = journal_of(tmp_path / "j", [[result(0.05, 0.9)]], finalists=(first, second))
    won = courses.winner(journal)
    assert won == pytest.approx({"fitness": 0.15, "true/kmeans": 0.15, "true/linear": 0.3})
    assert courses.cost(journal)["rescoring"] == 36
    alone = journal_of(tmp_path / "alone", [[result(0.05, 0.9), result(0.04, 0.8)]])
    assert courses.winner(alone) == pytest.approx({"fitness": 0.04, "true/kmeans": 0.4, "true/linear": 0.8})


@pytest.mark.parametrize("budget, terms", [(66, 14), (100, 45), (24, 3)])
def test_budgets_are_equal_steps(budget, terms):
    config = Table4Config(budget=budget)
    steps = {}
    for searcher in table4.SEARCHERS:
        evolution = table4.plan(searcher, config, 250, terms)
        one = Rungs.of(250, evolution.rungs, evolution.reduction).training_steps(evolution.population)
        steps[searcher] = evolution.generations * one
        # No more than the budget, and no round less than fits.
        assert budget * 250 - one < steps[searcher] <= budget * 250
        assert evolution.pool >= evolution.tournament_size >= 2
    assert len({steps[name] for name in ("cma_es", "tournament", "grid", "random")}) == 1
    rungs = table4.plan("cma_es_rungs", config, 250, terms)
    assert rungs.generations > table4.plan("cma_es", config, 250, terms).generations


def test_bad_flags_are_named():
    with pytest.raises(InputError, match="--searchers: 'gradient' is unknown; choose from cma_es"):
        Table4Config(searchers=("gradient",))
    with pytest.raises(InputError, match="--fitnesses: 'luck'"):
        Table4Config(fitnesses=("luck",))
    with pytest.raises(InputError, match="--budget=4 is less than a round of random, 11 candidates"):
        table4.plan("random", Table4Config(budget=4), 250, 14)


@pytest.fixture
def world(tmp_path):
    """Searches of two searchers by two fitnesses, three seeds each; one search found nothing."""
    for searcher, rate in (("cma_es", 0.02), ("random", 0.0)):
        for fitness, honest in (("zipf_scale_free", 1.0), ("zipf", 0.0)):
            for seed in range(3):
                course = [
                    [
                        result(
                            0.5 - rate * index - 0.02 * RANDOM.random(),
                            0.15 + honest * rate * index + 0.05 * RANDOM.random(),
                        )
                        for _ in range(5)
                    ]
                    for index in range(10)
                ]
                journal_of(tmp_path / f"table4-{searcher}-{fitness}-{seed}" / "journal.jsonl", course)
    failed = tmp_path / "table4-random-zipf-3" / "journal.jsonl"
    journal_of(failed, [[result(None), result(None)]])
    return tmp_path


def test_the_table_of_searches(world):
    journals = table4.read(world)
    assert sorted(journals) == [
        ("cma_es", "zipf"), ("cma_es", "zipf_scale_free"), ("random", "zipf"), ("random", "zipf_scale_free"),
    ]  # fmt: skip
    rows = {(row["searcher"], row["fitness"]): row for row in table4.rows(journals)}
    assert rows["cma_es", "zipf"]["steps"] == [450] * 3
    assert rows["random", "zipf"]["seeds"] == [0, 1, 2, 3] and len(rows["random", "zipf"]["winners"]["fitness"]) == 3
    # The honest fitness brings the truth along, the other does not.
    assert np.mean(rows["cma_es", "zipf_scale_free"]["winners"]["true/linear"]) > 0.3
    assert np.mean(rows["cma_es", "zipf"]["winners"]["true/linear"]) < 0.25
    text = table4.write(journals)
    assert "Untrained tower, k-means / 1-layer: .140 ± .000 / .090 ± .000." in text
    # Three seeds of ten rounds of five; zipf, which is read later, has two infeasible ones more.
    assert "Mean of 150 random losses" in text


def test_searches_of_another_genome_are_not_compared(world):
    journal_of(world / "table4-cma_es-weak-0" / "journal.jsonl", [[result(0.3)]], names=("a", "b", "c"))
    with pytest.raises(InputError, match=r"table4-cma_es-weak-0.*names: was \['a', 'b'\], now \['a', 'b', 'c'\]"):
        table4.read(world)


def test_results_are_written(world, tmp_path):
    table4.publish("main:0", world, tmp_path / "results", {"command": "c"})
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"table4_main-0.md", "table4_main-0.json", "table4_main-0.png"}
    content = json.loads((tmp_path / "results" / "table4_main-0.json").read_text(), parse_constant=pytest.fail)
    assert len(content["rows"]) == 4


def test_a_curve_is_the_mean_over_seeds(tmp_path):
    own = [
        courses.course(journal_of(tmp_path / name, [[result(first, 0.2), result(0.1, truth)]]))
        for name, first, truth in (("a", 0.4, 0.3), ("b", 0.2, 0.5))
    ]
    grid = np.array([0.0, 9.0, 18.0])
    fitness, _, linear = table4_plots._over_seeds(own, grid)
    np.testing.assert_allclose(fitness[:, 1:].mean(axis=0), [0.3, 0.1])
    np.testing.assert_allclose(linear[:, 1:], [[0.2, 0.3], [0.2, 0.5]])
    assert np.isnan(fitness[:, 0]).all()
    titles = {(2, 2): "mean and range of 2 seeds", (2, 1): "mean and range of 1 to 2 seeds", (1, 1): "one seed"}
    for counts, words in titles.items():
        found = {("cma_es", fitness): own[:count] for fitness, count in zip(("zipf", "weak"), counts)}
        title = table4_plots.curves(found, {}, "main:0").get_suptitle()
        assert title.endswith(words), (counts, title)
