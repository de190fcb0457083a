"""Candidates: the same loss gives the same fitness, nothing leaks from one to the next, divergence is named."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import (
    DataConfig,
    FitnessConfig,
    IngestConfig,
    InputError,
    ModelConfig,
    RunConfig,
    TaskConfig,
    TrainConfig,
)  # fmt: skip
from elo_tf.data.reader import Reader
from elo_tf.data.records import Manifest, identity
from elo_tf.prepare.convert import convert
from elo_tf.runtime import devices
from elo_tf.runtime.training_log import TrainingLog
from elo_tf.runtime.workers.local import LocalEngine
from elo_tf.search.trials import worker
from elo_tf.search.trials.candidate import CandidateRunner, Settings
from elo_tf.search.trials.scoring import TowerScorer
from elo_tf.search.trials.trial import Trial
from elo_tf.search.trials.worker import CandidateWorker
from tests import labelled, videos


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    records = videos.noise_records(tmp_path_factory.mktemp("candidate"))
    return Settings(
        RunConfig(records=str(records)),
        DataConfig(frames=4, crop_size=16, batch_size=4),
        ModelConfig(modalities=("rgb", "audio"), tasks=("rgb/reconstruct", "rgb/shuffle", "rgb-audio/embed")),
        TaskConfig(),
        TrainConfig(steps=3, optimizer="adam", learning_rate=1e-3, warmup_steps=1),
        FitnessConfig(fitness="agreement", clusters=2, restarts=3, agree_with="audio"),
    )


@pytest.fixture(scope="module")
def begun(settings):
    """A runner that has run nothing, its weights and the features of its tower by then."""
    runner = CandidateRunner(settings)
    return runner, [variable.numpy() for variable in runner._weights], runner.embed()


@pytest.fixture(scope="module")
def runner(begun):
    return begun[0]


def test_same_loss_same_fitness_and_nothing_leaks(runner):
    first = runner.run([0.5, 0.5, 0.5])
    other = runner.run([0.0, 1.0, 0.0])
    again = runner.run([0.5, 0.5, 0.5])
    assert first.fitness.value is not None
    assert (again.fitness, again.losses) == (first.fitness, first.losses)
    assert other.losses != first.losses


def test_traces_do_not_grow(runner):
    runner.run([1.0, 0.0, 1.0])
    before = runner.traces
    for lambdas in ([0.1, 0.2, 0.3], [1.0, 1.0, 0.0]):
        runner.run(lambdas)
    assert runner.traces == before


def test_traces_do_not_grow_with_labelled_clips(settings, tmp_path):
    fitness = dataclasses.replace(settings.fitness, labelled=labelled.make_records(tmp_path), labelled_clips=8)
    runner = CandidateRunner(dataclasses.replace(settings, fitness=fitness))
    assert "weak" in runner.untrained.diagnostics
    before = runner.traces
    runner.run([0.1, 0.2, 0.3])
    assert runner.traces == before


def test_the_untrained_tower_is_untrained(begun):
    runner, weights, features = begun
    for weight, value in zip(weights, runner._initial):
        np.testing.assert_array_equal(weight, value.numpy())
    runner._reset()
    np.testing.assert_array_equal(runner.embed(), features)


def test_weights_move_and_return(runner):
    runner._reset()
    untrained = runner.embed()
    runner.run([1.0, 1.0, 1.0])
    trained = runner.embed()
    assert np.abs(trained - untrained).max() > 1e-3
    runner._reset()
    np.testing.assert_array_equal(runner.embed(), untrained)
    assert all((variable.numpy() == 0).all() for variable in runner.model.optimizer.variables())


def test_divergence_is_named_and_leaves_the_next_candidate_alone(runner, monkeypatch):
    healthy = runner.run([0.5, 0.5, 0.5])
    monkeypatch.setattr(runner, "_reset", _poisoned_reset(runner))
    outcome = runner.run([0.5, 0.5, 0.5])
    assert outcome.fitness.value is None
    assert outcome.fitness.reason == "not finite: rgb/shuffle at step 0"
    # A term of weight 0 may do what it likes.
    assert runner.run([0.5, 0.0, 0.5]).fitness.value is not None
    monkeypatch.undo()
    assert runner.run([0.5, 0.5, 0.5]).fitness == healthy.fitness


def _poisoned_reset(runner):
    """A reset after which the term `rgb/shuffle` is not finite."""
    reset = runner._reset
    kernel = next(task for task in runner.model.tasks if task.name == "rgb/shuffle").head.kernel

    def poisoned_reset():
        reset()
        kernel.assign(np.full(kernel.shape, np.nan))

    return poisoned_reset


def test_a_last_step_that_breaks_the_weights_is_a_divergence(runner, monkeypatch):
    train = runner._train

    def then_break(*arguments):
        trained = train(*arguments)
        for weights in runner.model.trainable_variables:
            weights.assign(np.full(weights.shape, np.nan))
        return trained

    monkeypatch.setattr(runner, "_train", then_break)
    outcome = runner.run([0.5, 0.5, 0.5])
    assert outcome.fitness.failed and outcome.fitness.reason.startswith("not finite: the features of")
    monkeypatch.undo()
    assert not runner.run([0.5, 0.5, 0.5]).fitness.failed


def test_terms_without_a_gradient_are_refused_when_units_are_measured(runner, monkeypatch):
    for unit in (0.0, np.nan):
        monkeypatch.setattr(runner._gradient_norms, "units", lambda _, unit=unit: dict.fromkeys(runner.names, unit))
        with pytest.raises(InputError, match="the gradient of rgb/reconstruct cannot be measured"):
            runner.measure_units()


def test_a_loss_that_leaves_rgb_alone_is_infeasible(runner):
    # All terms of this runner teach RGB, so that only nothing leaves it alone.
    outcome = runner.run([0.0, 0.0, 0.0])
    assert outcome.fitness.value is None
    assert outcome.fitness.reason == "no term that teaches the RGB tower has a weight above 0"


def test_what_is_recorded_changes_nothing(settings, runner, tmp_path, monkeypatch):
    plain = runner.run([0.5, 0.5, 0.5])
    train = dataclasses.replace(settings.train, log_every=1, share_every=1)
    monkeypatch.setattr(runner, "settings", dataclasses.replace(settings, train=train))
    log = TrainingLog(tmp_path, {})
    outcome = runner.run([0.5, 0.5, 0.5], log=log)
    log.close()
    assert any(tmp_path.rglob("*tfevents*"))
    assert (outcome.fitness, outcome.losses) == (plain.fitness, plain.losses)


def test_units_are_the_same_again_and_change_the_loss(runner):
    units = runner.measure_units()
    assert set(units) == set(runner.names) and runner.measure_units() == units
    runner.assign_units(units)
    in_units = runner.run([0.5, 0.5, 0.5])
    runner.assign_units({name: 1.0 for name in units})
    assert runner.run([0.5, 0.5, 0.5]).losses != in_units.losses


def test_training_and_scoring_videos_are_disjoint(runner):
    trained = {int(video) for clips in runner.training.training(0).take(12) for video in clips["video"]}
    scored = {int(video) for clips in runner.scoring.reader.scoring(100) for video in clips["video"]}
    assert trained and scored and not trained & scored


def test_cluster_samples_are_of_the_tower_and_its_scoring_clips(runner):
    shown = runner.scoring.sample_clusters(runner.run([0.5, 0.25, 1.0]).embeddings)
    assert shown.is_of([0.5, 0.25, 1.0])
    scored = {}
    for clips in runner.scoring._batches:
        for index, frames in zip(clips["video"].numpy(), np.round(255 * clips["now"]["rgb"].numpy())):
            scored.setdefault(int(index), []).append(frames)
    ids = {video.id: identity(video.id)[0] for video in runner.scoring.reader.manifest.usable}
    seen = [(name, strip) for own in zip(shown.names, shown.strips) for name, strip in zip(*own) if name]
    assert len(seen) >= 5 and shown.strips.shape == (2, 5, 4, 16, 16, 3)
    for name, strip in seen:
        assert any((strip == frames).all() for frames in scored[ids[name]])


def test_a_worker_answers_the_embeddings_that_were_scored_if_it_is_asked_for_them(runner, monkeypatch):
    worker = object.__new__(CandidateWorker)
    worker._runner = runner
    trial = Trial(0, (0.5, 0.5, 0.5), 3, 7, keep=True)
    assert worker.run(dataclasses.replace(trial, keep=False)).embeddings is None
    outcome = worker.run(trial)
    np.testing.assert_array_equal(outcome.embeddings.features, runner.embed())
    # Its clusters are those of the seed that it is scored with.
    assert outcome.embeddings.seed == 7
    again = runner.scoring.score(runner._embedding, outcome.embeddings.features, 7)
    assert again.diagnostics == outcome.fitness.diagnostics
    shown = worker.sample_clusters(outcome.embeddings)
    assert shown.is_of(trial.lambdas)
    others = dataclasses.replace(outcome.embeddings, names=outcome.embeddings.names[::-1])
    assert worker.sample_clusters(others) is None
    monkeypatch.setattr(runner, "_reset", _poisoned_reset(runner))
    assert worker.run(trial).embeddings is None


@pytest.mark.parametrize("place, taken", [(0, "GPU:0"), (1, "GPU:1"), (3, "GPU:1")])
def test_workers_of_a_machine_take_its_gpus_in_turn(monkeypatch, place, taken):
    # TensorFlow is asked through two calls; without a GPU here, these are all that stands in for one.
    done = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind}:0", f"{kind}:1"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda device, kind: done.append((kind, device)))
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda device, on: done.append((device, on)))
    devices.take_gpu(place)
    assert done == [("GPU", taken), (taken, True)]
    devices.leave_gpus()
    assert done[2:] == [("GPU", [])]


def test_reference_ignores_videos_without_sound(settings, tmp_path):
    records = str(videos.noise_records(tmp_path, silent=range(0, 16, 2)))
    runner = CandidateRunner(dataclasses.replace(settings, run=RunConfig(records=records)))
    reader = Reader.open(records, "holdout", frozenset({("now", "rgb")}), settings.data)
    ids = {identity(video.id)[0]: video.id for video in reader.manifest.usable}
    clips = np.concatenate([batch["video"].numpy() for batch in reader.scoring(settings.fitness.scoring_clips)])
    silent = np.array([int(ids[number].split(".")[0]) % 2 == 0 for number in clips])
    assert silent.any() and not silent.all()
    np.testing.assert_array_equal(runner.scoring.reference < 0, np.tile(silent, [3, 1]))
    assert "agreement" in runner.untrained.diagnostics


@pytest.mark.slow
def test_without_sound_there_is_no_agreement(settings, tmp_path):
    records = str(videos.noise_records(tmp_path, silent=range(16)))
    by_zipf = dataclasses.replace(settings.fitness, fitness="zipf")
    runner = CandidateRunner(dataclasses.replace(settings, run=RunConfig(records=records), fitness=by_zipf))
    assert runner.scoring.reference is None and "agreement" not in runner.untrained.diagnostics
    assert settings.fitness.fitness == "agreement"
    message = "--fitness=agreement needs at least 4 scoring clips with audio, .*; give --agree_with=flow or another"
    with pytest.raises(InputError, match=message):
        CandidateRunner(dataclasses.replace(settings, run=RunConfig(records=records)))


def scorer(settings, fitness):
    return TowerScorer(Manifest.load(settings.run.records), settings.run.seed, settings.data, fitness)


def test_clips_that_can_tell_nothing_are_no_reference(settings, tmp_path):
    # Three clips for two clusters: two of them have nothing to agree about.
    few = dataclasses.replace(settings.fitness, fitness="zipf", scoring_clips=3)
    assert scorer(settings, few).reference is None
    assert scorer(settings, dataclasses.replace(few, scoring_clips=4)).reference is not None
    # Nothing moves in any of these.
    for number in range(12):
        videos.plain(tmp_path / "videos" / f"{number}.mp4", frames=12, grey=20 * number)
    convert(tmp_path / "videos", tmp_path / "records", IngestConfig(size=32, holdout_fraction=0.5), LocalEngine(1))
    still = dataclasses.replace(settings, run=RunConfig(records=str(tmp_path / "records")))
    assert scorer(still, dataclasses.replace(settings.fitness, agree_with="flow")).reference is None


def test_videos_without_a_label_are_not_judged(settings, tmp_path):
    labelled.make_records(tmp_path)
    before = sorted((tmp_path / "videos" / "red").iterdir())
    for number, path in enumerate(before):
        shutil.copy(path, tmp_path / "videos" / f"{number}.mp4")
    config = IngestConfig(size=32, labels="folders", holdout_fraction=0.5)
    convert(tmp_path / "videos", tmp_path / "more", config, LocalEngine(1))
    names = [str(tmp_path / name) for name in ("records", "more")]
    fitness = [dataclasses.replace(settings.fitness, labelled=name, labelled_clips=8) for name in names]
    first, second = (scorer(settings, each).labelled for each in fitness)
    assert len(Manifest.load(names[1]).usable) == len(Manifest.load(names[0]).usable) + len(before)
    assert second.videos.count == first.videos.count


def test_a_damaged_shard_is_bad_input(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "_fix_arithmetic", lambda threads: None)  # Too late in this process.
    folder = tmp_path / "damaged"
    shutil.copytree(settings.run.records, folder)
    shard = next(path for path in folder.rglob("*") if "tfrecord" in path.name)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match=f"{folder} cannot be read .*--validate"):
        CandidateWorker(dataclasses.replace(settings, run=RunConfig(records=str(folder))))


def test_fewer_videos_than_clusters(settings):
    with pytest.raises(InputError, match="--clusters=50 is more than the . held-out videos"):
        CandidateRunner(dataclasses.replace(settings, fitness=FitnessConfig(clusters=50)))


def test_unfinished_records(settings, tmp_path):
    records = settings.run.records
    for file in tf.io.gfile.listdir(records):
        tf.io.gfile.copy(f"{records}/{file}", str(tmp_path / file))
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"complete": true', '"complete": false'))
    with pytest.raises(InputError, match="is unfinished; run python -m elo_tf.prepare again"):
        CandidateRunner(dataclasses.replace(settings, run=RunConfig(records=str(tmp_path))))


def test_length_and_seed_of_a_training(runner):
    full = runner.run([0.5, 0.5, 0.5])
    short = runner.run([0.5, 0.5, 0.5], steps=2)
    other = runner.run([0.5, 0.5, 0.5], seed=9)
    assert len({str(outcome.losses) for outcome in (full, short, other)}) == 3
    # Two steps at the learning rates of a training of two steps, whatever was trained before.
    again = runner.run([0.5, 0.5, 0.5], steps=2)
    assert (again.fitness, again.losses) == (short.fitness, short.losses)
    assert runner.run([0.5, 0.5, 0.5]).losses == full.losses


def test_float16_is_left_to_the_training_in_full(settings):
    half = dataclasses.replace(settings, model=dataclasses.replace(settings.model, precision="mixed_float16"))
    with pytest.raises(InputError, match="mixed_float16 is for elo_tf.train"):
        CandidateRunner(half)
    assert tf.keras.mixed_precision.global_policy().name == "float32"
