"""Tables of the best: finalists with every seed, ties, and how far the weights of ties lie apart."""

import numpy as np
import pytest

from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.reporting import observations, report, standings
from elo_tf.search.reporting.findings import Standing
from tests.test_report import NAMES, Page, search


def rescore(directory, values, seeds=(8, 9)):
    """Finalists: candidate 1, and a favourite that was none; `values` under these fresh seeds, None infeasible."""
    path = str(directory / "journal.jsonl")
    with Journal.open(path, Journal.read(path).header) as journal:
        best = journal.generations()[0].lambdas[1]
        numbers = journal.name_finalists([1, None], np.array([best, np.full(len(NAMES), 0.5)]), list(seeds))
        for number, own in zip(numbers, values):
            for seed, value in zip(seeds, own):
                reason = None if value else "collapsed"
                journal.tell(number, TrialResult(9, seed, Fitness(value, reason, 0.05 if value else None, 20, {}), 1.0))
    return Journal.read(path)


def test_finalists_show_every_seed_their_mean_and_which_is_the_favourite(tmp_path):
    search(tmp_path, rounds=1)
    table = standings.finalists(rescore(tmp_path, [(0.31, 0.35), (0.5, None)]))
    # By hand: a standard deviation of .04 / sqrt 2, and two seeds.
    assert table.rows == [
        ["1", "0.3100", "0.3500", "0.3300 ± 0.0200"],
        ["4 (the strategy's favourite)", "0.5000", "infeasible", "–"],
    ]
    assert table.titles == ["candidate", "seed 8", "seed 9", "mean ± s.e."]
    page = Page(report.redraw(tmp_path))
    assert "Finalists" in page.text and all(cell in page.text for row in table.rows for cell in row)


@pytest.mark.parametrize("other, mark", [((0.33, 0.36), "0.3450 ± 0.0150 (tie)"), ((0.60, 0.61), "0.6050 ± 0.0050")])
def test_finalists_that_cannot_be_told_from_the_best_are_ties(tmp_path, other, mark):
    search(tmp_path, rounds=1)
    table = standings.finalists(rescore(tmp_path, [(0.31, 0.35), other]))
    assert [row[-1] for row in table.rows] == ["0.3300 ± 0.0200", mark]


def test_a_single_fresh_seed_tells_no_ties(tmp_path):
    search(tmp_path, rounds=1)
    table = standings.finalists(rescore(tmp_path, [(0.31,), (0.3101,)], seeds=(8,)))
    assert [row[1:] for row in table.rows] == [["0.3100", "0.3100"], ["0.3101", "0.3101"]]


def test_a_search_without_finalists_has_no_such_section(tmp_path):
    assert standings.finalists(search(tmp_path, rounds=1)) is None
    assert "Finalists" not in Page(report.redraw(tmp_path)).text


def test_the_weights_of_ties_have_a_range():
    ranked = [Standing(0, np.array([0.2, 0.9]), ()), Standing(1, np.array([0.4, 0.1]), ())]
    ranked += [Standing(2, np.array([1.0, 0.0]), (), tie=False)]
    np.testing.assert_array_equal(observations.ranges_of_ties(ranked), [[0.2, 0.4], [0.1, 0.9]])
    assert observations.ranges_of_ties(ranked[:1]) is None
