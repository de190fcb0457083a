"""What every searcher keeps: bounds, seeds, turns; and that it is rebuilt exactly from what it asked and was told."""

import dataclasses
import math
import sys

import numpy as np
import pytest

from elo_tf.config import EvolutionConfig
from elo_tf.search.evolution import base
from elo_tf.search.evolution.cma_es import CmaEs

NAMES = tuple(base.strategies())
# Their vectors do not depend on the seed.
SEEDLESS = ("fixed", "gradient")
STARTERS = tuple(name for name, kind in base.strategies().items() if kind.takes_initial)
# A loss to start from, with weights at both bounds.
INITIAL = (0.0, 1.0, 0.9, 0.8, 0.05, 0.9)
DIMENSIONS = (1, 6)


def create(name, dimensions=6, seed=1, initial=None):
    """A strategy with a pool that some rounds fill, and a list that some rounds exhaust."""
    vectors = np.random.default_rng(0).random((40, dimensions)).tolist() if name in SEEDLESS else None
    return base.create(
        name, dimensions, seed, base.Settings(pool=20, tournament_size=5, vectors=vectors, initial=initial)
    )


def rounds(strategy, count, function):
    """Goes through some rounds, or until the strategy stops; returns what was asked and told."""
    record = []
    while len(record) < count and not strategy.stop():
        vectors = strategy.ask()
        fitness = function(vectors)
        strategy.tell(vectors, fitness)
        record.append((vectors, fitness))
    return record


def uneven(vectors):
    """A sphere with ties, where vectors far out are infeasible."""
    return np.where(vectors[:, 0] > 0.7, math.inf, np.round(np.square(vectors - 0.3).sum(axis=1), 1))


def asked(record):
    return np.concatenate([vectors for vectors, _ in record])


