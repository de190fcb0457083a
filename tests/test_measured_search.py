"""A search with the truth beside it: what the journal holds, and that saved embeddings give the same fitness again."""

import dataclasses
import pathlib

import numpy as np
import pytest

from elo_tf.config import EvolutionConfig, IngestConfig, TaskConfig
from elo_tf.prepare.convert import convert
from elo_tf.runtime.workers.local import LocalEngine
from elo_tf.search.journal.journal import Journal
from elo_tf.search.reporting.report import UNTRAINED
from experiments import courses, fitness_variants, measured_search, protocols, training
from experiments.search_flags import MeasuredConfig
from experiments.truths import TRUTHS
from tests import videos

# The last has a weight for the clips' order only: no gradient reaches the RGB tower.
LOSSES = ((1.0, 1.0), (0.2, 0.9), (0.0, 0.0))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Noise to search on; noise of two labels, half of it held out, to measure on."""
    folder = tmp_path_factory.mktemp("measured")
    videos.noise_records(folder, 24).rename(folder / "searched")
    random = np.random.default_rng(1)
    for label in ("dark", "light"):
        for index in range(12):
            frames = random.integers(0, 100, [12, 24, 24, 3], np.uint8) + np.uint8(100 * (label == "light"))
            videos.write(folder / "more" / label / f"{index}.mp4", frames)
    settings = IngestConfig(size=24, labels="folders", holdout_fraction=0.5)
    convert(folder / "more", folder / "labelled", settings, LocalEngine(2))
    return folder


@pytest.fixture(scope="module")
def settings(records):
    shared = MeasuredConfig(
        modalities=("rgb", "audio"), tasks=("rgb/shuffle", "rgb-audio/embed"), steps=3, clusters=3, restarts=4,
        scoring_clips=12,
    )  # fmt: skip
    settings = shared.settings(records, 3, "zipf_scale_free", TaskConfig())
    data = dataclasses.replace(training.DATA, frames=4, crop_size=16, batch_size=4)
    fitness = dataclasses.replace(settings.fitness, min_deviation=1e3, labelled_clips=24)
    return dataclasses.replace(settings, data=data, fitness=fitness)


def evolve(settings, directory, processes):
    evolution = EvolutionConfig(strategy="fixed", generations=2, population=2, rescore=0, max_failures=1.0)
    return measured_search.search(settings, evolution, directory, processes, LOSSES, keep_embeddings=True)


@pytest.fixture(scope="module")
def searched(settings, tmp_path_factory):
    directory = tmp_path_factory.mktemp("run") / "search"
    return evolve(settings, directory, 1), directory


def results_of(journal):
    return [result for generation in journal.generations() for result in generation.results]


@pytest.mark.slow
def test_the_truth_is_measured_also_of_what_the_gate_stops(searched):
    journal, _ = searched
    results = results_of(journal)
    assert len(results) == 3 and all(result.value is None for result in results)
    assert "collapsed" in results[0].reason and "no term that teaches" in results[2].reason
    for result in results:
        assert all(0 <= result.diagnostics[name] <= 1 for name in TRUTHS)
    # Labels are told by brightness: any tower sees some of it. What was not trained is the untrained tower.
    untrained = {name: journal.notes[UNTRAINED][name] for name in TRUTHS}
    assert {name: results[2].diagnostics[name] for name in TRUTHS} == untrained
    assert untrained["true/linear"] > 0.8
    assert courses.winner(journal) is None and courses.cost(journal)["infeasible"] == 3


@pytest.mark.slow
def test_a_search_that_has_ended_does_not_start_again(searched, settings, monkeypatch):
    journal, directory = searched
    before = pathlib.Path(journal.path).read_bytes()
    monkeypatch.setattr(measured_search, "Crew", None)
    again = evolve(settings, directory, 1)
    assert pathlib.Path(again.path).read_bytes() == before and len(again.results()) == 3


@pytest.mark.slow
def test_saved_embeddings_give_the_fitness_of_the_journal(searched, settings):
    journal, directory = searched
    folder = directory / "embeddings"
    saved = {candidate: (steps, seed, path) for candidate, steps, seed, path in fitness_variants.saved(folder)}
    assert sorted(saved) == [0, 1, 2] and saved[1][:2] == (3, 3)
    literal = fitness_variants.ZipfVariant("raw", "literal", 1.0, 3, 4).name
    free = fitness_variants.ZipfVariant("standardise_l2", "within", 1.0, 3, 4).name
    modality = settings.fitness.agree_with
    adjusted, plain = (fitness_variants.AgreementVariant(modality, kind, 3, 4).name for kind in (True, False))
    scores = fitness_variants.evaluate(folder, settings.fitness, settings.run.seed)
    for candidate in (0, 1):
        diagnostics = results_of(journal)[candidate].diagnostics
        own = scores[candidate]
        assert -own[literal] == pytest.approx(diagnostics["zipf"], rel=1e-5)
        assert -own[free] == pytest.approx(diagnostics["zipf_scale_free"], rel=1e-5)
        assert own[adjusted] == pytest.approx(diagnostics["agreement_adjusted"], abs=1e-9)
        assert own[plain] == pytest.approx(diagnostics["agreement"], abs=1e-9)
    with np.load(folder / "reference.npz") as parts:
        offline = fitness_variants.Offline(folder, settings.fitness, settings.run.seed)
        np.testing.assert_array_equal(offline.reference(modality, 3), parts["reference"])
        np.testing.assert_array_equal(parts["untrained"], np.load(saved[2][2]))


@pytest.mark.slow
def test_scores_that_are_kept_are_not_computed_again(searched, settings, monkeypatch):
    _, directory = searched
    arguments = directory / "embeddings", settings.fitness, settings.run.seed
    first = fitness_variants.evaluate(*arguments)
    monkeypatch.setattr(fitness_variants.Offline, "scores", None)
    assert fitness_variants.evaluate(*arguments) == first


@pytest.mark.slow
def test_the_truth_is_that_of_the_experiments(settings):
    import tensorflow as tf

    worker = object.__new__(measured_search.MeasuredWorker)
    worker._train, worker._held_out = (
        measured_search._split(settings, settings.fitness.labelled, name) for name in ("train", "holdout")
    )

    def embed(batches):
        return np.concatenate([tf.reduce_mean(clips["now"]["rgb"], [1, 2, 3]).numpy() for clips in batches])

    truth = worker._truth(embed)
    train, held_out = protocols.standardise(embed(worker._train.batches), embed(worker._held_out.batches))
    assert (
        truth["true/linear"]
        == 1.0
        == protocols.linear_accuracy(train, worker._train.labels, held_out, worker._held_out.labels)
    )
    assert set(worker._train.labels) == {0, 1} and len(held_out) == len(worker._held_out.labels)
    assert worker._truth(lambda batches: np.full([4, 2], np.nan)) == {}


def test_the_journal_can_be_read_while_the_search_runs(tmp_path):
    with Journal.open(str(tmp_path / "j"), {"names": ["a"], "seed": 0, "settings": {"steps": 3}, "schema": "x"}) as own:
        own.ask(np.array([[0.5]]))
        journal = Journal.read(str(tmp_path / "j"))
    assert len(courses.course(journal).steps) == 0 and courses.winner(journal) is None
    assert courses.drift(journal) == {}
