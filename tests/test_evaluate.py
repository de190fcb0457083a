"""The command from records and a checkpoint to results, and what it refuses."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from elo_tf.config import EvaluateSettings, EvaluationConfig, InputError, ProtocolConfig
from elo_tf.data.records import Manifest, identity
from elo_tf.evaluate import api, confusion, entrants, ledger, measure, protocols, results, table
from elo_tf.evaluate.scores import score
from elo_tf.evaluate.videos.material import Material
from elo_tf.evaluate.videos.split import digest, of_folders
from elo_tf.evaluate.videos.splits import read
from elo_tf.networks.tower import Tower
from tests import labelled, towers

ROOT = Path(__file__).parents[1]
FAST = ProtocolConfig(train_clips=2, test_clips=3, restarts=3, finetune_steps=2)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run in `run`, records in two parts in `records`."""
    folder = tmp_path_factory.mktemp("evaluate")
    labelled.make_records(folder)
    towers.make_run(folder / "run")
    return folder


def evaluate(*arguments, status=0):
    """(standard output, standard error) of the command."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "elo_tf.evaluate", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def settings(place, **changes):
    """Settings of an evaluation in this process."""
    facts = {"checkpoint": place / "run", "records": place / "records", "protocol": "kmeans", **vars(FAST)}
    return EvaluateSettings(**{**facts, **changes})


def refused(*arguments):
    """The one line with which the command refuses."""
    _, errors = evaluate(*arguments, status=2)
    assert errors.startswith("error: ") and errors.count("\n") == 1, errors
    return errors


@pytest.mark.slow
def test_the_command(place):
    arguments = (
        f"--checkpoint={place / 'run'}",
        f"--records={place / 'records'}",
        "--baselines=scratch,supervised,pixels",
        "--seeds=0,1",
        "--label_budgets=6,all",
        "--train_clips=2",
        "--test_clips=3",
        "--restarts=4",
        "--finetune_steps=3",
    )
    out, errors = evaluate(*arguments)
    assert errors == "" and "representation  labels  k-means" in out
    folder = place / "run" / "evaluation"
    content = json.loads((folder / results.FILE).read_text())
    manifest = Manifest.load(str(place / "records"))
    counts = manifest.counts
    (split,) = content["splits"]
    assert (split["train_videos"], split["test_videos"]) == (counts["train"], counts["holdout"])
    assert split["test_clips"] == 3 * counts["holdout"]
    assert content["classes"] == list(labelled.CLASSES)
    assert content["inputs"]["checkpoints"][0]["step"] == 3 and content["inputs"]["seeds"] == [0, 1]
    assert content["inputs"]["records"]["fingerprint"] == manifest.fingerprint
    found = {(one["entrant"], one["protocol"], one["budget"], one["seed"]): one for one in content["measurements"]}
    # Three protocols where there is a network to train, two where there is none.
    assert len(found) == len(content["measurements"]) == (3 + 3 + 2 + 2) * 2 * 2
    assert found["checkpoint", "linear", 6, 0]["train_clips"] == 12
    pixels = found["pixels", "linear", "all", 0]
    assert pixels["accuracy"] == 1.0 and pixels["per_class"] == dict.fromkeys(labelled.CLASSES, 1.0)
    for one in content["confusion"]:
        runs = 2 * (4 if one["protocol"] == "kmeans" else 1)
        assert np.sum(one["counts"]) == runs * counts["holdout"]
        assert cv2.imread(str(folder / one["picture"])).shape[0] > 200
    text = (folder / results.TABLE).read_text()
    markdown, compared = (part.splitlines() for part in text.split("\n\n"))
    assert len(compared) == 3 and compared[-1].startswith("- checkpoint against pixels, in points: k-means ")
    assert [line[2:] for line in compared] == content["comparisons"] and compared[-1][2:] in out
    assert markdown[0] == "| representation | labels | k-means | 1-layer | fine-tune |" and len(markdown) == 2 + 4 * 2
    assert markdown[-1].startswith("| pixels | all | ") and markdown[-1].endswith(" | 100.0 ± 0.0 | - |")
    assert not list(folder.glob("*.partial"))
    # Given again it shows what is there; other settings do not replace it.
    (folder / ledger.FILE).touch()
    written = (folder / results.FILE).stat().st_mtime_ns
    again, _ = evaluate(*arguments)
    assert "has been done before" in again and out.splitlines()[-10:] == again.splitlines()[-10:]
    assert not (folder / ledger.FILE).exists()
    assert "results.json was made with other settings (seeds: was" in refused(*arguments, "--seeds=2")
    assert (folder / results.FILE).stat().st_mtime_ns == written


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_and_ends_as_an_unbroken_one(place, tmp_path):
    flags = ["--baselines=pixels", "--seeds=0,1", "--train_clips=2", "--test_clips=2", "--restarts=3"]
    flags += ["--finetune_steps=3", f"--checkpoint={place / 'run'}", f"--records={place / 'records'}"]
    evaluate(*flags, f"--output={tmp_path / 'whole'}")
    output = tmp_path / "killed"
    unfinished = output / ledger.FILE
    command = [sys.executable, "-m", "elo_tf.evaluate", *flags, f"--output={output}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not (unfinished.exists() and unfinished.read_bytes().count(b"\n") > 4):
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)  # Or it ends before the other has begun.
        # One evaluation at a time in a folder.
        assert "is in use by another evaluation" in refused(*flags, f"--output={output}")
        process.kill()
    assert process.returncode == -signal.SIGKILL
    lines = unfinished.read_bytes().splitlines(keepends=True)
    unfinished.write_bytes(b"".join([*lines[:4], lines[4][:30]]))  # A torn line.
    assert "was made with other settings (seeds: was" in refused(*flags, "--seeds=0", f"--output={output}")
    out, _ = evaluate(*flags, f"--output={output}")
    assert "3 measurements were made before" in out and not unfinished.exists()
    first, second = (json.loads((tmp_path / name / results.FILE).read_text()) for name in ("whole", "killed"))
    for content in (first, second):
        for one in content["measurements"]:
            one.pop("seconds")
    assert first == second
    assert sorted(path.name for path in output.iterdir()) == sorted(
        path.name for path in (tmp_path / "whole").iterdir()
    )


def test_a_damaged_line_is_named_and_what_is_refused_leaves_nothing(place, tmp_path):
    (tmp_path / ledger.FILE).write_text('{"inputs": {}}\n{"entrant": "checkpoint"}\n')
    with pytest.raises(InputError, match="unfinished.jsonl, line 2 is damaged"):
        ledger.Ledger(tmp_path, {})
    with pytest.raises(InputError, match="--label_budgets"):
        api.run(settings(place, label_budgets="100000", output=tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_the_result_is_the_table_and_the_same_the_second_time(place, tmp_path, capsys):
    given = settings(place, output=tmp_path, baselines=["pixels"], seeds=(0, 1))
    first = api.run(given)
    assert str(first) in capsys.readouterr().out and first.folder == tmp_path
    assert [row[0] for row in first.table] == ["representation", "checkpoint", "pixels"]
    assert [(one["entrant"], one["seed"]) for one in first.measurements] == [
        ("checkpoint", 0), ("checkpoint", 1), ("pixels", 0), ("pixels", 1),
    ]  # fmt: skip
    # One strong colour a class: clusters of pixels are the classes.
    assert first.table[2][1].startswith("100.0")
    again = api.run(given)
    assert "has been done before" in capsys.readouterr().out and again.table == first.table


def test_bad_flags_are_refused_in_one_line(place, tmp_path):
    errors = refused(f"--checkpoint={tmp_path}", f"--records={place / 'records'}")
    assert "neither the run directory of a training nor a checkpoint" in errors
    with pytest.raises(InputError, match="--output=/dev/null/results: /dev/null is not a folder"):
        api.run(settings(place, output="/dev/null/results"))
    assert not list(tmp_path.iterdir())


def _open(place, **changes):
    tower = Tower.load(place / "run")
    about = dataclasses.replace(tower.about, **changes)
    return Material.open(str(place / "records"), about, FAST), tower


def test_records_must_fit_the_tower(place):
    with pytest.raises(InputError, match="12.5 frames a second, the tower was trained at 25; .* --fps=25"):
        _open(place, fps=25.0)
    with pytest.raises(InputError, match="frames of 32 pixels, the tower wants clips of 48; .* --size=56"):
        _open(place, size=48, stored_size=56)
    material, _ = _open(place, stored_size=40)
    assert "it sees another part of them; --size=40" in material.warning
    assert _open(place)[0].warning is None


def test_videos_shorter_than_a_clip_are_looped_or_refused(place, capsys):
    material, _ = _open(place, frames=16)
    with pytest.raises(InputError, match=r"and 18 have fewer frames than a clip \(16\)"):
        read(EvaluationConfig(short_videos="refuse"), material)
    (split,) = read(EvaluationConfig(), material)
    assert (split.looped_train, split.looped_test, split.short) == (9, 9, 0)
    # The clip is the 12 frames of the video and the first 4 again: red, green and blue of each frame tell.
    videos = split.test[:3]
    whole = _open(place, frames=12)[0].apply(lambda video: video.numpy().mean(axis=(2, 3)).reshape(-1, 36), videos, 1)
    found = material.apply(lambda video: video.numpy().mean(axis=(2, 3)).reshape(-1, 48), videos, 2)
    for window in range(2):
        np.testing.assert_allclose(found[:, window], np.concatenate([whole[:, 0], whole[:, 0, :12]], axis=1), atol=1e-6)
    api._announce(material, [split], "longest")
    said = capsys.readouterr().out
    assert "9 training videos shorter than a clip, looped, 9 test videos shorter than a clip, looped\n" in said
    shown = results._of_split(split, {"train": 1, "test": 1})
    assert (shown["looped_train_videos"], shown["looped_test_videos"], shown["too_short"]) == (9, 9, 0)


@pytest.mark.parametrize(
    "config, message",
    [
        (EvaluationConfig(split="12"), "--splits and --split are for official lists"),
        (EvaluationConfig(split_format="ucf101"), "--splits= is not a folder"),
        (EvaluationConfig(split_format="ucf101", splits=".", split=("4",)), "'4' is not 1, 2 or 3"),
        (EvaluationConfig(split_format="hmdb51", splits="."), "has no file <class>_test_split1.txt"),
    ],
)
def test_splits_that_cannot_be_had(place, config, message):
    with pytest.raises(InputError, match=message):
        read(config, _open(place)[0])


def test_unknown_baselines_and_damaged_records_are_refused(place, tmp_path):
    material, tower = _open(place)
    with pytest.raises(InputError, match="'imagenet' is unknown; choose from scratch, supervised, pixels"):
        entrants.select(["imagenet"], [tower], FAST)
    shutil.copytree(place / "records", tmp_path / "records")
    shard = sorted((tmp_path / "records").glob("*.tfrecord*"))[0]
    shard.write_bytes(shard.read_bytes()[:-100])
    copy = Material.open(str(tmp_path / "records"), tower.about, FAST)
    split = of_folders(copy.manifest)
    with pytest.raises(InputError, match="cannot be read .*prepare --validate"):
        copy.apply(lambda video: np.zeros([len(video), 1]), split.train + split.test, 1)
    # A shard without damage that lacks what the manifest says.
    shard.write_bytes(b"")
    with pytest.raises(InputError, match=rf"cannot be read \(.*: damaged, or not in {shard.name}.*prepare --validate"):
        copy.apply(lambda video: np.zeros([len(video), 1]), split.train + split.test, 1)


@pytest.mark.parametrize("resident_gb", [4.0, 0.0])
def test_clips_go_to_their_videos(place, resident_gb, monkeypatch):
    """Each clip's colour tells its class, wherever the reader takes it from."""
    tower = Tower.load(place / "run")
    config = dataclasses.replace(FAST, resident_gb=resident_gb, batch_size=4)
    material = Material.open(str(place / "records"), tower.about, config)
    split = of_folders(material.manifest)
    monkeypatch.setattr(Manifest, "load", None)  # It has been read.
    chosen = (split.train + split.test)[::-2]  # Of both parts, in no order that the records have.
    found = material.apply(lambda video: video.numpy().mean(axis=(1, 2, 3)), chosen, 7)
    assert found.shape == (len(chosen), 7, 3)
    strongest = found.argmax(axis=2)
    expected = [[2 - video.label] * 7 for video in chosen]  # blue, green, red are channels 2, 1, 0.
    np.testing.assert_array_equal(strongest, expected)