@pytest.mark.parametrize("dimensions", DIMENSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_asks_for_rounds_of_vectors_in_bounds(name, dimensions):
    strategy = create(name, dimensions)
    record = rounds(strategy, 12, uneven)
    vectors = asked(record)
    assert vectors.dtype == np.float64 and vectors.shape[1] == dimensions
    assert vectors.min() >= 0 and vectors.max() <= 1
    assert all(len(each) == strategy.population for each, _ in record[:-1])
    assert 1 <= len(record[-1][0]) <= strategy.population and len(vectors) <= strategy.limit
    assert (len(vectors) == strategy.limit) == bool(strategy.stop()) or strategy.limit == math.inf


@pytest.mark.parametrize("name", NAMES)
def test_default_population_is_that_of_cma_es(name):
    assert [create(name, dimensions).population for dimensions in (1, 2, 14, 42)] == [4, 6, 11, 15]
    assert base.create(name, 6, 0, base.Settings(7, vectors=((0.5,) * 6,))).population == 7


@pytest.mark.parametrize("seed", [0, 1, 12345])
@pytest.mark.parametrize("dimensions", DIMENSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_searches(name, dimensions, seed):
    first, second = (asked(rounds(create(name, dimensions, seed), 6, uneven)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", NAMES)
def test_other_seeds_give_other_searches(name):
    first, second = (asked(rounds(create(name, seed=seed), 3, uneven)) for seed in (0, 1))
    assert np.array_equal(first, second) == (name in SEEDLESS)


@pytest.mark.parametrize("name", NAMES)
def test_global_generator_is_neither_read_nor_changed(name):
    before = np.random.get_state()
    first = asked(rounds(create(name), 5, uneven))
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert np.random.get_state()[2:] == before[2:]
    np.random.seed(99)
    np.testing.assert_array_equal(asked(rounds(create(name), 5, uneven)), first)


@pytest.mark.parametrize("complete", [0, 1, 3, 12])
@pytest.mark.parametrize("dimensions", DIMENSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_rebuilt_from_its_record_it_goes_on_bit_by_bit(name, dimensions, complete):
    original, rebuilt = create(name, dimensions), create(name, dimensions)
    base.replay(rebuilt, rounds(original, complete, uneven))
    np.testing.assert_array_equal(rebuilt.mean(), original.mean())
    assert rebuilt.stop() == original.stop()
    first, second = rounds(original, 5, uneven), rounds(rebuilt, 5, uneven)
    assert len(first) == len(second)
    for (one, _), (two, _) in zip(first, second):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(rebuilt.mean(), original.mean())


@pytest.mark.parametrize("name", NAMES)
def test_a_record_of_another_cpu_is_gone_on_with(name):
    """Linear algebra differs there in the last digits, and so do the vectors that it leads to."""
    original, rebuilt = create(name), create(name)
    record = [(np.clip(vectors + 1e-9, 0, 1), told) for vectors, told in rounds(original, 4, uneven)]
    waiting = np.clip(original.ask() - 1e-9, 0, 1)
    base.replay(rebuilt, [*record, (waiting, None)])
    rebuilt.tell(waiting, uneven(waiting))
    original.tell(original._waiting, uneven(original._waiting))
    assert rebuilt.stop() == original.stop()
    if not original.stop():
        np.testing.assert_allclose(rebuilt.ask(), original.ask(), atol=1e-6)
    np.testing.assert_allclose(rebuilt.mean(), original.mean(), atol=1e-6)


@pytest.mark.parametrize("complete", [0, 4])
@pytest.mark.parametrize("name", NAMES)
def test_rebuilt_in_mid_round_it_waits_for_the_same_vectors(name, complete):
    original, rebuilt = create(name), create(name)
    record = rounds(original, complete, uneven)
    waiting = original.ask()
    base.replay(rebuilt, [*record, (waiting, None)])
    for strategy in (original, rebuilt):
        assert strategy.stop() == []
        with pytest.raises(ValueError, match="has not been told"):
            strategy.ask()
        strategy.tell(waiting, uneven(waiting))
    for (one, _), (two, _) in zip(rounds(original, 3, uneven), rounds(rebuilt, 3, uneven)):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(original.mean(), rebuilt.mean())


@pytest.mark.parametrize("name", NAMES)
def test_what_was_asked_does_not_change_with_the_callers_array(name):
    strategy, untouched = create(name), create(name)
    vectors = strategy.ask()
    kept = vectors.copy()
    vectors[:] = 0.123
    strategy.tell(kept, uneven(kept))
    strategy.mean()[:] = 0.456
    untouched.tell(untouched.ask(), uneven(kept))
    np.testing.assert_array_equal(strategy.mean(), untouched.mean())
    np.testing.assert_array_equal(strategy.ask(), untouched.ask())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SEEDLESS])
def test_a_record_of_other_settings_is_refused(name):
    record = rounds(create(name, seed=1), 3, uneven)
    with pytest.raises(ValueError, match=f"round . of the record is not what {name} asks for"):
        base.replay(create(name, seed=2), record)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cma_es"])
def test_a_round_of_any_size_can_be_asked_for(name):
    strategy = create(name)
    for n in (1, 3, 17):
        vectors = strategy.ask(n)
        assert vectors.shape == (n, 6)
        strategy.tell(vectors, uneven(vectors))
    with pytest.raises(ValueError, match="at least one vector, not 0"):
        strategy.ask(0)


@pytest.mark.parametrize("value", [0.7, math.inf])
@pytest.mark.parametrize("name", NAMES)
def test_flat_fitness_neither_stops_nor_breaks_the_search(name, value):
    strategy = create(name)
    assert np.isfinite(asked(rounds(strategy, 30, lambda vectors: np.full(len(vectors), value)))).all()
    assert np.isfinite(strategy.mean()).all()
    assert not strategy.stop() or strategy.limit < math.inf


@pytest.mark.parametrize("name", NAMES)
def test_goes_on_after_rounds_without_a_feasible_vector(name):
    strategy = create(name)
    rounds(strategy, 3, lambda vectors: np.full(len(vectors), math.inf))
    assert ((strategy.mean() >= 0) & (strategy.mean() <= 1)).all()
    record = rounds(strategy, 10, lambda vectors: vectors.sum(axis=1))
    assert strategy.mean().sum() <= np.median(asked(record).sum(axis=1))


@pytest.mark.parametrize("dimensions", DIMENSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_what_it_favours_begins_in_the_middle_and_improves(name, dimensions):
    strategy = create(name, dimensions)
    np.testing.assert_allclose(strategy.mean(), 0.5)
    for _ in range(12):
        record = rounds(strategy, 1, lambda vectors: np.square(vectors - 0.9).sum(axis=1))
        assert strategy.mean().shape == (dimensions,) and ((strategy.mean() >= 0) & (strategy.mean() <= 1)).all()
        if not record:
            break
    others = np.random.default_rng(0).random((100, dimensions))
    assert np.square(strategy.mean() - 0.9).sum() < np.median(np.square(others - 0.9).sum(axis=1))


@pytest.mark.parametrize("name", STARTERS)
def test_a_search_starts_from_the_loss_that_it_is_given(name):
    strategy, without = create(name, initial=INITIAL), create(name)
    np.testing.assert_allclose(strategy.mean(), INITIAL, atol=1e-9)
    nearest, usual = (np.linalg.norm(each.ask() - INITIAL, axis=1).min() for each in (strategy, without))
    assert nearest < 0.5 * usual


@pytest.mark.parametrize("complete", [0, 1, 5])
@pytest.mark.parametrize("name", STARTERS)
def test_started_from_a_loss_it_is_rebuilt_bit_by_bit(name, complete):
    original, rebuilt = (create(name, initial=INITIAL) for _ in range(2))
    base.replay(rebuilt, rounds(original, complete, uneven))
    np.testing.assert_array_equal(rebuilt.mean(), original.mean())
    np.testing.assert_array_equal(asked(rounds(rebuilt, 4, uneven)), asked(rounds(original, 4, uneven)))
    # Without the loss it would be another search.
    with pytest.raises(ValueError, match="round 0 of the record is not what"):
        base.replay(create(name), rounds(create(name, initial=INITIAL), 1, uneven))


@pytest.mark.parametrize("name", STARTERS)
def test_a_search_of_one_weight_starts_from_it_too(name):
    strategy = create(name, 1, initial=(0.9,))
    np.testing.assert_allclose(strategy.mean(), 0.9)
    assert asked(rounds(strategy, 3, uneven)).shape[1] == 1


@pytest.mark.parametrize("name", sorted({*NAMES} - {*STARTERS}))
def test_a_search_that_cannot_start_from_a_loss_says_so_and_which_can(name):
    with pytest.raises(ValueError, match=f"{name} cannot start from a loss; {', '.join(STARTERS)} can"):
        create(name, initial=INITIAL)


@pytest.mark.parametrize(
    "initial, message",
    [
        ((0.5,) * 5, r"of shape \(5,\) .* 6 weights"),
        ((0.5,) * 5 + (1.5,), "weight of 1.5"),
        ((math.nan,) * 6, "of nan"),
    ],
)
@pytest.mark.parametrize("name", STARTERS)
def test_what_is_no_loss_of_the_search_cannot_be_started_from(name, initial, message):
    with pytest.raises(ValueError, match=message):
        create(name, initial=initial)


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
@pytest.mark.parametrize("name", NAMES)
def test_numbers_that_are_none_are_refused(name, bad):
    strategy = create(name)
    vectors = strategy.ask()
    with pytest.raises(ValueError, match="must be 9 numbers or inf"):
        strategy.tell(vectors, [bad] + [1.0] * 8)
    strategy.tell(vectors, np.ones(9))


@pytest.mark.parametrize("name", NAMES)
def test_ask_and_tell_out_of_turn_are_refused(name):
    strategy = create(name)
    with pytest.raises(ValueError, match="not the vectors"):
        strategy.tell(np.full((9, 6), 0.5), np.arange(9.0))
    vectors = strategy.ask()
    with pytest.raises(ValueError, match="has not been told"):
        strategy.ask()
    with pytest.raises(ValueError, match="not the vectors"):
        strategy.tell(vectors[::-1], np.arange(9.0))
    with pytest.raises(ValueError, match="not the vectors"):
        strategy.tell(vectors[:5], np.arange(5.0))
    with pytest.raises(ValueError, match="must be 9 numbers"):
        strategy.tell(vectors, np.arange(8.0))
    strategy.tell(vectors, np.arange(9.0))


@pytest.mark.parametrize("name", NAMES)
def test_a_search_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match="at least one weight, not 0"):
        create(name, dimensions=0)


@pytest.mark.parametrize("value", [-1, math.nan])
@pytest.mark.parametrize("name", ["population", "initial_step", "pool", "tournament_size"])
def test_settings_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        base.Settings(**{name: value})


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=f"'cma-es' is unknown; choose from {', '.join(NAMES)}"):
        base.create("cma-es", dimensions=3, seed=0)


def test_the_flag_names_them_all():
    (field,) = [field for field in dataclasses.fields(EvolutionConfig) if field.name == "strategy"]
    assert set(NAMES) <= set(field.metadata["help"].replace(",", "").split())


def test_a_name_taken_twice_names_its_owner():
    with pytest.raises(ValueError, match="'cma_es' of .* is already taken by elo_tf.search.evolution.cma_es"):
        type("Impostor", (CmaEs,), {}, known_as="cma_es")


def test_a_file_dropped_into_the_package_is_registered(tmp_path, monkeypatch):
    (tmp_path / "still.py").write_text(
        "from elo_tf.search.evolution.cma_es import CmaEs\n\n\nclass Still(CmaEs, known_as='still'):\n    pass\n"
    )
    package = sys.modules["elo_tf.search.evolution"]
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))
    assert {"cma_es", "still"} <= set(base.strategies())
    assert base.create("still", dimensions=3, seed=0).ask().shape == (7, 3)
    del sys.modules["elo_tf.search.evolution.still"]
