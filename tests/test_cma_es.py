"""CMA-ES: it finds what it should, also on the bounds and among failures, and ends when its steps are exhausted."""

import math

import numpy as np
import pytest

from elo_tf.search.evolution import base


def create(dimensions=6, seed=1, **settings):
    return base.create("cma_es", dimensions, seed, base.Settings(**settings))


def sphere(vectors, target=0.3):
    return np.square(vectors - target).sum(axis=1)


def run(strategy, generations, function=sphere):
    """Goes through some generations; returns what was asked and told."""
    record = []
    for _ in range(generations):
        vectors = strategy.ask()
        fitness = function(vectors)
        strategy.tell(vectors, fitness)
        record.append((vectors, fitness))
    return record


@pytest.mark.parametrize("dimensions, generations", [(1, 40), (2, 60), (14, 150), (42, 300)])
def test_solves_the_sphere(dimensions, generations):
    strategy = create(dimensions)
    run(strategy, generations)
    np.testing.assert_allclose(strategy.mean(), 0.3, atol=0.01)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_reaches_an_optimum_on_the_bounds_and_never_leaves_them(target):
    strategy = create(5)
    asked = np.concatenate([vectors for vectors, _ in run(strategy, 80, lambda vectors: sphere(vectors, target))])
    assert asked.min() >= 0.0 and asked.max() <= 1.0
    np.testing.assert_allclose(strategy.mean(), target, atol=0.01)


def test_a_weight_without_effect_does_not_hinder_the_others():
    strategy = create(6)
    record = run(strategy, 120, lambda vectors: sphere(vectors[:, 1:]))
    np.testing.assert_allclose(strategy.mean()[1:], 0.3, atol=0.01)
    assert all(((vectors >= 0) & (vectors <= 1)).all() for vectors, _ in record)


def test_starts_in_the_middle_with_the_given_step():
    small, large = (create(40, population=200, initial_step=step) for step in (0.01, 0.1))
    np.testing.assert_allclose(small.mean(), 0.5)
    assert small.ask().std() == pytest.approx(0.01, rel=0.1)
    assert large.ask().std() == pytest.approx(0.1, rel=0.1)


def test_exhausted_steps_stop_the_search_with_a_reason():
    strategy = create(2)
    for _ in range(200):
        if strategy.stop():
            break
        run(strategy, 1)
    assert strategy.stop() == ["tolx"]


def test_infeasible_candidates_rank_last_and_are_avoided():
    strategy = create()
    record = run(strategy, 60, lambda vectors: np.where(vectors[:, 0] < 0.5, math.inf, sphere(vectors, 0.4)))
    # The best point, 0.4 in every λ, is infeasible: the search must lean on the border from the feasible side.
    assert strategy.mean()[0] == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(strategy.mean()[1:], 0.4, atol=0.05)
    assert np.isfinite(np.concatenate([vectors for vectors, _ in record])).all()


def test_only_the_order_of_the_fitness_counts():
    plain, stretched = create(), create()
    for (one, _), (two, _) in zip(run(plain, 10), run(stretched, 10, lambda vectors: 1e6 * sphere(vectors) ** 3 - 5)):
        np.testing.assert_array_equal(one, two)


def test_says_nothing_and_writes_nothing(tmp_path, monkeypatch, capfd, recwarn):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cma_signals.in").write_text("{'timeout': 0}")
    strategy = create(1)
    run(strategy, 20)
    assert strategy.stop() == []
    assert [path.name for path in tmp_path.iterdir()] == ["cma_signals.in"]
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_a_generation_has_one_size():
    with pytest.raises(ValueError, match="9 vectors, not 3"):
        create().ask(3)


@pytest.mark.parametrize("population", [1, 2])
def test_a_population_from_which_nothing_can_be_selected_is_refused(population):
    with pytest.raises(ValueError, match=f"population of {population} is too small"):
        create(population=population)