@pytest.fixture
def lists(place, tmp_path):
    """Lists in the form of UCF101: each split exchanges the parts of the one before."""
    parts = [[video.id for video in Manifest.load(str(place / "records")).of_split(part)]
             for part in ("train", "holdout")]  # fmt: skip
    numbers = {name: place for place, name in enumerate(labelled.CLASSES, 1)}
    (tmp_path / "classInd.txt").write_text("".join(f"{place} {name}\n" for name, place in numbers.items()))
    for number in (1, 2, 3):
        train, test = parts if number % 2 else parts[::-1]
        lines = [f"{one.replace('.mp4', '.avi')} {numbers[one.split('/')[0]]}\n" for one in train]
        (tmp_path / f"trainlist0{number}.txt").write_text("".join(lines))
        (tmp_path / f"testlist0{number}.txt").write_text("".join(f"{one}\n" for one in test))
    return tmp_path


def test_three_official_splits(place, lists, tmp_path):
    material, tower = _open(place)
    config = EvaluationConfig(split_format="ucf101", splits=str(lists), split=("1", "2", "3"))
    splits = read(config, material)
    assert [one.train for one in splits] == [splits[0].train, splits[0].test, splits[0].train]
    # Lists of one name that name others are another evaluation.
    swapped = dataclasses.replace(splits[0], train=splits[0].test, test=splits[0].train)
    assert len({digest(one) for one in (*splits, swapped)}) == 4 and digest(read(config, material)[0]) == digest(
        splits[0]
    )
    candidates = entrants.select(["pixels"], [tower], FAST)
    found = measure.measure(candidates, splits, [None], [0], protocols.select(["kmeans"], FAST), material, FAST)
    head, *rows = table.rows(found)
    assert head == ["representation", "k-means, split 1", "k-means, mean of 3 splits"] and len(rows) == 2
    assert rows[1][0] == "pixels" and float(rows[1][1].split(" ")[0]) > 60
    content = results.write(tmp_path / "out", {}, splits, found, {"train": 2, "test": 3})
    assert [one["name"] for one in content["splits"]] == ["1", "2", "3"]
    assert np.sum(content["confusion"][0]["counts"]) == 3 * 3 * 9  # Restarts, splits, test videos.
    assert json.loads((tmp_path / "out" / results.FILE).read_text())["summary"] == content["summary"]


