"""λ learned while training: on small records of noise, resumed, refused where they cannot be learned."""

import json

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import DataConfig, InputError, WeightingConfig
from elo_tf.data.held_out import HeldOut
from elo_tf.data.records import Manifest
from elo_tf.model.outer import OBJECTIVES
from elo_tf.model.outer.predictability import unexplained
from elo_tf.model.weighting import base
from elo_tf.train import api
from tests import trainings, videos

DATA = DataConfig(frames=4, crop_size=16, batch_size=4)
LEARN = {"learn_lambdas": "lookahead", "lambda_every": 2, "lambda_clips": 8, "lambda_rate": 0.3}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return videos.noise_records(tmp_path_factory.mktemp("learned"))


def features_and_target(count=400, seed=0):
    random = np.random.default_rng(seed)
    features = random.normal(size=[count, 6]).astype(np.float32)
    target = (features @ random.normal(size=[6, 3]) + random.normal(size=[count, 3])).astype(np.float32)
    return features, target, np.arange(count, dtype=np.int64)


def test_what_is_unexplained_is_that_of_scikit_learns_ridge():
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, target, of_videos = features_and_target()
    odd, expected = of_videos % 2 == 1, []
    for seen in (odd, ~odd):
        x, y = ((each - each[seen].mean(0)) / each[seen].std(0) for each in (features, target))
        ridge = linear_model.Ridge(alpha=np.square(x[seen]).sum() / 6, fit_intercept=False).fit(x[seen], y[seen])
        expected.append(np.square(y[~seen] - ridge.predict(x[~seen])).sum() / np.square(y[~seen]).sum())
    found = unexplained(features, target, tf.ones([len(target)]), of_videos)
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-4)


def test_clips_that_lack_the_target_do_not_count():
    features, target, of_videos = features_and_target()
    present = np.ones(len(target), np.float32)
    present[300:] = 0
    whole = unexplained(features[:300], target[:300], tf.ones([300]), of_videos[:300])
    target[300:] = 1e3
    assert float(unexplained(features, target, tf.constant(present), of_videos)) == pytest.approx(
        float(whole), rel=1e-3
    )


@pytest.mark.parametrize("name", ["predictability", "zipf", "labels"])
def test_every_objective_has_a_slope_that_lowers_it(name):
    objective = OBJECTIVES[name]()
    features, target, of_videos = features_and_target(64)
    targets, present = {"flow": tf.constant(target)}, {"flow": tf.ones([64])}
    features = tf.Variable(features)
    with tf.GradientTape() as tape:
        before = objective.value(features, of_videos, targets, present)
    slope = tape.gradient(before, features)
    features.assign_sub(0.1 * slope / tf.norm(slope))
    assert float(objective.value(features, of_videos, targets, present)) < float(before)


def test_held_out_clips_are_not_trained_on(records):
    held_out = HeldOut.of(Manifest.load(str(records)), DATA, 8, (), labelled=False)
    batch = next(iter(held_out.batches(0)))
    ids = {identity for identity in batch["video"].numpy().tolist()}
    trainer_reader = trainings.make(records, "unused").reader
    seen = {int(index) for clips in trainer_reader.windows(1) for index in clips["video"]}
    assert ids and not ids & seen
    assert batch["targets"]["flow"].shape == (8, 47) and set(batch["targets"]) == set(held_out.targets)


def run(records, directory, steps=6, **changes):
    tasks = ("rgb/shuffle", "rgb/reconstruct", "rgb-flow/embed")
    api.run(trainings.settings(str(records), str(directory), tasks=tasks, steps=steps, **LEARN, **changes))
    return directory


