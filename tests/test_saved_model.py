"""Versions appear whole and once; what lies beside the graph is right; bad input is refused, and leaves nothing."""

import errno
import json
import os
import pathlib
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from elo_tf.config import InputError
from elo_tf.evaluate import entrants, measure, results
from elo_tf.evaluate.scores import score
from elo_tf.evaluate.videos.split import LabelledVideo, Split
from elo_tf.networks.tower import Description, Tower
from export import accuracies, model_card, saved_model, versions
from tests import exports, towers

FILES = {"saved_model.pb", "fingerprint.pb", "README.md", "tower.json", "tf_serving_warmup_requests", "variables.index"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    towers.make_run(folder)
    return folder


@pytest.fixture(scope="module")
def tower(run):
    return Tower.load(run)


@pytest.fixture(scope="module")
def version(run, tower, tmp_path_factory):
    evaluated(run / "evaluation", tower)
    base = tmp_path_factory.mktemp("models") / "elo_rgb"
    settings = saved_model.ExportConfig(warmup_batch_sizes=("1", "3"), archive=True)
    return saved_model.write(tower, base, settings)


def evaluated(folder, *towers):
    """Writes results as `elo_tf.evaluate` does: seeds 0 and 1, of 4 test videos 2 and 3 right, for `other` none."""
    videos = tuple(LabelledVideo(str(number), number % 2) for number in range(4))
    split = Split("holdout", ("left", "right"), videos, videos)
    truth = split.labels("test")
    inputs = {
        "checkpoints": [{"step": one.step, "weights": entrants.weights_digest(one.network)} for one in towers],
        "records": {"fingerprint": "0123456789abcdef"},
    }
    names = ["first", "other"][: len(towers)] + ["scratch"]
    guesses = {"first": ([0, 1, 1, 0], [0, 1, 0, 0]), "other": (1 - truth, 1 - truth), "scratch": (truth, truth)}
    found = [
        measure.Measurement(
            name, "linear", split.name, None, seed, 4, 4, score(np.array([guesses[name][seed]]), truth, 2), {}, 1.0
        )
        for name in names
        for seed in (0, 1)
    ]
    results.write(folder, inputs, [split], found, {"train": 1, "test": 1})
    return folder / results.FILE


def _refused(*flags, **options):
    """The one line with which the command refuses."""
    done = exports.command(*flags, **options)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_warm_up_requests_are_answered(version):
    (file,) = version.glob("assets.extra/tf_serving_*")
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))
    ]
    signatures = tf.saved_model.load(str(version)).signatures
    seen = []
    for log in logs:
        request = log.predict_log.request
        ((name, tensor),) = request.inputs.items()
        value = tf.constant(tf.make_ndarray(tensor))
        embedding = signatures[request.model_spec.signature_name](**{name: value})["embedding"]
        assert request.model_spec.name == "elo_rgb" and np.isfinite(embedding).all()
        seen.append((request.model_spec.signature_name, *value.shape))
    clip = (towers.FRAMES, towers.SIZE, towers.SIZE, 3)
    assert seen == [
        (name, batch, *shape)
        for batch in (1, 3)
        for name, shape in (("serving_default", clip), ("encoded_frames", clip[:1]))
    ]


def test_the_description_travels_with_it(version, tower):
    path = version / "assets.extra" / "tower.json"
    assert Description.load(path) == tower.about
    contract = json.loads(path.read_text())["export"]
    assert contract["step"] == 3 and contract["output"]["width"] == 128
    assert contract["input"]["range"] == [0, 1] and contract["input"]["fps"] == 12.5
    assert (contract["input"]["frames"], contract["input"]["size"]) == (towers.FRAMES, towers.SIZE)


def test_the_card_has_loss_data_and_evaluation(version):
    card = (version / "README.md").read_text()
    measured = "| linear | holdout | all | 62.5 ± 12.5 | 2 | 0, 1 | 4 | 4 |"
    for row in ("| rgb/reconstruct | 0.5 |", "| videos | 16 |", measured, "| steps | 3 |"):
        assert row in card, row
    assert "100.0" not in card and '"elo_rgb/1"' in card  # Nothing of the baseline.


