"""Table 4: the order of the searchers, CMA-ES before tournament before grid and random search.

The problem is a model of a search for a loss, made before any searcher was run on it. 42 λ; those λ would be best that
are the targets, normal around the middle with a deviation of 0.5, so that about a third lie beyond the bounds and the
best allowed λ is 0 or 1. Terms matter unequally (curvatures log-uniform over a factor of 30) and each interacts mildly
with all others:

    f(λ) = (λ - target)ᵀ D^½ (I + C) D^½ (λ - target),    D: curvatures,    C: eigenvalues up to about 0.5

The score is f plus normal noise of 0.3 times the deviation of f over random losses. What counts is the true f of the λ
that a searcher favours in the end, in deviations of f below the mean of random losses: higher is better.

The sphere beside it is as easy as can be: no noise, no interactions, all λ matter equally, and 0.3 is best of each.
"""

import functools

import numpy as np
import pytest

from elo_tf.search.evolution import base

DIMENSIONS, EVALUATIONS, NOISE, SEEDS = 42, 2000, 0.3, range(5)


class Problem:
    """One draw of the model."""

    def __init__(self, seed):
        random = np.random.default_rng(seed)
        self._target = random.normal(0.5, 0.5, DIMENSIONS)
        roots = np.sqrt(np.exp(random.uniform(0, np.log(30), DIMENSIONS)))
        factors = random.normal(size=(DIMENSIONS, DIMENSIONS)) / np.sqrt(DIMENSIONS)
        coupling = 0.125 * factors @ factors.T
        self._matrix = roots[:, None] * (np.eye(DIMENSIONS) + coupling) * roots
        values = self._value(random.random((10000, DIMENSIONS)))
        self._mean, self._deviation = values.mean(), values.std()
        self._noise = random

    def _value(self, vectors):
        away = vectors - self._target
        return np.einsum("ni,ij,nj->n", away, self._matrix, away)

    def gain(self, vectors):
        """How far below the mean of random losses, in their deviations: [n]."""
        return (self._mean - self._value(vectors)) / self._deviation

    def score(self, vectors):
        """What a searcher is told: [n]."""
        return -self.gain(vectors) + self._noise.normal(0, NOISE, len(vectors))


class Sphere:
    """How far below the mean of random losses, in their deviations; both are known."""

    def __init__(self, seed):
        del seed
        # Of (u - 0.3)^2 with u uniform in [0,1]: mean 0.37/3, and the mean of its square (0.7^5 + 0.3^5) / 5.
        mean = 0.37 / 3
        deviation = np.sqrt((0.7**5 + 0.3**5) / 5 - mean**2)
        self._mean, self._deviation = DIMENSIONS * mean, np.sqrt(DIMENSIONS) * deviation

    def gain(self, vectors):
        return (self._mean - np.square(vectors - 0.3).sum(axis=1)) / self._deviation

    def score(self, vectors):
        return -self.gain(vectors)


@functools.cache
def gains(kind, name):
    """True gain of what the searcher favours after about 2000 evaluations, for each seed."""
    results = []
    for seed in SEEDS:
        problem, strategy = kind(seed), base.create(name, DIMENSIONS, seed)
        for _ in range(EVALUATIONS // strategy.population):
            vectors = strategy.ask()
            strategy.tell(vectors, problem.score(vectors))
        results.append(problem.gain(strategy.mean()[None])[0])
    return np.array(results)


@pytest.mark.parametrize("kind", [Problem, Sphere])
@pytest.mark.parametrize("better, worse", [("cma_es", "tournament"), ("tournament", "grid"), ("tournament", "random")])
def test_order_of_table_4(kind, better, worse):
    assert (gains(kind, better) > gains(kind, worse)).all(), (gains(kind, better), gains(kind, worse))


def test_random_losses_gain_nothing_in_the_mean():
    random = np.random.default_rng(0)
    for kind in (Problem, Sphere):
        found = kind(0).gain(random.random((20000, DIMENSIONS)))
        np.testing.assert_allclose([found.mean(), found.std()], [0, 1], atol=0.03)
