"""The training as its users run it: what it writes, how it ends, how it goes on after SIGKILL and SIGTERM."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from elo_tf import train
from elo_tf.config import InputError
from elo_tf.data.records import Manifest
from elo_tf.model.objective import save_loss
from elo_tf.networks.tower import Tower
from elo_tf.runtime.storage import claim_folder
from elo_tf.train.run_file import MAY_DIFFER, begin, check_run
from tests import trainings, videos
from tests.test_training_log import scalars

# One tower, a decoder, and a term with a memory of its own, so that every kind of state is in the checkpoint.
FLAGS = (
    "--tasks=rgb/reconstruct,rgb/shuffle,rgb/deep_cluster --memory_videos=64 --pseudo_labels=4 --recluster_every=2 "
    "--drop_below=0 --steps=9 --save_every=1 --threads=1"
).split()


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return videos.noise_records(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def unbroken(records, tmp_path_factory):
    """A training that was left alone."""
    run_dir = tmp_path_factory.mktemp("unbroken") / "run"
    watching = ("--log_every=3", "--share_every=3", "--pictures_every=9")
    code, output, errors = trainings.finish(trainings.start(records, run_dir, *FLAGS, *watching))
    assert code == 0, errors
    return run_dir, output


def test_writes_everything_about_a_run(unbroken):
    run_dir, output = unbroken
    assert {"flags.txt", "loss.json", "run.json", "tower.json", "results.json", "checkpoints", "tensorboard"} <= {
        path.name for path in run_dir.iterdir()
    }
    results = json.loads((run_dir / "results.json").read_text())
    assert results["steps"] == 9 and results["clips"] == 36 and results["devices"] == 1
    assert set(results["losses"]) == {"rgb/reconstruct", "rgb/shuffle", "rgb/deep_cluster"}
    assert 0 <= results["waiting_for_data"] <= 1 and results["clips_per_second"] > 0
    tower = Tower.load(run_dir)
    assert tower.step == 9 and tower.about.frames == 4 and tower.about.size == 16
    assert tower.checkpoint in output
    # Those kept, of the number that --keep names.
    assert {path.stem for path in (run_dir / "checkpoints").glob("*.index")} == {"ckpt-7", "ckpt-8", "ckpt-9"}


def test_tensorboard_has_losses_rate_speed_shares_and_pictures(unbroken):
    run_dir, _ = unbroken
    found = scalars(run_dir / "tensorboard")
    losses = json.loads((run_dir / "results.json").read_text())["losses"]
    for name, last in losses.items():
        assert [step for step, _ in found[f"loss/{name}"]] == [3, 6, 9]
        assert found[f"loss/{name}"][-1][1] == pytest.approx(last)
        assert [step for step, _ in found[f"share/{name}"]] == [3, 6, 9]
    rates = dict(found["training/learning_rate"])
    # One step of warm-up to 0.01, then half a cosine over 8 steps: the middle of it is after step 5.
    assert rates[9] == pytest.approx(0.0, abs=1e-8) and rates[3] > 0.005 > rates[6] > 0
    assert all(value > 0 for _, value in found["training/clips_per_second"])
    assert all(0 <= value <= 1 for _, value in found["training/waiting_for_data"])
    assert [step for step, _ in found["decoded/rgb/reconstruct"]] == [9]


def number_of(path: pathlib.Path) -> int:
    """Greatest step whose checkpoint is on disk; -1 before the first."""
    return max((int(each.stem[5:]) for each in path.glob("checkpoints/ckpt-*.index")), default=-1)


def interrupt(process, run_dir, signal_number, after, pause):
    """Sends a signal a moment after the checkpoint of a step is there; what `finish` gives."""
    limit = time.monotonic() + 240
    while process.poll() is None and number_of(run_dir) < after and time.monotonic() < limit:
        time.sleep(0.005)
    time.sleep(pause)
    process.send_signal(signal_number)
    return trainings.finish(process)


@pytest.mark.slow
def test_killed_and_terminated_ends_as_one_left_alone(unbroken, records, tmp_path):
    run_dir, chance = tmp_path / "run", random.Random(0)
    for after in (0, 3):
        # In the middle of a step, of a checkpoint, or of the deletion of an old one.
        code, _, _ = interrupt(
            trainings.start(records, run_dir, *FLAGS), run_dir, signal.SIGKILL, after, chance.uniform(0, 0.05)
        )
        assert code == -signal.SIGKILL
    code, output, errors = interrupt(
        trainings.start(records, run_dir, *FLAGS), run_dir, signal.SIGTERM, number_of(run_dir) + 1, 0
    )
    assert code == 143, errors
    stopped = number_of(run_dir)
    assert output.splitlines()[-1] == f"stopped at step {stopped} of 9, saved; rerun the command to continue"
    # Several steps a call change nothing, nor does how often it saves.
    code, output, errors = trainings.finish(
        trainings.start(records, run_dir, *FLAGS, "--steps_a_call=4", "--save_every=50")
    )
    assert code == 0 and f"from {run_dir}/checkpoints/ckpt-{stopped}" in output, errors
    expected, found = trainings.saved(unbroken[0]), trainings.saved(run_dir)
    assert expected.keys() == found.keys() and len(found) > 50
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


# Registers a term that has no logarithm from its third step on.
POISON = """
import runpy, sys
import tensorflow as tf
from elo_tf.ops.equations import average
from elo_tf.tasks import register
from elo_tf.tasks.shuffle import Shuffle

