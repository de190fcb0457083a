"""Conversion: what is missing and nothing else, killed anywhere, in any number of processes, bad videos among good."""

import dataclasses
import functools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import ID, Manifest, check_records, split_of
from elo_tf.data.tfrecord import SequenceExample, read_shard
from elo_tf.decoding.decode import decode
from elo_tf.decoding.frame_folder import read_frames
from elo_tf.decoding.listing import list_videos
from elo_tf.prepare import convert as module
from elo_tf.prepare import ledger as ledger_module
from elo_tf.prepare import pool
from elo_tf.prepare.convert import convert
from elo_tf.prepare.layout import find_layout
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
    assert sorted(ids["train"] + ids["holdout"]) == sorted(os.fsencode(video.id) for video in manifest.usable)
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
    found = {video.id: video for video in manifest.videos}
    assert found["a/empty.mp4"].why == "empty file" and manifest.set_aside == {".txt": 1}
    assert found["b/3.mp4"].frames == 7 and found["b/3.mp4"].sound and found["b/3.mp4"].label == "b"
    assert found["top.mp4"].label == "" and manifest.labels == ["a", "b"]
    for split, ids in stored(records).items():
        assert {split_of(os.fsdecode(video), 0.25) for video in ids} <= {split}
    assert len(list(records.glob("*.tfrecord"))) > 3  # of bounded size


def test_second_run_does_only_what_is_missing(folders):
    source, records = folders
    convert(source, records, CONFIG, LocalEngine(1))
    before = {path.name: path.stat().st_mtime_ns for path in records.glob("*.tfrecord")}
    assert convert(source, records, CONFIG, LocalEngine(1)).converted == 0
    videos.plain(source / "a" / "new.mp4")
    (source / "a" / "empty.mp4").unlink()
    assert convert(source, records, CONFIG, LocalEngine(1)).converted == 1
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
    assert convert(source, records, CONFIG, LocalEngine(1)).converted == 13 - kept
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
    convert(source, records, CONFIG, LocalEngine(1))
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
    [video] = [video for video in manifest.refused if video.id == "a/4.mp4"]
    assert video.why == "the converter died on it twice (exit status -9)"
    monkeypatch.undo()
    # It is tried again, since the file need not be the cause.
    assert convert(source, records, CONFIG, LocalEngine(1)).converted == 1


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
    with pytest.raises(InputError, match="4 workers died one after the other .* fewer --workers"):
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
    convert(source, records, CONFIG, LocalEngine(1))
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
    with pytest.raises(InputError, match=r"other settings \(--size: was 16, now 32\); give the same settings"):
        convert(source, records, IngestConfig(size=32, labels="folders"), LocalEngine(1))
    (records / "manifest.json").unlink()
    with pytest.raises(InputError, match="made with other settings .--size: was 16, now 32"):
        convert(source, records, IngestConfig(size=32, labels="folders"), LocalEngine(1))
    other_limits = IngestConfig(size=16, labels="folders", shard_mb=1, decode_seconds=9, max_bad_fraction=0.9)
    assert convert(source, records, other_limits, LocalEngine(1)).converted == 0


def test_folders_that_cannot_be_used(folders):
    source, records = folders
    with pytest.raises(InputError, match="is not a folder"):
        convert(source / "nowhere", records, CONFIG, LocalEngine(1))
    (source.parent / "empty").mkdir()
    with pytest.raises(InputError, match="has no files"):
        convert(source.parent / "empty", records, CONFIG, LocalEngine(1))
    with pytest.raises(InputError, match="is inside"):
        convert(source, source / "records", CONFIG, LocalEngine(1))
    (source.parent / "link").symlink_to(source)
    with pytest.raises(InputError, match="is inside"):
        convert(source, source.parent / "link" / "records", CONFIG, LocalEngine(1))
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
    convert(source, records, CONFIG, LocalEngine(1))
    lines = (records / "manifest.json").read_text().splitlines()
    assert [json.loads(line.rstrip(","))["id"] for line in lines if line.startswith('{"id"')] == list_videos(source)


def test_pool_without_work_starts_no_process():
    with Pool(LocalEngine(4), module.Converter, (), []) as pool:
        assert list(pool.events()) == []