def test_the_card_has_the_accuracy_of_this_checkpoint_only(run, tower, tmp_path):
    towers.make_run(tmp_path / "run", seed=1)
    other = Tower.load(tmp_path / "run")
    path = evaluated(tmp_path / "both", tower, other)
    assert "| 62.5 ± 12.5 |" in accuracies.read(path, tower.network)
    assert "| 0.0 ± 0.0 |" in accuracies.read(path, other.network)
    base, settings = tmp_path / "elo_rgb", saved_model.ExportConfig(warmup_batch_sizes=())
    evaluated(tmp_path / "run" / "evaluation", tower)  # Of other weights than the run has by now.
    card = (saved_model.write(other, base, settings) / "README.md").read_text()
    assert "None of this checkpoint was found" in card and "62.5" not in card
    assert "| 0.0 ± 0.0 |" in (saved_model.write(other, base, settings, path) / "README.md").read_text()
    with pytest.raises(InputError, match="run/evaluation/results.json has no results of this checkpoint"):
        saved_model.write(other, base, settings, tmp_path / "run" / "evaluation" / results.FILE)
    assert {path.name for path in base.iterdir()} == {"1", "2"}


@pytest.mark.parametrize("content", ["{", "[]", '{"a": null}', "3", '{"schema": 1, "inputs": {"checkpoints": [3]}}'])
def test_what_is_no_file_of_results_is_refused_where_it_is_named(tower, tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match="results.json is not a file of results"):
        saved_model.write(tower, tmp_path / "elo_rgb", evaluation=tmp_path / "results.json")
    with pytest.raises(InputError, match="nowhere.json cannot be read"):
        saved_model.write(tower, tmp_path / "elo_rgb", evaluation=tmp_path / "nowhere.json")
    assert not (tmp_path / "elo_rgb").exists()


def test_the_card_of_a_tower_without_losses(version):
    facts = json.loads((version / "assets.extra" / "tower.json").read_text())
    card = model_card.write({**facts, "loss": {}, "data": {}}, "elo_rgb/1", "None.")
    assert "## Evaluation\n\nNone." in card and "has not been trained by a weighted sum" in card


def test_an_archive_depends_on_the_content_alone(version, tmp_path):
    first = version.parents[1] / "elo_rgb-1.tar.gz"
    copy = tmp_path / "copy"
    shutil.copytree(version, copy)
    (copy / "README.md").touch()
    (copy / "README.md").chmod(0o600)
    versions.archive(copy, tmp_path / "second.tar.gz")
    assert first.read_bytes() == (tmp_path / "second.tar.gz").read_bytes()
    with tarfile.open(first) as tar:
        assert {name.split("/")[-1] for name in tar.getnames()} >= FILES


def test_versions_count_up_and_are_never_overwritten(tmp_path):
    assert versions.choose(tmp_path / "new", 0).name == "1"
    for name in ("2", "10", ".11.5.partial", "notes"):
        (tmp_path / name).mkdir()
    assert versions.choose(tmp_path, 0).name == "11" and versions.choose(tmp_path, 3).name == "3"
    with pytest.raises(InputError, match="/2 exists, and a version is never overwritten"):
        versions.choose(tmp_path, 2)
    with pytest.raises(InputError, match="--version=-1 is not a positive integer"):
        versions.choose(tmp_path, -1)


def test_two_programs_cannot_make_the_same_version(tmp_path):
    target = tmp_path / "elo_rgb" / "1"
    with pytest.raises(InputError, match="made by another program"):
        with versions.writing(target) as folder:
            (folder / "ours").touch()
            target.mkdir()
            (target / "theirs").touch()
    assert [path.name for path in target.iterdir()] == ["theirs"] and len(list(target.parent.iterdir())) == 1


def write_one(base, packed):
    """Makes version 1 with one file, and its archive."""
    with versions.writing(base / "1", packed) as folder:
        (folder / "file").write_text("content")


def test_an_archive_is_there_only_beside_its_version(tmp_path, monkeypatch):
    base, packed = tmp_path / "models" / "elo_rgb", tmp_path / "models" / "elo_rgb-1.tar.gz"
    rename = pathlib.Path.rename

    def failing(path, target):
        if target == base / "1":
            assert not packed.exists()
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "rename", failing)
        with pytest.raises(OSError, match="Input/output error"):
            write_one(base, packed)
    assert not list(tmp_path.iterdir())
    write_one(base, packed)
    assert {path.name for path in packed.parent.iterdir()} == {"elo_rgb", packed.name}
    assert [path.name for path in base.iterdir()] == ["1"]
    with tarfile.open(packed) as tar:
        assert tar.extractfile("file").read() == b"content"


def test_the_archive_of_another_program_stays(tmp_path):
    base, packed = tmp_path / "elo_rgb", tmp_path / "elo_rgb-1.tar.gz"
    with pytest.raises(InputError, match="elo_rgb-1.tar.gz was made by another program"):
        with versions.writing(base / "1", packed):
            packed.write_text("theirs")
    assert packed.read_text() == "theirs" and [path.name for path in tmp_path.iterdir()] == [packed.name]


