"""Grid search: the lattice without repetition, the corners first, and an end."""

import numpy as np
import pytest

from elo_tf.search.evolution import base


def points(dimensions, count, seed=0, population=5):
    """The first points, [count,G], and the strategy that gave them."""
    strategy = base.create("grid", dimensions, seed, base.Settings(population))
    asked = []
    while sum(map(len, asked)) < count:
        asked.append(strategy.ask())
        strategy.tell(asked[-1], np.zeros(len(asked[-1])))
    return np.concatenate(asked), strategy


def test_each_term_alone_comes_first_then_all_together():
    vectors, _ = points(7, 10)
    np.testing.assert_array_equal(vectors[:7], np.eye(7))
    np.testing.assert_array_equal(vectors[7], np.ones(7))


def test_values_are_those_of_the_lattice_in_equal_parts():
    vectors, _ = points(42, 1000)
    values, counts = np.unique(vectors[43:], return_counts=True)
    np.testing.assert_array_equal(values, [0, 0.5, 1])
    np.testing.assert_allclose(counts / counts.sum(), 1 / 3, atol=0.01)
    assert len(np.unique(vectors, axis=0)) == len(vectors)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_the_whole_lattice_but_zero_and_then_the_end(dimensions):
    total = 3**dimensions - 1
    vectors, strategy = points(dimensions, total, population=4)
    lattice = np.stack(np.meshgrid(*[[0, 0.5, 1]] * dimensions), axis=-1).reshape(-1, dimensions)
    assert set(map(tuple, vectors)) == set(map(tuple, lattice)) - {(0.0,) * dimensions}
    assert len(vectors) == total and strategy.stop() == [f"all {total} vectors have been told"]
    with pytest.raises(ValueError, match="nothing left to ask for"):
        strategy.ask()


def test_a_last_round_that_is_smaller_is_replayed():
    original, rebuilt = (base.create("grid", 2, 0, base.Settings(5)) for _ in range(2))
    first = original.ask()
    original.tell(first, np.arange(5.0))
    last = original.ask()
    assert last.shape == (3, 2) and original.stop() == []
    base.replay(rebuilt, [(first, np.arange(5.0)), (last, None)])
    rebuilt.tell(last, [-1.0, 7.0, 8.0])
    assert rebuilt.stop() == ["all 8 vectors have been told"]
    np.testing.assert_array_equal(rebuilt.mean(), last[0])