def few(folder, *names, **options):
    """Some small videos, quickly made."""
    for number, name in enumerate(names):
        videos.plain(folder / name, frames=4 + number, **options)
    return folder


def state(records):
    """Frames of each converted video, after a look at the shards."""
    manifest = Manifest.load(str(records))
    assert list(check_records(manifest)) == [] and manifest.complete
    ids = stored(records)
    assert sorted(ids["train"] + ids["holdout"]) == sorted(os.fsencode(video.id) for video in manifest.usable)
    return {video.id: video.frames for video in manifest.usable}


ONE_SHARD = IngestConfig(size=16, holdout_fraction=0)


def test_a_replaced_video_is_converted_again_and_its_old_record_is_gone(tmp_path):
    source, records = few(tmp_path / "videos", "a.mp4", "b.mp4", "c.mp4"), tmp_path / "records"
    convert(source, records, ONE_SHARD, LocalEngine(1))
    before = Manifest.load(str(records)).fingerprint
    videos.plain(source / "b.mp4", frames=9)
    done = convert(source, records, ONE_SHARD, LocalEngine(1))
    assert (done.converted, done.changed, done.vanished) == (1, 1, ())
    assert state(records) == {"a.mp4": 4, "b.mp4": 9, "c.mp4": 6}
    assert Manifest.load(str(records)).fingerprint != before
    (source / "a.mp4").write_bytes(b"damaged")
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).changed == 1
    assert state(records) == {"b.mp4": 9, "c.mp4": 6} and len(Manifest.load(str(records)).refused) == 1


def test_a_copy_of_other_times_is_not_converted_again(tmp_path):
    source, records = few(tmp_path / "videos", "a.mp4", "b.mp4"), tmp_path / "records"
    convert(source, records, ONE_SHARD, LocalEngine(1))
    for number, name in enumerate(("a.mp4", "b.mp4")):
        os.utime(source / name, (number, number))
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).converted == 0
    assert Manifest.load(str(records)).usable[1].file[1] == 10**9
    # The same size, other content: a byte of the last frame.
    content = bytearray((source / "a.mp4").read_bytes())
    content[content.index(b"mdat") + 900] ^= 1
    (source / "a.mp4").write_bytes(content)
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).changed == 1


def test_records_of_an_earlier_version_stay_and_are_watched_from_then_on(tmp_path):
    source, records = few(tmp_path / "videos", "a.mp4", "b.mp4"), tmp_path / "records"
    convert(source, records, ONE_SHARD, LocalEngine(1))
    for path in (*records.glob("train-*.json"), records / "manifest.json"):
        text = re.sub(r', "mark": \d+|, "file": \[[^]]*\]', "", path.read_text())
        path.write_text(text.replace(',\n"set_aside": {}', ""))
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).converted == 0
    videos.plain(source / "b.mp4", frames=9)
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).changed == 1
    assert state(records) == {"a.mp4": 4, "b.mp4": 9}


def test_a_vanished_video_is_reported_and_dropped_if_asked(tmp_path):
    source, records = few(tmp_path / "videos", "a.mp4", "b.mp4", "c.mp4"), tmp_path / "records"
    convert(source, records, ONE_SHARD, LocalEngine(1))
    (source / "a.mp4").unlink()
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).vanished == ("a.mp4",)
    assert sorted(state(records)) == ["a.mp4", "b.mp4", "c.mp4"]
    drop = dataclasses.replace(ONE_SHARD, drop_vanished=True)
    assert convert(source, records, drop, LocalEngine(1)).vanished == ("a.mp4",)
    assert sorted(state(records)) == ["b.mp4", "c.mp4"]
    few(tmp_path / "others", "x.mp4")
    with pytest.raises(InputError, match="would remove all 2 records in .*: none of their videos is in --videos"):
        convert(tmp_path / "others", records, drop, LocalEngine(1))
    assert sorted(state(records)) == ["b.mp4", "c.mp4"]


