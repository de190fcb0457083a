"""Conversion: what is missing and nothing else, killed anywhere, in any number of processes, bad videos among good."""

import functools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import ID, Manifest, check_records, split_of
from elo_tf.data.tfrecord import SequenceExample, read_shard
from elo_tf.decoding.listing import list_videos
from elo_tf.prepare import convert as module
from elo_tf.prepare import pool
from elo_tf.prepare.convert import convert
from elo_tf.prepare.ledger import Ledger
from elo_tf.prepare.pool import Pool
from elo_tf.runtime.workers.local import LocalEngine
from tests import videos

CONFIG = IngestConfig(size=16, labels="folders", shard_mb=0.02)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Twelve videos in two folders, one in none, an empty one, and a text beside them."""
    folder = tmp_path_factory.mktemp("originals")
    for number in range(12):
        videos.plain(folder / "ab"[number % 2] / f"{number}.mp4", frames=4 + number, sound=number % 3 == 0)
    videos.plain(folder / "top.mp4", frames=4)
    (folder / "a" / "empty.mp4").touch()
    (folder / "notes.txt").write_text("not a video\n" * 9)
    return folder


@pytest.fixture
def folders(originals, tmp_path):
    shutil.copytree(originals, tmp_path / "videos")
    return tmp_path / "videos", tmp_path / "records"


def stored(records):
    """Ids by split, from the shards themselves."""
    found = {"train": [], "holdout": []}
    for path in sorted(Path(records).glob("*.tfrecord")):
        for payload in read_shard(path):
            found[path.name.split("-")[0]] += SequenceExample.FromString(payload).context.feature[ID].bytes_list.value
    return found


def is_sound(records, good=13, bad=1):
    manifest = Manifest.load(str(records))
    ids = stored(records)
    assert list(check_records(manifest)) == [] and manifest.complete
    assert len(manifest.usable) == good and len(manifest.refused) == bad
    assert sorted(ids["train"] + ids["holdout"]) == sorted(os.fsencode(v["id"]) for v in manifest.usable)
    assert not list(Path(records).glob(".*partial*"))
    return manifest


@pytest.mark.parametrize("workers", [1, 3])
def test_folder_to_records(folders, workers):
    source, records = folders
    seen = []
    done = convert(source, records, CONFIG, LocalEngine(workers), lambda *counts: seen.append(counts))
    manifest = is_sound(records)
    assert done.converted == 13 and done.seconds == pytest.approx((sum(range(4, 16)) + 4) / 12.5)
    assert seen == [(number, 14) for number in range(1, 15)]
    lines = {video["id"]: video for video in manifest.videos}
    assert lines["a/empty.mp4"]["why"] == "empty file" and manifest.set_aside == {".txt": 1}
    assert lines["b/3.mp4"]["frames"] == 7 and lines["b/3.mp4"]["sound"] and lines["b/3.mp4"]["label"] == "b"
    assert lines["top.mp4"]["label"] == "" and manifest.labels == ["a", "b"]
    for split, ids in stored(records).items():
        assert {split_of(os.fsdecode(video), 0.25) for video in ids} <= {split}
    assert len(list(records.glob("*.tfrecord"))) > 3  # of bounded size


def test_second_run_does_only_what_is_missing(folders):
    source, records = folders
    convert(source, records, CONFIG, LocalEngine(2))
    before = {path.name: path.stat().st_mtime_ns for path in records.glob("*.tfrecord")}
    assert convert(source, records, CONFIG, LocalEngine(2)).converted == 0
    videos.plain(source / "a" / "new.mp4")
    (source / "a" / "empty.mp4").unlink()
    assert convert(source, records, CONFIG, LocalEngine(2)).converted == 1
    after = {path.name: path.stat().st_mtime_ns for path in records.glob("*.tfrecord")}
    assert before.items() < after.items() and len(after) == len(before) + 1
    is_sound(records, good=14, bad=0)


def test_repaired_video_is_tried_again(folders):
    source, records = folders
    convert(source, records, CONFIG, LocalEngine(1))
    videos.plain(source / "a" / "empty.mp4")
    assert convert(source, records, CONFIG, LocalEngine(1)).converted == 1
    is_sound(records, good=14, bad=0)


def test_deleted_shard_is_made_again(folders):
    source, records = folders
    convert(source, records, CONFIG, LocalEngine(1))
    lost = sorted(records.glob("*.tfrecord"))[0]
    count = len(list(read_shard(lost)))
    lost.unlink()
    assert convert(source, records, CONFIG, LocalEngine(1)).converted == count
    is_sound(records)


SCRIPT = """
from pathlib import Path
from elo_tf.config import IngestConfig
from elo_tf.prepare.convert import convert
from elo_tf.runtime.workers.local import LocalEngine