@pytest.fixture
def plain_file_system(monkeypatch):
    """One that has no links and synchronises no directories, as FAT, SMB and much of FUSE."""

    def refuse_link(source, target):
        raise OSError(errno.EPERM, "Operation not permitted", source, None, target)

    def refuse_directory(descriptor, fsync=os.fsync):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "link", refuse_link)
    monkeypatch.setattr(os, "fsync", refuse_directory)


def test_an_export_needs_neither_links_nor_synchronised_directories(tmp_path, plain_file_system):
    base, packed = tmp_path / "elo_rgb", tmp_path / "elo_rgb-1.tar.gz"
    write_one(base, packed)
    assert {path.name for path in tmp_path.iterdir()} == {base.name, packed.name}
    with tarfile.open(packed) as tar:
        assert tar.extractfile("file").read() == b"content"


def test_the_archive_of_another_program_stays_where_there_are_no_links(tmp_path, plain_file_system):
    test_the_archive_of_another_program_stays(tmp_path)


def test_what_a_killed_export_has_left_goes_with_the_next(tmp_path):
    program = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    ended, machine = int(program.stdout), socket.gethostname()
    (tmp_path / f".1.{machine}.{os.getpid()}.partial").mkdir()  # Of a program that had the number of this one.
    for left in (f".1.{machine}.{ended}.partial", f".1.{machine}.{os.getppid()}.partial", f".1.other.{ended}.partial"):
        (tmp_path / left / "variables").mkdir(parents=True)
    write_one(tmp_path, None)
    kept = {f".1.{machine}.{os.getppid()}.partial", f".1.other.{ended}.partial"}
    assert {path.name for path in tmp_path.iterdir()} == {"1", *kept}


def test_an_output_that_cannot_be_made_is_refused(tower, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="is a file; name a directory"):
        saved_model.write(tower, tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written .*Not a directory"):
        saved_model.write(tower, tmp_path / "file" / "elo_rgb")
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("sizes", [("0",), ("two",), ("1",) * 501])
def test_bad_batch_sizes_are_refused(sizes):
    with pytest.raises(InputError, match="--warmup_batch_sizes"):
        saved_model.ExportConfig(warmup_batch_sizes=sizes).batch_sizes()


def test_a_missing_package_shows_before_the_work(tower, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis.prediction_log_pb2", None)
    with pytest.raises(InputError, match="tensorflow-serving-api.*--warmup_batch_sizes="):
        saved_model.write(tower, tmp_path / "elo_rgb")
    assert not list(tmp_path.iterdir())


def test_an_error_near_the_end_leaves_nothing(tower, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(model_card, "write", full)
    with pytest.raises(InputError, match="No space left on device"):
        saved_model.write(tower, tmp_path / "deep" / "elo_rgb")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_full_disk_is_one_line(run, tmp_path):
    limit = 200_000  # The weights take more.
    line = _refused(
        f"--checkpoint={run}",
        f"--output={tmp_path / 'deep' / 'elo_rgb'}",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert "cannot be written" in line and "File too large" in line and not list(tmp_path.iterdir())


def _refused_here(**settings):
    """The same of the function that the command calls."""
    with pytest.raises(InputError) as error:
        saved_model.run(saved_model.Settings(**settings))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_bad_input_is_one_line(run, version, tmp_path):
    assert "exists" in _refused_here(checkpoint=run, output=version.parent, version=1)
    partial = tmp_path / "partial"
    towers.describe().save(_folder(partial))
    checkpoint = tf.train.Checkpoint(
        model=tf.train.Checkpoint(step=tf.Variable(1)), step=tf.Variable(1, dtype=tf.int64)
    )
    checkpoint.write(str(_folder(partial / "checkpoints") / "ckpt-1"))
    error = _refused_here(checkpoint=partial / "checkpoints" / "ckpt-1", output=tmp_path / "models")
    assert "cannot be read as a tiny tower" in error
    assert not (tmp_path / "models").exists()


def _folder(path):
    path.mkdir()
    return path


@pytest.mark.slow
def test_a_poll_never_sees_a_part(run, tmp_path):
    base = tmp_path / "elo_rgb"
    flags = [f"--checkpoint={run}", f"--output={base}"]
    program = subprocess.Popen([sys.executable, "-m", "export.saved_model", *flags], cwd=exports.ROOT)
    partial = seen = False
    while not seen:
        ended = program.poll() is not None
        names = [path.name for path in base.iterdir()] if base.exists() else []
        partial = partial or any(name.endswith(".partial") for name in names)
        if "1" in names:
            seen = True
            assert {path.name for path in (base / "1").rglob("*")} >= FILES
        assert seen or not ended
        time.sleep(0.002)
    assert program.wait() == 0 and partial and [path.name for path in base.iterdir()] == ["1"]