@pytest.mark.parametrize("moment", ["replace", "write_text"])
def test_a_run_that_is_killed_while_it_takes_a_record_out_is_gone_on_with(tmp_path, monkeypatch, moment):
    source, records = few(tmp_path / "videos", "a.mp4", "b.mp4", "c.mp4"), tmp_path / "records"
    convert(source, records, ONE_SHARD, LocalEngine(1))
    videos.plain(source / "b.mp4", frames=9)

    class KilledError(Exception):
        pass

    calls = []

    def kill(*given, call=ledger_module.os.replace if moment == "replace" else ledger_module.storage.write_text):
        calls.append(given)
        last = moment == "replace" and str(given[1]).endswith(".tfrecord")
        if last or (moment == "write_text" and len(calls) == 2):
            raise KilledError
        return call(*given)

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(ledger_module.os if moment == "replace" else ledger_module.storage, moment, kill)
        convert(source, records, ONE_SHARD, LocalEngine(1))
    convert(source, records, ONE_SHARD, LocalEngine(1))
    assert state(records) == {"a.mp4": 4, "b.mp4": 9, "c.mp4": 6}


def test_the_name_does_not_decide_what_is_a_video(tmp_path):
    source, records = few(tmp_path / "videos", "a.mp4"), tmp_path / "records"
    (source / "b").write_bytes((source / "a.mp4").read_bytes())
    (source / "c.clip").write_bytes((source / "a.mp4").read_bytes())
    for name in ("readme", "x.annotation", "y.annotation", "z.annotation"):
        (source / name).write_text("a text\n" * 99)
    (source / "a.info.json").write_text("{}")
    convert(source, records, dataclasses.replace(ONE_SHARD, max_bad_fraction=0), LocalEngine(1))
    assert sorted(state(records)) == ["a.mp4", "b", "c.clip"]
    manifest = Manifest.load(str(records))
    assert manifest.refused == [] and len(manifest.aside) == 4 and manifest.set_aside == {".json": 1}
    assert manifest.counts["refused"] == 0


def test_a_folder_of_texts_is_no_empty_success(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "notes").write_text("a text\n" * 99)
    with pytest.raises(InputError, match="has no videos, but other files: "):
        convert(tmp_path / "videos", tmp_path / "records", ONE_SHARD, LocalEngine(1))


def test_folders_of_frames_are_videos_at_the_given_rate(tmp_path):
    source, records = few(tmp_path / "videos", "b/v2.mp4"), tmp_path / "records"
    (source / "a" / "v1").mkdir(parents=True)
    for number in range(1, 51):
        cv2.imwrite(str(source / "a" / "v1" / f"img_{number}.png"), np.full((20, 30, 3), 4 * number, np.uint8))
    config = dataclasses.replace(ONE_SHARD, labels="folders", frames_fps=25, jpeg_quality=100)
    convert(source, records, config, LocalEngine(1))
    assert state(records) == {"a/v1": 25, "b/v2.mp4": 4}
    assert Manifest.load(str(records)).usable[0].label == "a"
    assert convert(source, records, config, LocalEngine(1)).converted == 0
    clip = read_frames(source / "a" / "v1", config)
    np.testing.assert_array_equal(clip.frames[:, 0, 0, 0], np.arange(4, 204, 8))
    assert clip.warning == ""
    other = dataclasses.replace(config, frames_fps=12.5)
    assert convert(source, records, other, LocalEngine(1)).changed == 1
    assert state(records) == {"a/v1": 50, "b/v2.mp4": 4}
    (source / "a" / "v1" / "img_3.png").unlink()
    assert read_frames(source / "a" / "v1", config).warning.startswith("1 numbers are missing among its images")


class FailingConverter(module.Converter):
    """One video makes OpenCV fail, another takes more memory than there is."""

    def _convert(self, video, start, is_part):
        if video == "a.mp4":
            cv2.cvtColor(np.zeros((0, 0), np.uint8), cv2.COLOR_RGB2GRAY)
        if video == "b.mp4":
            raise MemoryError
        return super()._convert(video, start, is_part)