if __name__ == "__main__":
    config = IngestConfig(size=16, labels="folders", shard_mb={shard_mb})
    convert(Path({source!r}), Path({records!r}), config, LocalEngine(2))
"""


def start(source, records, shard_mb, **options):
    """The conversion as a program of its own, which can be killed."""
    script = source.parent / "run.py"
    script.write_text(SCRIPT.format(source=str(source), records=str(records), shard_mb=shard_mb))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen([sys.executable, str(script)], env=environment, **options)


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_killed_and_taken_up_again(folders):
    source, records = folders
    for shards in (1, 3):
        process = start(source, records, shard_mb=0.01)
        wait_for(lambda count=shards: len(list(records.glob("*-*.json"))) >= count)
        process.send_signal(signal.SIGKILL)
        process.wait()
    (records / "train-00999.tfrecord").write_bytes(b"half a shard, without its lines")
    with open(records / "refused.jsonl", "a") as journal:
        journal.write('{"id": "torn')
    kept = len(Ledger(records, CONFIG).converted)
    assert kept > 0
    assert convert(source, records, CONFIG, LocalEngine(2)).converted == 13 - kept
    is_sound(records)


def test_interrupt_keeps_what_is_done(folders):
    source, records = folders
    # A shell that runs the tests in the background has told them, and their children, to ignore interrupts.
    process = start(
        source,
        records,
        shard_mb=32,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: list(records.glob(".partial/*")))
    process.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in process.communicate(timeout=30)[1]
    manifest = Manifest.load(str(records))
    assert manifest.usable and not manifest.complete and list(check_records(manifest)) == []
    convert(source, records, CONFIG, LocalEngine(2))
    is_sound(records)


class FatalConverter(module.Converter):
    """Dies on some videos, as a worker does that the system kills."""

    fatal = ("a/4.mp4",)

    def add(self, video):
        if video in self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().add(video)


def test_video_that_kills_workers_is_refused_and_the_rest_is_kept(folders, monkeypatch):
    source, records = folders
    monkeypatch.setattr(module, "Converter", FatalConverter)
    convert(source, records, CONFIG, LocalEngine(2))
    manifest = is_sound(records, good=12, bad=2)
    [line] = [line for line in manifest.refused if line["id"] == "a/4.mp4"]
    assert line["why"] == "the converter died on it twice (exit status -9)"
    monkeypatch.undo()
    # It is tried again, since the file need not be the cause.
    assert convert(source, records, CONFIG, LocalEngine(2)).converted == 1


class TwiceFatalConverter(FatalConverter):
    """Dies on the first video and on the last but one."""

    fatal = ("a/0.mp4", "b/9.mp4")


class AlwaysFatalConverter(FatalConverter):
    """Dies on every video of a folder."""

    fatal = tuple(f"a/{number}.mp4" for number in range(0, 12, 2))


def test_workers_that_keep_dying_are_one_line(folders, monkeypatch):
    source, records = folders
    monkeypatch.setattr(pool, "_MAX_DEATHS", 3)
    monkeypatch.setattr(module, "Converter", AlwaysFatalConverter)
    with pytest.raises(InputError, match="4 workers died with no shard finished between them.* fewer --workers"):
        convert(source, records, CONFIG, LocalEngine(1))


def test_deaths_between_which_a_shard_was_finished_do_not_add_up(folders, monkeypatch):
    source, records = folders
    monkeypatch.setattr(pool, "_MAX_DEATHS", 3)
    monkeypatch.setattr(module, "Converter", TwiceFatalConverter)
    convert(source, records, CONFIG, LocalEngine(1))
    is_sound(records, good=11, bad=3)


def test_too_many_bad_videos_stop_it_loudly(folders):
    source, records = folders
    strict = IngestConfig(size=16, labels="folders", max_bad_fraction=0.05)
    with pytest.raises(
        InputError, match=r"1 of 14 videos are unusable.*max_bad_fraction=0.05.*empty file \(1\).*raise"
    ):
        convert(source, records, strict, LocalEngine(1))
    manifest = Manifest.load(str(records))
    assert len(manifest.refused) == 1 and not manifest.complete
    assert list(check_records(manifest)) == []
    with pytest.raises(InputError, match="max_bad_fraction"):
        convert(source, records, strict, LocalEngine(1))
    convert(source, records, CONFIG, LocalEngine(1))
    is_sound(records)


def test_a_disk_that_fills_up_keeps_finished_shards(folders):
    source, records = folders
    # No file may grow beyond 24 kB: writing fails, as it does on a full disk, after the first shards.
    small_files = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (24000, 24000))
    process = start(source, records, shard_mb=0.01, stderr=subprocess.PIPE, preexec_fn=small_files)
    errors = process.communicate(timeout=60)[1].decode()
    assert process.returncode and f"{records} stopped: File too large" in errors
    assert list(check_records(Manifest.load(str(records)))) == []
    convert(source, records, CONFIG, LocalEngine(2))
    is_sound(records)


def test_too_little_disk_is_noticed_before_the_start(folders, monkeypatch):
    source, records = folders
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6, 1000))
    with pytest.raises(InputError, match="0 MiB free, the records need about"):
        convert(source, records, CONFIG, LocalEngine(1))
    assert not list(records.glob("*.tfrecord"))


def test_two_at_once_are_refused(folders):
    source, records = folders
    with Ledger(records, CONFIG), pytest.raises(InputError, match="another program"):
        convert(source, records, CONFIG, LocalEngine(1))
    convert(source, records, CONFIG, LocalEngine(1))


def test_other_settings_are_named(folders):
    source, records = folders
    convert(source, records, CONFIG, LocalEngine(1))
    with pytest.raises(InputError, match="made with --size=16, now 32: give the same settings"):
        convert(source, records, IngestConfig(size=32, labels="folders"), LocalEngine(1))
    (records / "manifest.json").unlink()
    with pytest.raises(InputError, match="made with --size=16, now 32"):
        convert(source, records, IngestConfig(size=32, labels="folders"), LocalEngine(1))
    other_limits = IngestConfig(size=16, labels="folders", shard_mb=1, decode_seconds=9, max_bad_fraction=0.9)
    assert convert(source, records, other_limits, LocalEngine(1)).converted == 0


def test_folders_that_cannot_be_used(folders):
    source, records = folders
    with pytest.raises(InputError, match="is not a folder"):
        convert(source / "nowhere", records, CONFIG, LocalEngine(1))
    (source.parent / "empty").mkdir()
    with pytest.raises(InputError, match="holds no files"):
        convert(source.parent / "empty", records, CONFIG, LocalEngine(1))
    with pytest.raises(InputError, match="lies within"):
        convert(source, source / "records", CONFIG, LocalEngine(1))
    assert not records.exists() and not (source / "records").exists()


def test_listing(tmp_path):
    for name in ("b/2.mp4", "a/1.mp4", "a/.hidden.mp4", ".git/3.mp4", "0.unknown", "lost+found/4.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "c").symlink_to(tmp_path / "b")
    assert list_videos(tmp_path) == ["0.unknown", "a/1.mp4", "b/2.mp4"]


def test_manifest_has_one_line_a_video(folders):
    source, records = folders
    convert(source, records, CONFIG, LocalEngine(2))
    lines = (records / "manifest.json").read_text().splitlines()
    assert [json.loads(line.rstrip(","))["id"] for line in lines if line.startswith('{"id"')] == list_videos(source)


def test_pool_without_work_starts_no_process():
    with Pool(LocalEngine(4), module.Converter, (), []) as pool:
        assert list(pool.events()) == []
