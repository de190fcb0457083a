"""The command line: one line and status 2 for bad input, the table at the end, validation, worlds, real folders."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from elo_tf.data.records import Manifest, check_records
from elo_tf.decoding.listing import list_videos
from tests import videos

ROOT = Path(__file__).parents[1]
CLIPS = Path(os.environ.get("ELO_TF_CLIPS", "clips"))


def prepare(*arguments, status=0):
    """(standard output, standard error) of the command."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "elo_tf.prepare", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def refused(*arguments):
    """The one line with which the command refuses."""
    _, errors = prepare(*arguments, status=2)
    assert errors.startswith("error: ") and errors.count("\n") == 1, errors
    return errors


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepare")
    for number in range(6):
        videos.plain(folder / "videos" / f"{number}.mp4", frames=10, sound=number < 2)
    (folder / "videos" / "bad.mp4").touch()
    out, errors = prepare(
        f"--videos={folder / 'videos'}",
        f"--records={folder / 'records'}",
        "--size=16",
        "--holdout_fraction=0.5",
        "--workers=local:2",
    )
    return folder, out, errors


def test_table(converted):
    folder, out, errors = converted
    counts = Manifest.load(str(folder / "records")).counts
    assert errors == ""
    assert f"{counts['train']} for training, {counts['holdout']} held out, 2 with sound" in out
    assert "refused   1: empty file (1)" in out and re.search(r"length +5 s of video, 0\.\d MiB", out)
    assert re.search(r"speed +6 videos in \d+\.\d s, \d+ x real time", out) and str(folder / "records") in out


def test_validate_names_the_damaged_shard(converted):
    folder, _, _ = converted
    records = folder / "records"
    counts = Manifest.load(str(records)).counts
    expected = f"{counts['train']} + {counts['holdout']} videos, 0 damaged shards, complete"
    assert expected in prepare("--validate", f"--records={records}")[0]
    shard = sorted(records.glob("*.tfrecord"))[0]
    content = shard.read_bytes()
    shard.write_bytes(content[:100] + b"\0" + content[101:])
    try:
        error = refused("--validate", f"--records={records}")
        assert shard.name in error and "checksum of record 0" in error
    finally:
        shard.write_bytes(content)


def test_what_folders_say_is_said_and_what_has_become_of_videos(tmp_path):
    for name in ("train/jump/1.mp4", "train/run/2.mp4", "Test/jump/3.mp4", "Test/run/4.mp4", "train/5.mp4"):
        videos.plain(tmp_path / "videos" / name, frames=4)
    (tmp_path / "videos" / "train" / "jump" / "1.info.json").write_text("{}")
    (tmp_path / "videos" / "train" / "jump" / "6.mp4.part").write_text("x")
    arguments = f"--videos={tmp_path / 'videos'}", f"--records={tmp_path / 'r'}", "--size=16", "--workers=local:1"
    out, _ = prepare(*arguments, "--labels=folders")
    assert "split     by folders: train (3) for training, Test (2) held out\n" in out
    assert "labels    2 classes; 1 videos lie in no class folder and have no label, such as train/5.mp4\n" in out
    assert (
        "aside     1 files that are no videos: .json (1); 1 unfinished downloads, such as train/jump/6.mp4.part" in out
    )
    assert "videos    3 for training, 2 held out" in out
    assert Manifest.load(str(tmp_path / "r")).classes("holdout") == {"Test/jump/3.mp4": 0, "Test/run/4.mp4": 1}
    (tmp_path / "videos" / "Test" / "jump" / "3.mp4").unlink()
    videos.plain(tmp_path / "videos" / "train" / "5.mp4", frames=9)
    out, _ = prepare(*arguments, "--labels=folders")
    assert "changed   1 videos, whose old records are gone\n" in out
    assert "vanished  1 videos, such as Test/jump/3.mp4: their records stay (see --drop_vanished)\n" in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "--records is missing"),
        (["--records={0}/r"], "--videos is missing"),
        (["--records={0}/r", "--videos={0}/nowhere"], "nowhere is not a folder"),
        (["--records={0}/r", "--videos={0}/videos", "--workers=many"], "--workers='many'"),
        (["--records={0}/r", "--videos={0}/videos", "--size=9"], "--size=9 is less than 16"),
        (["--records={0}/r", "--videos={0}/videos", "--size=1000", "--max_seconds=9000"], "lower one of them"),
        (["--records={0}/records", "--videos={0}/videos", "--size=32"], "--size: was 16, now 32"),
        (["--records={0}/videos/0.mp4", "--videos={0}/videos"], "0.mp4"),
        (["--records={0}/r", "--validate"], "has no records"),
        (["--records={0}/r", "--videos={0}/videos", "--max_bad_fraction=0"], "1 of 7 videos are unusable"),
    ],
)
def test_bad_input_is_one_line(converted, arguments, message):
    folder, _, _ = converted
    assert message in refused(*(argument.format(folder) for argument in arguments))


def test_unwritable_output_is_one_line(converted):
    folder, _, _ = converted
    assert "/proc" in refused("--records=/proc/records", f"--videos={folder / 'videos'}")


@pytest.mark.slow
def test_world(tmp_path):
    records = f"--records={tmp_path / 'records'}"
    prepare("--world=4", "--labelled_per_class=2", "--world_seconds=0.96", "--size=32", records)
    unlabelled, labelled = (Manifest.load(str(tmp_path / "records" / part)) for part in ("unlabelled", "labelled"))
    assert len(unlabelled.usable) == 4 and not unlabelled.refused
    assert labelled.settings["holdout_fraction"] == 0.5 and len(labelled.usable) == 2 * len(labelled.labels)
    assert list(check_records(labelled)) == [] and sorted(os.listdir(tmp_path)) == ["records", "videos"]
    assert prepare("--validate", records)[0].count("0 damaged shards, complete") == 2


@pytest.mark.slow
@pytest.mark.skipif(not (CLIPS / "odd").is_dir(), reason="ELO_TF_CLIPS names no folder of test clips")
@pytest.mark.parametrize("folder, refusals", [("odd", 7), ("real", 0)])
def test_real_folders(tmp_path, folder, refusals):
    prepare(f"--videos={CLIPS / folder}", f"--records={tmp_path}")
    manifest = Manifest.load(str(tmp_path))
    assert [video.id for video in manifest.videos] == list_videos(CLIPS / folder)
    assert len(manifest.refused) == refusals
    words = ("no video stream", "cannot be decoded: moov atom not found", "empty file")
    assert all(video.why.startswith(words) for video in manifest.refused)
    assert list(check_records(manifest)) == []