def test_a_training_learns_its_weights_and_writes_what_it_found(records, tmp_path):
    run(records, tmp_path)
    path = [json.loads(line) for line in (tmp_path / "lambdas.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in path] == [0, 6]
    assert path[0]["lambdas"] == [0.5] * 3 and np.abs(np.array(path[-1]["lambdas"]) - 0.5).min() > 0.05
    assert path[-1]["outer"] > 0
    learned = json.loads((tmp_path / "learned_loss.json").read_text())
    assert learned["strategy"] == "lookahead" and all(0 < each < 1 for each in learned["lambdas"].values())
    assert (tmp_path / "figures" / "lambdas.png").stat().st_size > 1000
    # And it is a loss like any other.
    api.run(
        trainings.settings(str(records), str(tmp_path / "again"), loss=str(tmp_path / "learned_loss.json"), steps=1)
    )


def test_resumed_it_ends_as_if_it_had_never_stopped(records, tmp_path):
    whole = run(records, tmp_path / "whole", save_every=3)
    checkpoint = tmp_path / "half"
    trainer_steps = iter([False, False, True])

    class Stop:
        def __enter__(self):
            return lambda: next(trainer_steps, False)

        def __exit__(self, *_):
            return None

    tasks = ("rgb/shuffle", "rgb/reconstruct", "rgb-flow/embed")
    settings = trainings.settings(str(records), str(checkpoint), tasks=tasks, steps=6, save_every=3, **LEARN)
    assert not api.run(settings, interruption=Stop()).finished
    assert api.run(settings).finished
    first, second = trainings.saved(whole), trainings.saved(checkpoint)
    assert any("weighting" in name for name in first)
    for name, value in first.items():
        # Threads of this process add up in any order; another held-out batch would move weights by a tenth.
        np.testing.assert_allclose(second[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"lambda_targets": "smell"}, "--lambda_targets: 'smell' is unknown; choose from flow, audio"),
        ({"drop_below": 0.3}, "cannot learn the weights of the 2 terms that --drop_below=0.3 leaves out"),
        ({"accumulate": 2}, "--learn_lambdas=lookahead needs whole batches; use --accumulate=1"),
        ({"lambda_objective": "labels"}, "fewer than two labels"),
    ],
)
def test_what_cannot_be_learned_is_refused(records, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        run(records, tmp_path / "run", **changes)


@pytest.mark.slow
def test_every_weighting_trains(records, tmp_path):
    """The registry over: finite, its state is saved, one graph for all steps."""
    for name, kind in base.weightings().items():
        learns = kind.looks_at == base.HELD_OUT
        config = WeightingConfig(
            **({**LEARN, "learn_lambdas": name} if learns else {"weighting": name, "lambda_every": 2})
        )
        trainer = trainings.make(records, tmp_path / name, tasks=("rgb/backward", "rgb/shuffle"), weighting=config)
        lambdas = [trainer.model.objective.lambdas.numpy()]
        for _ in range(3):
            trainer.advance(1)
            lambdas.append(trainer.model.objective.lambdas.numpy())
        assert np.isfinite(lambdas).all() and np.min(lambdas) > 0, name
        assert not kind.is_lambda or np.max(lambdas) <= 1, name
        state = [variable.name for variable in trainer.weighing.weighting.variables]
        trainer.save()
        names = "".join(trainings.saved(tmp_path / name))
        assert not state or "weighting" in names, name
        assert trainer._stretch.experimental_get_tracing_count() == 1, name


@pytest.mark.slow
def test_two_devices_learn_the_weights_that_one_learns(records, tmp_path):
    """Towers with batch normalisation, whose statistics and tangents are of both devices' clips."""
    from elo_tf.train import replicas

    found = []
    for name, strategy in (("one", None), ("two", replicas.make_strategy("mirrored"))):
        config = WeightingConfig(**{**LEARN, "lambda_every": 1})
        trainer = trainings.make(records, tmp_path / name, strategy, learning_rate=0.002, weighting=config)
        for _ in range(3):
            trainer.advance(1)
        found.append(trainer.weighing.weighting.logits.mean.numpy())
    assert np.abs(found[0]).max() > 1e-5
    np.testing.assert_allclose(found[1], found[0], atol=1e-3 * np.abs(found[0]).max())