def test_what_a_library_raises_costs_one_video(tmp_path, monkeypatch):
    source, records = few(tmp_path / "videos", "a.mp4", "b.mp4", "c.mp4"), tmp_path / "records"
    monkeypatch.setattr(module, "Converter", FailingConverter)
    loose = dataclasses.replace(ONE_SHARD, max_bad_fraction=0.9)
    convert(source, records, loose, LocalEngine(1))
    assert list(state(records)) == ["c.mp4"]
    first, second = (video.why for video in Manifest.load(str(records)).refused)
    assert first.startswith("the converter failed on it with error in ") and "cvtColor" in first and "\n" not in first
    assert re.fullmatch(r"the converter failed on it with MemoryError in \w+\.py:\d+", second)
    with pytest.raises(InputError, match="2 of 3 videos are unusable"):
        convert(source, records, ONE_SHARD, LocalEngine(1))
    monkeypatch.undo()
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).converted == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": 1}', '{"schema": 1, "videos": [3]}', "\xff"])
def test_a_damaged_manifest_is_made_anew(tmp_path, content):
    is_made_anew(tmp_path, lambda whole: content.encode("latin1"), "prepare again to rebuild it")


def test_a_manifest_that_leaves_its_folder_is_made_anew(tmp_path):
    def leave(whole):
        return whole.replace(b"train-00000.tfrecord", b"../train-00000.tfrecord")

    is_made_anew(tmp_path, leave, "not in its folder; run python -m elo_tf.prepare again to rebuild it")


def is_made_anew(folder, damage, message):
    source, records = few(folder / "videos", "a.mp4"), folder / "records"
    convert(source, records, ONE_SHARD, LocalEngine(1))
    whole = (records / "manifest.json").read_bytes()
    (records / "manifest.json").write_bytes(damage(whole))
    with pytest.raises(InputError, match=message):
        Manifest.load(str(records))
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).converted == 0
    assert (records / "manifest.json").read_bytes() == whole


def test_copies_of_shards_under_other_names_stay_and_do_not_count(tmp_path):
    source, records = few(tmp_path / "videos", "a.mp4"), tmp_path / "records"
    convert(source, records, ONE_SHARD, LocalEngine(1))
    copies = [records / "train-00000 (1).tfrecord", records / "train-00000 (2).json", records / "train-x.tfrecord"]
    for copy in copies:
        copy.write_bytes((records / f"train-00000{copy.suffix}").read_bytes())
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).converted == 0
    assert [entry.shard for entry in Manifest.load(str(records)).usable] == ["train-00000.tfrecord"]
    assert all(copy.exists() for copy in copies)


def test_damaged_lines_of_a_shard_cost_that_shard(tmp_path):
    source, records = few(tmp_path / "videos", "a.mp4", "b.mp4"), tmp_path / "records"
    (source / "bad.mp4").touch()
    convert(source, records, ONE_SHARD, LocalEngine(1))
    (records / "train-00000.json").write_text('{"settings": {}, "videos": [')
    (records / "refused.jsonl").write_bytes(b'\xff\n3\n{"id": 3}\n')
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).converted == 2
    assert sorted(state(records)) == ["a.mp4", "b.mp4"]


def test_names_of_any_bytes_are_converted(tmp_path):
    source, records = few(tmp_path / "videos", "plain.mp4"), tmp_path / "records"
    names = [b"caf\xe9.mp4", b"a\nb.mp4", b"n" * 250 + b".mp4", "\u00e9.mp4".encode(), "e\u0301.mp4".encode()]
    for name in names:
        shutil.copy(source / "plain.mp4", os.path.join(os.fsencode(source), name))
    convert(source, records, ONE_SHARD, LocalEngine(1))
    assert sorted(map(os.fsencode, state(records))) == sorted([*names, b"plain.mp4"])
    assert convert(source, records, ONE_SHARD, LocalEngine(1)).converted == 0


