"""A search that starts from a loss file: which weights it takes from it, what it refuses, how it goes on."""

import dataclasses

import numpy as np
import pytest

from elo_tf.config import EvolutionConfig, InputError, RunConfig, TrainConfig
from elo_tf.data.records import Manifest
from elo_tf.data.video_entry import VideoEntry
from elo_tf.model.objective import save_loss
from elo_tf.search.evolution.cma_es import NEAR
from elo_tf.search.journal.header import MAY_DIFFER, make_header
from elo_tf.search.journal.journal import Journal
from elo_tf.search.settings import initial_vector, make_strategy, size_of

NAMES = ("rgb/predict", "rgb/shuffle", "rgb-flow/embed")


def loss(folder, values, units=None, name="loss.json"):
    """Settings of a search that starts from a file of these lambdas, {name: lambda}."""
    save_loss(folder / name, list(values), list(values.values()), {"fitness": {"value": 0.3}}, units)
    return EvolutionConfig(population=6, initial_loss=str(folder / name))


def test_weights_go_by_name_and_terms_that_the_file_lacks_start_in_the_middle(tmp_path):
    evolution = loss(tmp_path, {"rgb-flow/embed": 0.25, "rgb/predict": 1 / 3})
    assert initial_vector(evolution, NAMES, "value") == (1 / 3, 0.5, 0.25)
    assert initial_vector(EvolutionConfig(), NAMES, "value") is None


def test_terms_that_the_search_lacks_are_named_and_refused(tmp_path):
    evolution = loss(tmp_path, {"rgb/predict": 0.1, "audio/shuffle": 0.0, "rgb-audio/align": 0.7})
    message = "loss.json has terms that this search lacks: audio/shuffle, rgb-audio/align; add them to --tasks"
    with pytest.raises(InputError, match=message):
        initial_vector(evolution, NAMES, "value")


@pytest.mark.parametrize("units, wanted", [(None, "gradient"), ({"rgb/predict": 2.0}, "value")])
def test_weights_of_other_units_are_refused(tmp_path, units, wanted):
    evolution = loss(tmp_path, {"rgb/predict": 0.1}, units)
    with pytest.raises(InputError, match=f"--initial_loss=.*, this search has --loss_units={wanted}"):
        initial_vector(evolution, NAMES, wanted)
    other = {"value": "gradient", "gradient": "value"}[wanted]
    assert initial_vector(evolution, NAMES, other) == (0.1, 0.5, 0.5)


@pytest.mark.parametrize("strategy", ["grid", "fixed"])
def test_a_strategy_that_cannot_is_refused_by_name(strategy):
    evolution = EvolutionConfig(strategy=strategy, initial_loss="loss.json")
    message = f"--strategy={strategy}: {strategy} cannot start from a loss; cma_es, random, tournament can"
    with pytest.raises(InputError, match=message):
        make_strategy(evolution, 3, 0, ((0.5,) * 3,), (0.5,) * 3)


def test_the_first_generation_of_cma_es_is_around_the_loss_with_a_third_of_the_step(tmp_path):
    evolution = dataclasses.replace(loss(tmp_path, dict(zip(NAMES, (0.4, 0.5, 0.6)))), initial_step=0.1)
    initial = initial_vector(evolution, NAMES, "value")
    near = make_strategy(evolution, 3, 0, None, initial).ask()
    usual = make_strategy(evolution, 3, 0).ask()
    # The same draws, about another mean and of another length; far from the bounds nothing bends them.
    np.testing.assert_allclose((near - initial) / NEAR, usual - 0.5, atol=1e-9)


def test_a_dry_run_refuses_what_the_search_would(tmp_path):
    with pytest.raises(InputError, match="has terms that this search lacks: rgb/backward"):
        size_of(loss(tmp_path, {"rgb/backward": 0.5}), NAMES, "value", 90)
    assert size_of(loss(tmp_path, {"rgb/predict": 0.5}), NAMES, "value", 90).population == 6


def test_a_search_goes_on_with_the_loss_that_it_started_from_wherever_the_file_lies(tmp_path):
    entry = VideoEntry("a.mp4", "train", "", 9, False, "x")
    manifest = Manifest({}, 16000, 1280, [entry], [], True, str(tmp_path))

    def open_journal(evolution):
        initial = initial_vector(evolution, NAMES, "value")
        header = make_header(0, (RunConfig(), TrainConfig(), evolution), NAMES, manifest, None, initial)
        return Journal.open(str(tmp_path / "journal.jsonl"), header, MAY_DIFFER)

    started = loss(tmp_path, {"rgb/predict": 0.1})
    with open_journal(started) as journal:
        journal.ask(np.full((2, 3), 0.5))
    open_journal(loss(tmp_path, {"rgb/predict": 0.1}, name="moved.json")).close()
    for other in (loss(tmp_path, {"rgb/predict": 0.2}), EvolutionConfig(population=6)):
        with pytest.raises(InputError, match="was made with other settings .*initial_loss_hash: was [0-9a-f]{16}, now"):
            open_journal(other)


def test_a_journal_without_such_a_loss_has_no_word_of_it(tmp_path):
    """As those of versions that knew none, which go on therefore."""
    header = make_header(
        0, (RunConfig(), TrainConfig()), NAMES, Manifest({}, 16000, 1280, [], [], True, str(tmp_path)), None
    )
    assert "initial_loss_hash" not in header and "initial_loss" in MAY_DIFFER
