"""CMA-ES: it finds what it should, keeps its bounds, and is rebuilt bit by bit from what it asked and was told."""

import math
import sys

import numpy as np
import pytest

from elo_tf.evolution import base
from elo_tf.evolution.cma_es import CmaEs


def create(dimensions=6, seed=1, **settings):
    return base.create("cma_es", dimensions=dimensions, seed=seed, **settings)


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


def noisy_with_failures(vectors):
    """A sphere with ties, where candidates far out are infeasible."""
    fitness = np.round(sphere(vectors), 1)
    return np.where(vectors[:, 0] > 0.7, math.inf, fitness)


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


@pytest.mark.parametrize("dimensions, population", [(1, 4), (2, 6), (14, 11), (42, 15)])
def test_default_population(dimensions, population):
    assert create(dimensions).population == population
    assert create(dimensions).ask().shape == (population, dimensions)


@pytest.mark.parametrize("value", [0.7, math.inf])
def test_flat_fitness_neither_stops_nor_breaks_the_search(value):
    strategy = create()
    for _ in range(30):
        ((vectors, _),) = run(strategy, 1, lambda vectors: np.full(len(vectors), value))
        assert np.isfinite(vectors).all()
        assert strategy.stop() == []


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


@pytest.mark.parametrize("seed", [0, 1, 12345])
@pytest.mark.parametrize("dimensions", [1, 6])
def test_equal_seeds_give_equal_searches(seed, dimensions):
    first, second = (run(create(dimensions, seed), 6, noisy_with_failures) for _ in range(2))
    for (one, _), (two, _) in zip(first, second):
        np.testing.assert_array_equal(one, two)


def test_seeds_differ():
    assert not np.array_equal(create(seed=0).ask(), create(seed=1).ask())


@pytest.mark.parametrize("dimensions", [1, 6])
@pytest.mark.parametrize("complete", [0, 1, 7, 30])
def test_rebuilt_from_its_record_it_goes_on_bit_by_bit(dimensions, complete):
    original = create(dimensions)
    record = run(original, complete, noisy_with_failures)
    rebuilt = create(dimensions)
    base.replay(rebuilt, record)
    np.testing.assert_array_equal(rebuilt.mean(), original.mean())
    for (one, _), (two, _) in zip(run(original, 5, noisy_with_failures), run(rebuilt, 5, noisy_with_failures)):
        np.testing.assert_array_equal(one, two)


def test_rebuilt_in_mid_generation_it_waits_for_the_same_vectors():
    original = create()
    record = run(original, 4, noisy_with_failures)
    waiting = original.ask()
    rebuilt = create()
    base.replay(rebuilt, [*record, (waiting, None)])
    for strategy in (original, rebuilt):
        assert strategy.stop() == []
        strategy.tell(waiting, noisy_with_failures(waiting))
    np.testing.assert_array_equal(original.ask(), rebuilt.ask())


def test_a_record_of_other_settings_is_refused():
    record = run(create(seed=1), 3)
    with pytest.raises(ValueError, match="round 0 of the record is not what cma_es asks for"):
        base.replay(create(seed=2), record)


def test_global_generator_is_neither_read_nor_changed():
    before = np.random.get_state()
    first = run(create(), 5)
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert np.random.get_state()[2:] == before[2:]
    np.random.seed(99)
    np.testing.assert_array_equal(run(create(), 5)[-1][0], first[-1][0])


def test_says_nothing_and_writes_nothing(tmp_path, monkeypatch, capfd, recwarn):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cma_signals.in").write_text("{'timeout': 0}")
    strategy = create(1)
    run(strategy, 20)
    assert strategy.stop() == []
    assert [path.name for path in tmp_path.iterdir()] == ["cma_signals.in"]
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_numbers_that_are_none_are_refused(bad):
    strategy = create()
    vectors = strategy.ask()
    with pytest.raises(ValueError, match="must be 9 numbers or inf"):
        strategy.tell(vectors, [bad] + [1.0] * 8)


def test_ask_and_tell_out_of_turn_are_refused():
    strategy = create()
    with pytest.raises(ValueError, match="not the vectors"):
        strategy.tell(np.full((9, 6), 0.5), np.arange(9.0))
    with pytest.raises(ValueError, match="9 vectors, not 3"):
        strategy.ask(3)
    vectors = strategy.ask()
    with pytest.raises(ValueError, match="has not been told"):
        strategy.ask()
    with pytest.raises(ValueError, match="not the vectors"):
        strategy.tell(vectors[::-1], np.arange(9.0))
    with pytest.raises(ValueError, match="must be 9 numbers"):
        strategy.tell(vectors, np.arange(8.0))


@pytest.mark.parametrize("settings", [{"dimensions": 0}, {"population": 1}, {"population": 2}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError):
        create(**settings)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="'cma-es' is unknown; choose from .*cma_es"):
        base.create("cma-es", dimensions=3, seed=0)


def test_a_name_taken_twice_names_its_owner():
    with pytest.raises(ValueError, match="'cma_es' of .* is already taken by elo_tf.evolution.cma_es"):
        type("Impostor", (CmaEs,), {}, known_as="cma_es")


def test_a_file_dropped_into_the_package_is_registered(tmp_path, monkeypatch):
    (tmp_path / "still.py").write_text(
        "from elo_tf.evolution.cma_es import CmaEs\n\n\nclass Still(CmaEs, known_as='still'):\n    pass\n"
    )
    package = sys.modules["elo_tf.evolution"]
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))
    assert {"cma_es", "still"} <= set(base.strategies())
    assert base.create("still", dimensions=3, seed=0).ask().shape == (7, 3)
    del sys.modules["elo_tf.evolution.still"]