@register
class Poison(Shuffle):
    kind = "poison"

    def build(self, sizes, channels):
        self.room = tf.Variable(2.5, trainable=False)
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        if training:
            self.room.assign_sub(1.0)
        return super().loss(features, clips, training) + tf.math.log(self.room)

sys.argv[0] = "train"
runpy.run_module("elo_tf.train", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
def test_a_term_that_is_not_finite_is_named_with_the_last_good_checkpoint(records, tmp_path):
    flags = [*trainings.FLAGS, "--tasks=rgb/shuffle,rgb/poison", "--drop_below=0", "--save_every=1", "--steps=9"]
    command = [sys.executable, "-c", POISON, *flags, f"--records={records}", f"--run_dir={tmp_path}/run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=trainings.ROOT)
    assert done.returncode == 1, done.stderr
    assert done.stderr.strip().splitlines()[-1] == (
        f"error: not finite: rgb/poison at step 2; the last good checkpoint is {tmp_path}/run/checkpoints/ckpt-2"
    )
    values = trainings.saved(tmp_path / "run")
    assert values["step/.ATTRIBUTES/VARIABLE_VALUE"] == 2
    assert all(np.isfinite(value).all() for value in values.values() if value.dtype == np.float32)
    assert Tower.load(tmp_path / "run").step == 2


@pytest.mark.slow
def test_a_finished_training_and_a_damaged_one(unbroken, records, tmp_path):
    """The same command again does nothing; where the last checkpoint is torn, it does not begin anew."""
    run_dir, _ = unbroken
    code, output, errors = trainings.finish(trainings.start(records, run_dir, *FLAGS))
    assert code == 0 and "All 9 steps are done" in output, errors
    # Killed after the last checkpoint, before the results were written.
    results = run_dir / "results.json"
    whole = json.loads(results.read_text())
    results.unlink()
    code, output, errors = trainings.finish(trainings.start(records, run_dir, *FLAGS))
    kept = json.loads(results.read_text())
    assert code == 0 and kept["steps"] == 9 and kept["parameters"] == whole["parameters"] and "seconds" not in kept
    data = run_dir / "checkpoints" / "ckpt-9.data-00000-of-00001"
    whole = data.read_bytes()
    try:
        data.write_bytes(whole[: len(whole) // 2])
        code, output, errors = trainings.finish(trainings.start(records, run_dir, *FLAGS))
    finally:
        data.write_bytes(whole)
    assert code == 2 and len(errors.strip().splitlines()) == 1, errors
    assert f"{run_dir}/checkpoints/ckpt-9 cannot be loaded" in errors and "to resume from ckpt-8" in errors


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--loss="], "--loss is not given"),
        (["--batch_size=1"], "--batch_size=1 is less than 2"),
        (["--run_dir=/proc/run"], "/proc/run"),
        (["--distribute=tpu", "--precision=mixed_float16"], "--precision=mixed_float16 is not for TPUs"),
    ],
)
def test_bad_input_is_one_line(records, tmp_path, flags, message):
    code, output, errors = trainings.finish(trainings.start(records, tmp_path / "run", *flags))
    assert code == 2 and message in errors and len(errors.strip().splitlines()) == 1, errors
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"loss": "/nowhere.json"}, "loss file /nowhere.json does not exist"),
        ({"accumulate": 3}, "--accumulate=3 does not split the 4 clips"),
        ({"loss_units": "gradient"}, "--loss_units=gradient: the weights of --loss are for value"),
        ({"threads": 17}, "--threads=17: TensorFlow already runs in this process with another number of threads"),
    ],
)
def test_what_is_refused_leaves_nothing_that_the_mended_settings_would_be_compared_with(
    records, tmp_path, changes, message
):
    tf.zeros([]).numpy()  # Whatever ran before in this process: TensorFlow is in use.
    with pytest.raises(InputError, match=message) as error:
        train.run(trainings.settings(records, tmp_path / "run", **changes))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists() or os.listdir(tmp_path / "run") == [".lock"]


