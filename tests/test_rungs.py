"""Successive halving: lengths, who goes on, and what a generation of several rungs asks for and answers."""

import math

import numpy as np
import pytest

from elo_tf.search.evolution import base
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.generation import BEHIND, Finalists, Generation
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.journal.rungs import Rungs

RUNGS = Rungs.of(900, 3, 3.0)


def result(steps, value, seed=0):
    return TrialResult(
        steps, seed, Fitness(value, None if value is not None else "dead", 0.0 if value is not None else None, 4, {}), 1
    )


def generation(*runs):
    """Nine candidates at most, each with the values of its rungs."""
    results = tuple(tuple(result(steps, value) for steps, value in zip(RUNGS.steps, own)) for own in runs)
    return Generation(0, tuple(range(len(runs))), np.zeros([len(runs), 2]), results, RUNGS)


def test_lengths_rise_by_the_reduction():
    assert RUNGS.steps == (100, 300, 900)
    assert Rungs.of(7, 1, 3.0).steps == (7,)
    assert Rungs.of(1000, 2, 2.5).steps == (400, 1000)
    with pytest.raises(ValueError, match="leave no step of 10"):
        Rungs.of(10, 4, 3.0)


@pytest.mark.parametrize("arguments, lengths", [((4, 2, 1.1), r"\(4, 4\)"), ((3, 3, 1.1), r"\(2, 3, 3\)")])
def test_equal_lengths_are_refused(arguments, lengths):
    with pytest.raises(ValueError, match=lengths):
        Rungs.of(*arguments)


def test_number_of_trainings():
    assert RUNGS.trainings(9) == 9 + 3 + 1 and RUNGS.trainings(10) == 10 + 4 + 2
    assert RUNGS.training_steps(9) == 9 * 100 + 3 * 300 + 900
    assert Rungs.of(7, 1, 3.0).trainings(10) == 10


def test_the_best_third_goes_on():
    fitness = [0.9, 0.1, 0.5, math.inf, 0.2, 0.8, 0.2, 0.7, 0.6]
    assert RUNGS.promoted(0, 9, fitness) == (1, 4, 6)
    # Of equals the first.
    assert RUNGS.promoted(1, 9, [0.2, 0.1, 0.1]) == (1,)
    # An infeasible one does not go on, even where there is room.
    assert RUNGS.promoted(0, 9, [math.inf] * 8 + [0.3]) == (8,)
    assert RUNGS.promoted(0, 9, [math.inf] * 9) == ()


def test_a_generation_asks_for_one_rung_after_the_other():
    values = [0.9, 0.1, 0.5, None, 0.2, 0.8, 0.3, 0.7, 0.6]
    begun = generation(*([value] for value in values[:7]), [], [])
    assert begun.due() == [(7, 100), (8, 100)] and not begun.complete and begun.fitness() is None
    first = generation(*([value] for value in values))
    assert first.due() == [(1, 300), (4, 300), (6, 300)]
    runs = [[value] for value in values]
    runs[1] += [0.4]
    assert generation(*runs).due() == [(4, 300), (6, 300)]
    runs[4] += [0.35]
    runs[6] += [0.5]
    assert generation(*runs).due() == [(4, 900)]
    runs[4] += [0.6]
    assert generation(*runs).complete


def test_what_the_strategy_is_told_keeps_the_order_of_the_rungs():
    runs = [[0.9], [0.1, 0.4], [0.5], [None], [0.2, 0.35, 0.6], [0.8], [0.3, 0.5], [0.7], [0.65]]
    fitness = generation(*runs).fitness()
    assert fitness[4] == 0.6 and math.isinf(fitness[3])
    # The second rung comes behind the third, the first behind the second; within a rung differences stay.
    np.testing.assert_allclose(fitness[[1, 6]] - BEHIND, [0.4, 0.5], atol=1e-9)
    np.testing.assert_allclose(fitness[[2, 8, 7, 5, 0]] - 2 * BEHIND, [0.5, 0.65, 0.7, 0.8, 0.9], atol=1e-9)


def test_a_short_training_is_behind_the_full_ones_of_other_generations():
    """Strategies that remember compare across generations: also with one whose full trainings came to nothing."""
    unlucky = generation([0.2, 0.1, None], [0.22, 0.3], [0.25], [0.21, None], *[[0.3]] * 5)
    later = generation([0.45, 0.4, 0.45], [0.46, 0.44], [0.5], [0.47, 0.46], *[[0.6]] * 5)
    assert unlucky.complete and later.complete
    strategy = base.create("random", 2, 0, base.Settings(population=9))
    for each in (unlucky, later):
        vectors = strategy.ask()
        strategy.tell(vectors, each.fitness())
    np.testing.assert_array_equal(strategy.mean(), vectors[0])


def test_without_rungs_the_values_are_told_as_they_are():
    runs = tuple((result(9, value),) for value in (0.3, None, 0.1))
    plain = Generation(0, (0, 1, 2), np.zeros([3, 2]), runs, Rungs.of(9, 1, 3.0))
    np.testing.assert_array_equal(plain.fitness(), [0.3, math.inf, 0.1])


def test_a_generation_of_which_none_goes_on_is_complete():
    dead = generation(*([None],) * 9)
    assert dead.complete and np.isinf(dead.fitness()).all()


def test_finalists_are_judged_by_the_mean_of_their_seeds():
    runs = ((result(9, 0.3, 5), result(9, 0.5, 6)), (result(9, 0.1, 5), None))
    finalists = Finalists((4, 7), np.zeros([2, 3]), (5, 6), 9, runs)
    assert finalists.due() == [(1, 6)]
    for last, expected in ((0.4, 0.25), (None, math.inf)):
        complete = Finalists((4, 7), np.zeros([2, 3]), (5, 6), 9, (runs[0], (runs[1][0], result(9, last, 6))))
        np.testing.assert_allclose(complete.means(), [0.4, expected])