def test_videos_that_lists_miss_are_refused_or_counted(place, lists):
    with open(lists / "testlist01.txt", "a") as file:
        file.write("red/gone.avi\n")
    config = EvaluationConfig(split_format="ucf101", splits=str(lists))
    with pytest.raises(InputError, match="of 19 videos 1 are not in the records, .* such as red/gone"):
        read(config, _open(place)[0])
    (split,) = read(dataclasses.replace(config, max_missing=0.1), _open(place)[0])
    assert (split.missing, len(split.test)) == (1, 9)


def test_what_both_lists_name_is_counted_in_the_results(place, lists):
    first = (lists / "testlist01.txt").read_text().splitlines()[0]
    with open(lists / "trainlist01.txt", "a") as file:
        file.write(f"{first} {1 + labelled.CLASSES.index(first.split('/')[0])}\n")
    (split,) = read(EvaluationConfig(split_format="ucf101", splits=str(lists)), _open(place)[0])
    shown = results._of_split(split, {"train": 1, "test": 1})
    assert (shown["in_both_lists"], shown["train_videos"], shown["test_videos"], shown["duplicates"]) == (1, 9, 9, 0)
    assert first not in {video.id for video in split.train} and first in {video.id for video in split.test}


def test_classes_and_runs_may_be_called_anything(tmp_path):
    names = ["$x_{", "no utf-8 \udcff", "two\nlines", "é" * 40]
    figure = confusion.draw(np.eye(4), names, "$\\run{$, kmeans: 100.0% right")
    figure.savefig(tmp_path / "confusion.png")
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert shown == ["$x_{", "no utf-8 ?", "two?lines", f"{'é' * 29}…"]