def test_given_settings_count_for_more_than_the_loss_file_and_defaults_do_not(records, tmp_path):
    loss = tmp_path / "loss.json"
    save_loss(loss, ["rgb/shuffle"], [0.5], {"task": {"norm": "l2", "shuffle_frames": 3}})
    # The default of shuffle_frames, 0, is meant only where it is named.
    for number, (given, expected) in enumerate(((None, 3), (("shuffle_frames",), 0))):
        run_dir = tmp_path / str(number)
        train.run(trainings.settings(records, run_dir, loss=loss, steps=1, norm="squared"), given)
        formed = json.loads((run_dir / "run.json").read_text())["settings"]
        assert formed["shuffle_frames"] == expected
        assert formed["norm"] == ("squared" if given is None else "l2")


def test_two_trainings_on_one_run_directory(records, tmp_path):
    with claim_folder(tmp_path / "run", "busy"), pytest.raises(InputError, match="in use by another training"):
        train.run(trainings.settings(records, tmp_path / "run"))
    assert os.listdir(tmp_path / "run") == [".lock"]


def test_a_damaged_shard_is_one_line(records, tmp_path, monkeypatch):
    """Whether it is read at the start, into memory, or in the middle of the training; the manifest is read once."""
    read, load = [], Manifest.load
    monkeypatch.setattr(Manifest, "load", lambda folder: read.append(folder) or load(folder))
    copy = shutil.copytree(records, tmp_path / "records")
    for shard in copy.glob("train-*.tfrecord"):
        shard.write_bytes(shard.read_bytes()[:-100])
    for number, resident in enumerate((4, 0)):
        with pytest.raises(InputError, match="record.*--validate") as error:
            train.run(trainings.settings(copy, tmp_path / f"run{number}", resident_gb=resident, max_sources_ahead=2))
        assert "\n" not in str(error.value) and len(read) == number + 1


def test_terms_about_sound_are_refused_where_no_video_to_train_on_has_any(records, tmp_path):
    copy = shutil.copytree(records, tmp_path / "records")
    manifest = json.loads((copy / "manifest.json").read_text())
    for video in manifest["videos"]:
        video["sound"] = video["sound"] and video["split"] == "holdout"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    tasks = ("rgb/shuffle", "rgb-audio/embed")
    with pytest.raises(InputError, match="has sound, which rgb-audio/embed need") as error:
        train.run(trainings.settings(copy, tmp_path / "run", tasks=tasks, drop_below=0.0))
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="has sound, which rgb-audio/embed need"):
        trainings.make(copy, tmp_path / "run", tasks=tasks)


def test_unfinished_records_are_refused(records, tmp_path):
    copy = shutil.copytree(records, tmp_path / "records")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "complete": False}))
    with pytest.raises(InputError, match="is unfinished; run python -m elo_tf.prepare again"):
        trainings.make(copy, tmp_path / "run")


def test_other_settings_are_refused_by_name(tmp_path):
    facts = {
        "settings": {"batch_size": 4, "save_every": 5},
        "lambdas": {"rgb/shuffle": 0.5},
        "units": {"rgb/shuffle": 2.0},
        "records_hash": "0",
    }
    check_run(tmp_path, facts)
    begin(tmp_path, facts)
    check_run(tmp_path, {**facts, "settings": {"batch_size": 4, "save_every": 7}})
    assert "save_every" in MAY_DIFFER
    for changed, message in (
        ({"settings": {"batch_size": 8, "save_every": 5}}, "batch_size: was 4, now 8"),
        ({"lambdas": {"rgb/shuffle": 0.25}}, "lambdas/rgb/shuffle: was 0.5, now 0.25"),
        ({"units": {"rgb/shuffle": 1.0}}, "units/rgb/shuffle: was 2.0, now 1.0"),
        ({"records_hash": "1"}, "records_hash: was 0, now 1"),
    ):
        with pytest.raises(InputError, match=message):
            check_run(tmp_path, {**facts, **changed})
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        check_run(tmp_path, facts)


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "journal.jsonl").write_text("")
    with pytest.raises(InputError, match="journal.jsonl of another run"):
        check_run(tmp_path, {"settings": {}})


def test_terms_are_formed_as_in_the_search_but_for_flags(records, tmp_path):
    loss = tmp_path / "loss.json"
    save_loss(loss, ["rgb/predict", "rgb/shuffle"], [0.005, 0.5], {"task": {"norm": "l2", "shuffle_frames": 3}})
    flags = [f"--loss={loss}", "--steps=1", "--shuffle_frames=2", "--log_every=0"]
    code, output, errors = trainings.finish(trainings.start(records, tmp_path / "run", *flags))
    assert code == 0, errors
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert settings["norm"] == "l2" and settings["shuffle_frames"] == 2
    assert "1 terms left out, of too small a weight: rgb/predict" in output and "that saves" in output
    assert not (tmp_path / "run" / "tensorboard").exists()
    source = json.loads((tmp_path / "run" / "loss.json").read_text())
    assert source["lambdas"] == {"rgb/shuffle": 0.5, "rgb/predict": 0.005}
    assert os.listdir(tmp_path / "run" / "checkpoints")
