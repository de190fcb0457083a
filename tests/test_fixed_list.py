"""The fixed list: what is given is asked for, in order and to its end, or refused."""

import math

import numpy as np
import pytest

from elo_tf.search.evolution import base

VECTORS = ((0.0, 1.0), (0.1 + 0.2, 1 / 3), (0.0, 1.0), (1.0, 0.5), (0.25, 0.0))


def create(vectors, population=2):
    return base.create("fixed", 2, 0, base.Settings(population, vectors=vectors))


def test_gives_the_vectors_in_order_with_a_smaller_last_round():
    strategy, asked = create(VECTORS), []
    while not strategy.stop():
        asked.append(strategy.ask())
        strategy.tell(asked[-1], asked[-1][:, 0] + 1)
    assert [len(vectors) for vectors in asked] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(asked), VECTORS)
    np.testing.assert_array_equal(strategy.mean(), VECTORS[0])
    assert strategy.stop() == ["all 5 vectors have been told"]


def test_a_short_list_is_one_round():
    assert base.create("fixed", 2, 0, base.Settings(vectors=VECTORS)).ask().shape == (5, 2)


@pytest.mark.parametrize(
    "vectors, message",
    [
        (None, "needs vectors, and none are given"),
        ((), "needs vectors, and none are given"),
        (((0.5, 0.5), (0.5, 0.5, 0.5)), r"vectors of \[2, 3\] weights are given for 2"),
        (((0.5, 1.5),), "weight of 1.5 is given"),
        (((-0.1, 0.5),), "weight of -0.1 is given"),
        (((0.5, math.nan),), "weight of nan is given"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(vectors, message):
    with pytest.raises(ValueError, match=message):
        create(vectors)