def test_features_are_computed_once_and_shared(place):
    material, tower = _open(place)
    config = EvaluationConfig(baselines=("scratch",))
    (split,) = read(config, material)
    candidates = entrants.select(config.baselines, [tower], FAST)
    applied = []

    class Counting(Material):
        def apply(self, function, videos, windows):
            applied.append((len(videos), windows))
            return super().apply(function, videos, windows)

    counting = Counting(material.manifest, material.data, None)
    config = dataclasses.replace(FAST, kmeans_iterations=3)
    both = protocols.select(["kmeans", "linear"], config)
    found = measure.measure(candidates, [split], [6, None], [0, 1], both, counting, FAST)
    # Training and test part: once for the tower, once a seed for random weights; budgets take a part of them.
    assert applied == [(len(split.train), 2), (len(split.test), 3)] * 3
    assert [one.train_videos for one in found[::2]] == [6, len(split.train)] * 4


def test_the_checkpoint_is_not_random_and_seeds_differ(place):
    material, tower = _open(place)
    (split,) = read(EvaluationConfig(), material)
    checkpoint, scratch = entrants.select(["scratch"], [tower], FAST)
    cases = [
        measure.make_case(scratch, split, split, seed, material, measure.Embeddings(material, FAST)) for seed in (0, 1)
    ]
    for trained, own in zip(checkpoint.weights(cases[0]), tower.network.get_weights()):
        np.testing.assert_array_equal(trained, own)
    first, second, again = (scratch.weights(case)[0] for case in (*cases, cases[0]))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - second).max() > 0.01


