"""Records: written without TensorFlow, read by TensorFlow; checksums against every kind of damage; the manifest."""

import dataclasses
import json
import os
import re
import struct
import subprocess
import sys

import cv2
import google_crc32c
import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.data import records, tfrecord
from elo_tf.data.records import Manifest, check_records, identity, parse, serialize, split_of
from elo_tf.data.tfrecord import DamagedShardError, SequenceExample, ShardWriter, frame_record, read_shard
from elo_tf.data.video_entry import UnusableVideo, VideoEntry

SETTINGS = {"size": 16, "fps": 12.5, "holdout_fraction": 0.25}


def example(video="a/b.mp4", label="a", frames=5, size=16, sound=True, seed=0):
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.integers(0, 255, (2, 2, 3 * frames), dtype=np.uint8), (size, size))
    pictures = np.moveaxis(smooth.reshape(size, size, frames, 3), 2, 0)
    flow = rng.integers(1, 255, (frames, size, size, 2), dtype=np.uint8)
    wave = rng.integers(-32768, 32767, frames * 32, dtype=np.int16) if sound else None
    return serialize(video, label, pictures, flow, wave, 95), pictures, flow, wave


def write_records(folder, count=4):
    """A folder of one shard and its manifest."""
    writer = ShardWriter(folder / "train-00000.tfrecord")
    entries = []
    for number in range(count):
        video, label = f"v{number}.mp4", "ab"[number % 2]
        writer.write(example(video, label, frames=3, sound=number % 2 == 0, seed=number)[0])
        entries.append(VideoEntry(video, "train", label, 3, number % 2 == 0, "train-00000.tfrecord"))
    writer.close()
    manifest = Manifest(SETTINGS, 16000, 1280, entries, [UnusableVideo("w.mp4", "empty file")], True, str(folder))
    manifest.save()
    return manifest


@pytest.mark.parametrize("sound", [True, False])
def test_parse_gives_back_what_was_serialised(sound):
    payload, pictures, flow, wave = example(sound=sound)
    video = tf.function(parse)(tf.constant(payload))
    assert video["id"].numpy() == b"a/b.mp4" and video["label"].numpy() == b"a"
    assert video["frames"].numpy() == 5 and video["index"].numpy() == identity("a/b.mp4")[0]
    assert bool(video["has_sound"]) is sound and video["sound"].shape[0] == (5 if sound else 0)
    for number in range(5):
        rgb = tf.io.decode_jpeg(video["rgb"][number]).numpy()
        assert np.abs(rgb.astype(int) - pictures[number]).mean() < 6
        field = tf.io.decode_png(video["flow"][number]).numpy()
        np.testing.assert_array_equal(field[..., 0], np.concatenate([flow[number, ..., 0], flow[number, ..., 1]]))
    if sound:
        decoded = tf.io.decode_raw(video["sound"], tf.int16, little_endian=True).numpy()
        np.testing.assert_array_equal(decoded.reshape(-1), wave)


def test_tensorflow_reads_the_same_message():
    payload = example()[0]
    theirs = tf.train.SequenceExample.FromString(payload)
    assert SequenceExample.FromString(theirs.SerializeToString()) == SequenceExample.FromString(payload)
    assert theirs.context.feature["video/frames"].int64_list.value == [5]


def test_shards_are_tfrecords_both_ways(tmp_path):
    payloads = [b"", b"x", os.urandom(100_000)]
    writer = ShardWriter(tmp_path / "ours")
    for payload in payloads:
        writer.write(payload)
    writer.close()
    assert writer.bytes == (tmp_path / "ours").stat().st_size
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as theirs:
        for payload in payloads:
            theirs.write(payload)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert list(read_shard(tmp_path / "theirs")) == payloads


def test_crc_is_castagnoli():
    assert google_crc32c.value(b"123456789") == 0xE3069283  # the check value of the CRC catalogue


def test_every_flipped_byte_is_noticed(tmp_path):
    path = tmp_path / "shard"
    writer = ShardWriter(path)
    writer.write(b"first record")
    writer.write(b"second")
    writer.close()
    content = path.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 0x40
        path.write_bytes(damaged)
        with pytest.raises(DamagedShardError, match=r"record [01]"):
            list(read_shard(path))


