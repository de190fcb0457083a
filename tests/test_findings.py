"""What is said of a search: ties against the formula, order, reasons, and summaries of searches at any stage."""

import numpy as np
import pytest

from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.reporting.findings import findings, ranking, reasons, summary, ties, winner

NAMES = ("rgb/shuffle", "rgb/predict")
CODES = {"rgb/shuffle": "R-S", "rgb/predict": "R-P"}


HEADER = {"seed": 0, "settings": {"fitness": "zipf", "steps": 9}, "names": NAMES}


def result(value, deviation=0.0, restarts=4, reason=None, steps=9, seed=0):
    return TrialResult(steps, seed, Fitness(value, reason, None if reason else deviation, restarts, {}), 2.0)


@pytest.fixture
def journal(tmp_path):
    with Journal.open(str(tmp_path / "journal.jsonl"), HEADER) as journal:
        yield journal


def test_ties_are_within_two_standard_errors_of_the_difference():
    # s.e. of each 0.06 / sqrt(4) = 0.03, of a difference 0.03 sqrt(2), twice that 0.0849.
    results = [result(value, 0.06) for value in (0.5 + 0.0848, 0.5, 0.5 + 0.0849, 0.9)]
    assert ties(results) == [0, 1]


def test_ties_against_numpy():
    generator = np.random.default_rng(0)
    values, deviations, restarts = generator.random(200), generator.random(200), generator.integers(2, 30, 200)
    results = [result(*each) for each in zip(values.tolist(), deviations.tolist(), restarts.tolist())]
    errors = deviations / np.sqrt(restarts)
    best = values.argmin()
    expected = np.flatnonzero(values - values[best] < 2 * np.sqrt(errors**2 + errors[best] ** 2))
    assert ties(results) == expected.tolist() and 1 < len(expected) < 200


def test_equal_values_tie_without_any_deviation():
    assert ties([result(0.2), None, result(0.1), result(None, reason="dead"), result(0.1)]) == [2, 4]
    assert ties([]) == ties([None, result(None, reason="dead")]) == []


def test_a_single_restart_has_no_standard_error_and_ties_with_its_equals_alone(journal):
    for number, value in zip(journal.ask(np.full([3, 2], 0.5)), (0.2, 0.2, 0.2 + 1e-9)):
        journal.tell(number, result(value, None, restarts=1))
    assert [each.tie for each in ranking(journal.generations())] == [True, True, False]
    rows = dict(summary(journal, CODES))
    assert rows["best fitness"].startswith("0.2000 +- unknown s.e. (")
    assert rows["winner"] == "candidate 0, 0.2000 +- unknown s.e. over 1 restarts of k-means"


def test_ranking_is_by_value_and_starts_with_the_best(journal):
    for values in ((0.4, None, 0.2), (0.2, 0.3, 0.1)):
        for number, value in zip(journal.ask(np.full([3, 2], 0.5)), values):
            journal.tell(number, result(value, 0.1, reason=None if value else "dead"))
    journal.ask(np.zeros([2, 2]))
    ranked = ranking(journal.generations())
    assert [each.candidate for each in ranked] == [5, 2, 3, 4, 0]
    assert [each.round for each in ranked] == [1, 0, 1, 1, 0]
    assert [each.tie for each in ranked] == [True, True, True, False, False]
    won = winner(journal)
    assert (won.candidate, won.value, won.error) == (5, 0.1, 0.05)
    assert won.described() == "0.1000 +- 0.0500 s.e. over 4 restarts of k-means"


def test_reasons_are_counted_by_kind():
    texts = ["dead: 0.1", "not finite: a", "not finite: b", "no term"]
    results = [None, result(0.1), *(result(None, reason=text) for text in texts)]
    assert reasons(results) == [("not finite", 2, "not finite: a"), ("dead", 1, "dead: 0.1"), ("no term", 1, "no term")]