def test_several_checkpoints_have_a_row_each(place, tmp_path):
    material, tower = _open(place)
    towers.make_run(tmp_path / "other", seed=1, step=7)
    other = Tower.load(tmp_path / "other")
    candidates = entrants.select(["scratch"], [tower, other], FAST)
    assert [each.name for each in candidates] == ["run", "other", "scratch"]
    (split,) = read(EvaluationConfig(), material)
    embeddings = measure.Embeddings(material, FAST)
    found = []
    for entrant, own in zip(candidates, (tower, other)):
        case = measure.make_case(entrant, split, split, 0, material, embeddings)
        found.append(case.features("test").clips)
        first = next(iter(material.reader(split.test).windows(3)))
        expected = own.network(first["now"]["rgb"], training=False)["embedding"]
        places = [[video.id for video in split.test].index(name) for name in _ids(material, first)]
        np.testing.assert_allclose(found[-1][places[0], 0], expected[0], rtol=1e-4, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.01
    names = [each.name for each in entrants.select([], [tower, tower], FAST)]
    assert len(set(names)) == 2
    longer = dataclasses.replace(other, about=dataclasses.replace(other.about, frames=16))
    with pytest.raises(InputError, match="frames 16, .* with 8; evaluate them in separate commands"):
        entrants.select([], [tower, longer], FAST)


def _ids(material, clips):
    """Ids of the videos of a batch."""
    ids = {identity(video.id)[0]: video.id for video in material.manifest.usable}
    return [ids[index] for index in clips["video"].numpy().tolist()]


@pytest.mark.slow
def test_fine_tuning_learns_what_can_be_learned(place):
    """Colours are learned within 60 steps, from labels alone, and averaged over the clips of a video."""
    config = dataclasses.replace(FAST, finetune_steps=60, finetune_learning_rate=3e-3, color_jitter=0.0)
    material, tower = _open(place)
    (split,) = read(EvaluationConfig(), material)
    _, scratch = entrants.select(["scratch"], [tower], config)
    found = measure.measure([scratch], [split], [None], [0], protocols.select(["finetune"], config), material, config)
    assert found[0].scores.accuracies[0] > 0.9
    assert found[0].details["steps"] == 60 and found[0].details["last_loss"] < 0.3


def test_a_learning_rate_that_diverges_is_refused(place):
    config = dataclasses.replace(FAST, finetune_learning_rate=1e30, finetune_optimizer="sgd", finetune_warmup_steps=0)
    material, tower = _open(place)
    (split,) = read(EvaluationConfig(), material)
    (checkpoint,) = entrants.select([], [tower], config)
    with pytest.raises(InputError, match="not finite at step 2; lower --finetune_learning_rate"):
        measure.measure([checkpoint], [split], [None], [0], protocols.select(["finetune"], config), material, config)


def _measurement(split, seed, predicted, labels):
    scores = score(np.array(predicted), np.array(labels), 2)
    return ledger.Measurement("checkpoint", "kmeans", split, None, seed, 4, len(labels), scores, {}, 0.0)


def test_the_mean_of_splits_averages_each_run_first():
    labels = [0, 1]
    found = table.cells(
        [
            _measurement("1", 0, [[0, 1]], labels),  # 1
            _measurement("2", 0, [[1, 1]], labels),  # 1/2
            _measurement("1", 1, [[1, 0]], labels),  # 0
            _measurement("2", 1, [[1, 1]], labels),  # 1/2
        ]
    )
    assert found["checkpoint", "kmeans", None, "1"] == table.Cell(0.5, 0.5, 2)
    assert found["checkpoint", "kmeans", None, None] == table.Cell(0.5, 0.25, 2)  # Runs: 3/4 and 1/4.
    assert str(found["checkpoint", "kmeans", None, None]) == "50.0 ± 25.0"


def test_results_that_are_no_results_are_left_alone(tmp_path):
    (tmp_path / results.FILE).write_text("[1, 2]")
    with pytest.raises(InputError, match="not a file of results; name another --output"):
        results.earlier(tmp_path, {})
    assert (tmp_path / results.FILE).read_text() == "[1, 2]"
    assert results.earlier(tmp_path / "new" / "folder", {}) is None and not (tmp_path / "new").exists()


def test_the_first_is_compared_with_each_other_by_the_number_of_videos():
    def measured(entrant, protocol, right, videos=100):
        predicted = np.array([[0] * right + [1] * (videos - right)])
        return ledger.Measurement(
            entrant, protocol, "holdout", None, 0, 4, videos, score(predicted, np.zeros(videos, int), 2), {}, 0.0
        )

    found = [measured("evolved", "kmeans", 50), measured("evolved", "linear", 50)]
    assert table.comparisons(found) == []
    found += [measured("random", "kmeans", 37), measured("random", "linear", 35), measured("pixels", "linear", 65)]
    # Two standard errors: 2 sqrt((.25 + .2331) / 100) = .139 for the first, .138 for the others.
    assert table.comparisons(found) == [
        "evolved against random, in points: k-means +13.0 (even), 1-layer +15.0 (better)",
        "evolved against pixels, in points: 1-layer -15.0 (worse)",
    ]