def test_every_truncation_is_noticed(tmp_path):
    path = tmp_path / "shard"
    writer = ShardWriter(path)
    writer.write(b"first")
    whole = writer.bytes
    writer.write(b"second record")
    writer.close()
    content = path.read_bytes()
    for length in range(1, len(content)):
        path.write_bytes(content[:length])
        if length == whole:
            assert list(read_shard(path)) == [b"first"]
            continue
        with pytest.raises(DamagedShardError, match="the file ends within"):
            list(read_shard(path))


def test_a_full_disk_is_an_error_not_a_short_file():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    writer = ShardWriter("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        writer.write(bytes(1 << 20))
        writer.close()


def test_a_length_beyond_the_file_asks_for_no_memory(tmp_path):
    length = struct.pack("<Q", 2**62)
    (tmp_path / "shard").write_bytes(frame_record(b"first") + length + tfrecord._masked_crc(length) + b"rest")
    with pytest.raises(DamagedShardError, match="the file ends within record 1"):
        list(read_shard(tmp_path / "shard"))


def test_check_records_finds_each_kind_of_damage(tmp_path):
    manifest = write_records(tmp_path)
    shard = tmp_path / "train-00000.tfrecord"
    content = shard.read_bytes()
    assert list(check_records(manifest)) == []

    def damage():
        [(name, error)] = check_records(manifest)
        assert name == shard.name
        return str(error)

    shard.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    assert "checksum of record 0" in damage()
    length = struct.unpack("<Q", content[:8])[0] + 16
    shard.write_bytes(content[length:])
    assert damage() == "lacks 1 of its videos"
    shard.write_bytes(content + content[:length])
    assert "record 4 is not what the manifest says" in damage()
    shard.unlink()
    assert "No such file" in damage()
    writer = ShardWriter(shard)
    writer.write(b"\xff\xff\xff")
    writer.close()
    assert "record 0 is no SequenceExample" in damage()


def test_identity_is_stable_and_uniform():
    # printf a/b.mp4 | sha256sum; if this number moved, videos would move between the splits.
    digest = "b0a066fc48626e7b7275e29577b3c18f"
    index, place = identity("a/b.mp4")
    assert index == int(digest[:16], 16) >> 1
    assert abs(place - int(digest[16:], 16) / 2**64) < 1e-15
    places = np.sort([identity(str(number))[1] for number in range(4000)])
    assert np.abs(places - (np.arange(4000) + 0.5) / 4000).max() < 0.03  # Kolmogorov-Smirnov, p > 0.001
    assert all(0 <= identity(str(number))[0] < 2**63 for number in range(100))


def test_held_out_stays_held_out_as_the_fraction_grows():
    small, large = ({v for v in map(str, range(2000)) if split_of(v, f) == "holdout"} for f in (0.1, 0.3))
    assert small < large and abs(len(large) / 2000 - 0.3) < 0.04
    assert split_of("x", 0.0) == "train"


def test_manifest_round_trip(tmp_path):
    write_records(tmp_path)
    manifest = Manifest.load(str(tmp_path))
    assert manifest.counts == {"train": 4, "holdout": 0, "refused": 1, "sound": 2}
    assert manifest.labels == ["a", "b"] and manifest.settings == SETTINGS and manifest.samples_per_frame == 1280
    assert manifest.shards("train") == [str(tmp_path / "train-00000.tfrecord")] and manifest.shards("holdout") == []
    text = (tmp_path / "manifest.json").read_text()
    assert sum("w.mp4" in line for line in text.splitlines()) == 1 and json.loads(text)["complete"] is True


def test_a_manifest_is_written_as_it_was_read(tmp_path):
    """With the lines that all versions of the program have written."""
    lines = [
        {"id": "a.mp4", "ok": True, "split": "train", "label": "x", "frames": 3, "sound": True, "shard": "train-0"},
        {"id": "b.mp4", "ok": False, "why": "empty file", "again": False, "file": [0, 5]},
        {"id": "c#2.5", "ok": True, "split": "train", "label": "", "frames": 9, "sound": False, "source": "c",
         "start": 2.5, "warning": "a single frame", "mark": 7, "file": [9, 8, 25.0], "shard": "train-0"},
        {"id": "notes", "ok": False, "why": "no video", "again": False, "file": None, "aside": True},
    ]  # fmt: skip
    head = {"schema": 1, "complete": True, "settings": SETTINGS, "sample_rate": 16000, "samples_per_frame": 1280}
    head.update(counts={"train": 2, "holdout": 0, "refused": 1, "sound": 1}, labels=["x"], set_aside={".txt": 2})
    (tmp_path / records.MANIFEST).write_text(json.dumps({**head, "videos": lines}))
    manifest = Manifest.load(str(tmp_path))
    assert [video.video for video in manifest.videos] == ["a.mp4", "b.mp4", "c", "notes"]
    assert [video.id for video in manifest.refused] == ["b.mp4"] and [video.id for video in manifest.aside] == ["notes"]
    manifest.save()
    written = (tmp_path / records.MANIFEST).read_text()
    assert json.loads(written) == {**head, "videos": lines}
    assert [json.dumps(line) in written for line in lines] == [True] * 4


@pytest.mark.parametrize("lost", ["id", "ok", "split", "label", "frames", "sound", "shard"])
def test_a_manifest_with_a_damaged_line_is_refused(tmp_path, lost):
    manifest = write_records(tmp_path)
    content = json.loads((tmp_path / records.MANIFEST).read_text())
    del content["videos"][0][lost]
    (tmp_path / records.MANIFEST).write_text(json.dumps(content))
    with pytest.raises(records.DamagedManifestError, match="is damaged .* again to rebuild it"):
        Manifest.load(manifest.folder)


def test_the_fingerprint_is_of_what_results_depend_on(tmp_path):
    write_records(tmp_path)
    manifest, again = (Manifest.load(str(tmp_path)) for _ in range(2))
    again.folder, again.complete = "elsewhere", False
    again.unusable = [*again.unusable, UnusableVideo("z.mp4", "none", False, (0, 0))]
    assert re.fullmatch("[0-9a-f]{16}", manifest.fingerprint) and again.fingerprint == manifest.fingerprint
    first, *rest = manifest.usable
    changed = [
        dataclasses.replace(manifest, usable=[first._replace(**{key: value}), *rest])
        for key, value in (("id", "0.mp4"), ("label", "other"), ("split", "holdout"), ("frames", 1), ("mark", 7))
    ]
    changed.append(dataclasses.replace(manifest, usable=rest))
    changed.append(dataclasses.replace(manifest, settings={**manifest.settings, "fps": 1.0}))
    changed.append(dataclasses.replace(manifest, sample_rate=8000))
    assert len({each.fingerprint for each in (manifest, *changed)}) == 9


def test_manifest_is_read_from_a_url(tmp_path):
    write_records(tmp_path)
    assert Manifest.load(f"file://{tmp_path}").counts["train"] == 4
    with pytest.raises(InputError, match="has no records"):
        Manifest.load(f"file://{tmp_path}/nowhere")


@pytest.mark.parametrize(
    "content, message",
    [
        (None, r"has no records .* python -m elo_tf.prepare"),
        ("{", "is damaged"),
        ("[]", "schema None"),
        ('{"schema": 99}', "schema 99, this program reads schema 1"),
        ('{"schema": 1}', "lacks settings"),
    ],
)
def test_manifest_that_cannot_be_used(tmp_path, content, message):
    if content is not None:
        (tmp_path / records.MANIFEST).write_text(content)
    with pytest.raises(InputError, match=message):
        Manifest.load(str(tmp_path))


def test_names_that_are_not_utf8_survive(tmp_path):
    video = os.fsdecode(b"caf\xe9/\xff.mp4")
    assert parse(tf.constant(example(video)[0]))["id"].numpy() == b"caf\xe9/\xff.mp4"
    manifest = write_records(tmp_path)
    first, *rest = manifest.usable
    dataclasses.replace(manifest, usable=[first._replace(id=video), *rest]).save()
    assert Manifest.load(str(tmp_path)).usable[0].id == video


def test_writing_needs_no_tensorflow():
    code = "import sys, elo_tf.prepare.convert; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