def test_summary_at_every_stage(journal, tmp_path):
    assert dict(summary(journal, CODES))["best fitness"] == "no candidate is feasible so far"
    numbers = journal.ask(np.array([[0.1, 0.9], [0.7, 0.2], [0.5, 0.5]]))
    assert dict(summary(journal, CODES))["candidates"].endswith("3 without result so far")
    journal.tell(numbers[0], result(None, reason="dead"))
    assert "cost" in dict(summary(journal, CODES))
    journal.tell(numbers[1], result(0.25, 0.1))
    rows = dict(summary(journal, CODES))
    assert rows["candidates"] == "2 in 1 generations, 1 infeasible, 1 without result so far"
    assert rows["best fitness"] == "0.2500 +- 0.0500 s.e. (zipf score, nats), candidate 1 of round 0"
    assert rows["ties with it"] == "0 of 0 other feasible candidates"
    assert rows["heaviest terms"] == "R-S 0.70, R-P 0.20" and "lightest terms" not in rows  # There are no others.
    assert findings(journal, CODES, tmp_path).count("\n") == len(rows) + 2


def test_fresh_seeds_name_the_winner(journal):
    for number, value in zip(journal.ask(np.full([3, 2], 0.5)), (0.4, 0.1, 0.2)):
        journal.tell(number, result(value, 0.1))
    finalists = journal.name_finalists([1, 2, None], np.array([[0.5, 0.5], [0.5, 0.5], [0.25, 1.0]]), [11, 12])
    assert finalists == (1, 2, 3) and winner(journal).candidate == 1
    told = {1: (0.3, 0.5), 2: (0.25, 0.35), 3: (0.2, None)}
    for number, values in told.items():
        for seed, value in zip((11, 12), values):
            assert winner(journal).candidate == 1  # Until all are told.
            journal.tell(number, result(value, 0.1, seed=seed, reason=None if value else "dead"))
    won = winner(journal)
    assert (won.candidate, won.values, won.confirmed) == (2, (0.25, 0.35), True) and won.value == pytest.approx(0.3)
    assert won.error == pytest.approx(np.std([0.25, 0.35], ddof=1) / np.sqrt(2))
    assert dict(summary(journal, CODES))["winner"] == "candidate 2, 0.3000 +- 0.0500 s.e. over 2 fresh seeds"


def test_a_winner_that_no_fresh_seed_confirms_is_named_as_such(journal):
    for number, value in zip(journal.ask(np.full([2, 2], 0.5)), (0.4, 0.1)):
        journal.tell(number, result(value, 0.1))
    assert winner(journal).confirmed is None
    journal.name_finalists([1], np.full([1, 2], 0.5), [11, 12])
    for seed, value in ((11, 0.2), (12, None)):
        journal.tell(1, result(value, 0.1, seed=seed, reason=None if value else "dead"))
    assert winner(journal).confirmed is False
    line = (
        "candidate 1, 0.1000 +- 0.0500 s.e. over 4 restarts of k-means; no finalist was feasible under every fresh seed"
    )
    assert dict(summary(journal, CODES))["winner"] == line


def test_short_trainings_are_not_ranked(tmp_path):
    header = {**HEADER, "settings": {"fitness": "zipf", "steps": 9, "rungs": 2}}
    with Journal.open(str(tmp_path / "rungs.jsonl"), header) as journal:
        for number, value in zip(journal.ask(np.full([3, 2], 0.5)), (0.4, 0.1, 0.2)):
            journal.tell(number, result(value, steps=3))
        assert ranking(journal.generations()) == [] and winner(journal) is None
        assert journal.last().full_results == (None, None, None)
        journal.tell(1, result(0.3))
        assert [each.candidate for each in ranking(journal.generations())] == [1] and winner(journal).value == 0.3
        assert dict(summary(journal, CODES))["first generation"] == "mean 0.3000"


def test_a_single_fresh_seed_has_the_error_of_its_clustering(journal):
    journal.tell(*journal.ask(np.full([1, 2], 0.5)), result(0.4, 0.1))
    journal.name_finalists([0], np.full([1, 2], 0.5), [11])
    journal.tell(0, result(0.3, 0.2, seed=11))
    assert winner(journal).described() == "0.3000 +- 0.1000 s.e. over 4 restarts of k-means"
