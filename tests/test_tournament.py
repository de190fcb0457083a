"""Tournament selection: what a child inherits, who may be a parent, who leaves the pool."""

import math

import numpy as np
import pytest

from elo_tf.search.evolution import base


def create(dimensions=6, seed=1, **settings):
    return base.create("tournament", dimensions, seed, base.Settings(**settings))


def told(fitness, dimensions=6, **settings):
    """A tournament whose pool was just filled in one round: (strategy, vectors [pool,G])."""
    strategy = create(dimensions, pool=len(fitness), **settings)
    vectors = strategy.ask(len(fitness))
    strategy.tell(vectors, fitness)
    return strategy, vectors


def parents(children, pool):
    """Places in the pool of the members from which each child differs in one λ: [n]."""
    changed = (children[:, None] != pool[None]).sum(axis=2)  # [n,pool]
    assert ((changed == 1).sum(axis=1) == 1).all()
    return np.argmax(changed == 1, axis=1)


def test_exactly_one_weight_of_a_child_is_new_and_all_have_their_turn():
    strategy, pool = told(np.arange(20.0), tournament_size=5)
    children = strategy.ask(600)
    places = parents(children, pool)
    row, column = np.nonzero(children != pool[places])
    np.testing.assert_array_equal(row, np.arange(600))
    # 600 draws of 6 weights: 100 each, and new values uniform in [0,1].
    assert np.bincount(column, minlength=6).min() > 60
    new = children[row, column]
    np.testing.assert_allclose(np.quantile(new, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.08)


def test_the_first_rounds_are_uniform_until_the_pool_is_full():
    strategy = create(pool=20, tournament_size=5, population=8)
    seen = np.empty((0, 6))
    for _ in range(3):
        vectors = strategy.ask()
        assert not np.isin(vectors, seen).any()
        seen = np.concatenate([seen, vectors])
        strategy.tell(vectors, np.zeros(8))
    assert parents(strategy.ask(), seen[4:]).shape == (8,)


def test_a_tournament_of_the_whole_pool_takes_the_best():
    strategy, pool = told([5.0, 3.0, 1.0, 4.0, 2.0], tournament_size=5)
    assert set(parents(strategy.ask(50), pool)) == {2}


def test_a_tournament_of_one_takes_any():
    strategy, pool = told(np.arange(5.0), tournament_size=1)
    assert np.bincount(parents(strategy.ask(500), pool)).min() > 60


def test_selection_is_as_strong_as_drawing_without_return_makes_it():
    # By hand: of 4 members, 2 are drawn. The best wins where it is among them (1/2), the second where it is and the
    # best is not (1/3), the third against the last only (1/6), the last never.
    strategy, pool = told([1.0, 2.0, 3.0, 4.0], tournament_size=2)
    wins = np.bincount(parents(strategy.ask(3000), pool), minlength=4) / 3000
    np.testing.assert_allclose(wins, [1 / 2, 1 / 3, 1 / 6, 0], atol=0.03)


def test_the_oldest_leaves_even_if_it_is_the_best():
    strategy, pool = told([0.0, 1.0, 2.0], tournament_size=3)
    child = strategy.ask(1)
    assert parents(child, pool) == [0]
    strategy.tell(child, [5.0])
    # The pool is 1, 2 and the child: the second of the first round is now the best of it, and the oldest.
    second = strategy.ask(1)
    assert parents(second, pool) == [1]
    strategy.tell(second, [0.5])
    # The pool is 2, the child, and the second child, which is the best.
    assert parents(strategy.ask(1), second) == [0]
    np.testing.assert_array_equal(strategy.mean(), pool[0])


def test_children_of_one_round_are_not_each_others_parents():
    strategy, pool = told(np.arange(4.0), tournament_size=4)
    children = strategy.ask(10)
    assert set(parents(children, pool)) == {0}
    strategy.tell(children, -np.arange(10.0))
    assert set(parents(strategy.ask(10), children[-4:])) == {3}


@pytest.mark.parametrize("size", [1, 2, 6])
def test_infeasible_members_are_parents_only_where_all_are_infeasible(size):
    strategy, pool = told([math.inf, 9.0, math.inf, math.inf, 8.0, math.inf], tournament_size=size)
    assert set(parents(strategy.ask(60), pool)) == ({1, 4} if size == 1 else {4})
    strategy, pool = told([math.inf] * 6, tournament_size=size)
    assert set(parents(strategy.ask(200), pool)) == set(range(6))


def test_approaches_the_sphere():
    def distances(name):
        results = []
        for seed in range(5):
            strategy = base.create(name, 6, seed)
            for _ in range(100):
                vectors = strategy.ask()
                strategy.tell(vectors, np.square(vectors - 0.3).sum(axis=1))
            results.append(np.sqrt(np.square(strategy.mean() - 0.3).sum()))
        return results

    # 900 evaluations; a step of one weight to a uniform value comes near, but does not home in as CMA-ES does.
    assert max(distances("tournament")) < 0.1 < min(distances("random"))


def test_a_tournament_larger_than_its_pool_is_refused():
    with pytest.raises(ValueError, match="tournament of 25 cannot be drawn from a pool of 10"):
        create(pool=10)