def test_a_long_video_is_cut_into_parts(tmp_path):
    source, records = tmp_path / "videos", tmp_path / "records"
    greys = np.arange(75)[:, None, None, None] * 3  # 6 s at 12.5 frames a second; brightness is time.
    click = np.zeros(6 * videos.RATE, np.int16)
    click[5 * videos.RATE : 5 * videos.RATE + 160] = 20000
    videos.write(source / "a" / "long.mp4", np.broadcast_to(greys, (75, 32, 32, 3)).astype(np.uint8), sound=click)
    videos.plain(source / "a" / "short.mp4", frames=20)
    config = dataclasses.replace(CONFIG, segment_seconds=2.4, holdout_fraction=0, jpeg_quality=100)
    done = convert(source, records, config, LocalEngine(1))
    assert done.converted == 2
    # The rest of 1.2 s is a part, too.
    assert state(records) == {"a/long.mp4#0": 30, "a/long.mp4#2.4": 30, "a/long.mp4#4.8": 15, "a/short.mp4": 20}
    entries = {entry.id: entry for entry in Manifest.load(str(records)).usable}
    assert {entry.label for entry in entries.values()} == {"a"}
    assert entries["a/long.mp4#2.4"].source == "a/long.mp4" and entries["a/long.mp4#2.4"].start == 2.4
    clip = decode(source / "a" / "long.mp4", dataclasses.replace(config, max_seconds=2.4), start=4.8)
    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)), greys[60:, 0, 0, 0], atol=2)
    assert abs(np.argmax(np.abs(clip.sound.astype(int))) - 0.2 * 16000) < 300
    assert convert(source, records, config, LocalEngine(1)).converted == 0
    videos.plain(source / "a" / "long.mp4", frames=50)
    assert convert(source, records, config, LocalEngine(1)).changed == 1
    assert state(records) == {"a/long.mp4#0": 30, "a/long.mp4#2.4": 20, "a/short.mp4": 20}
    (source / "a" / "long.mp4").unlink()
    assert convert(source, records, config, LocalEngine(1)).vanished == ("a/long.mp4",)
    with pytest.raises(InputError, match="--segment_seconds: was 2.4, now 0.0"):
        convert(source, records, dataclasses.replace(config, segment_seconds=0.0), LocalEngine(1))


@pytest.mark.parametrize("name", ["a.ts", "a.h264", "a.mkv"])
def test_parts_are_exact_without_an_index_and_without_a_length(tmp_path, name):
    greys = np.arange(75)[:, None, None, None] * 3
    path = videos.write(tmp_path / name, np.broadcast_to(greys, (75, 32, 32, 3)).astype(np.uint8))
    config = dataclasses.replace(CONFIG, segment_seconds=2.4, holdout_fraction=0, max_seconds=2.4)
    for start in (2.4, 4.8):
        first = round(start * 12.5)
        clip = decode(path, config, start)
        np.testing.assert_allclose(clip.frames.mean((1, 2, 3)), greys[first : first + 30, 0, 0, 0], atol=4)
    converter = module.Converter(tmp_path, tmp_path, config, find_layout([name], config, None))
    assert converter.add(name).warning == ""
    [(_, _, entries)] = converter.finished(last=True)
    found = [(entry.id, entry.frames) for entry in entries]
    assert found == [(f"{name}#0", 30), (f"{name}#2.4", 30), (f"{name}#4.8", 15)]


def test_parts_of_a_video_are_in_one_split(tmp_path):
    source, records = tmp_path / "videos", tmp_path / "records"
    for number in range(6):
        videos.plain(source / f"{number}.mp4", frames=50)
    config = dataclasses.replace(CONFIG, segment_seconds=2, holdout_fraction=0.5)
    convert(source, records, config, LocalEngine(1))
    splits = {}
    for entry in Manifest.load(str(records)).usable:
        splits.setdefault(entry.source, set()).add(entry.split)
    assert [len(each) for each in splits.values()] == [1] * 6 and len(set.union(*splits.values())) == 2


def test_parts_within_a_gap_are_lost_by_name(tmp_path):
    source, records = tmp_path / "videos", tmp_path / "records"
    videos.with_gap(source / "gap.mkv", seconds=86400)
    config = dataclasses.replace(CONFIG, segment_seconds=2, holdout_fraction=0)
    convert(source, records, config, LocalEngine(1))
    [entry] = Manifest.load(str(records)).usable
    assert (entry.id, entry.frames) == ("gap.mkv#0", 13) and entry.warning.startswith("cut at 0.96 s, after which")
    assert "the part from 2 s is lost: no frame comes for 8.64e+04 s" in entry.warning
