"""Sets of videos through a module that tells which frames it saw: windows, pooling, files, restarts, bad videos."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import EmbedConfig, InputError
from elo_tf.data.tfrecord import read_shard
from elo_tf.embed import feed, pipeline, pooling
from elo_tf.embed.api import summary
from elo_tf.embed.feed import Bad, End, Window
from elo_tf.embed.module import Clips, Module, choose_clips, describe, fingerprint, version_directory
from elo_tf.embed.partial import Partial
from elo_tf.embed.table import Table
from tests import modules, towers, videos

CONFIG = EmbedConfig(stride=3, batch_size=4, decoders=2, short_videos="refuse")
LENGTHS = {"a.mkv": 11, "b/c.mkv": 4, "b/d.mkv": 10, "e.mkv": 7}
LOSSLESS = ("-c:v", "ffv1", "-pix_fmt", "bgr0")


def greys(video):
    """Grey of each frame of a video, by which it is known."""
    return 10 + 3 * np.arange(LENGTHS[video]) + 40 * sorted(LENGTHS).index(video)


def fill(folder):
    for video in LENGTHS:
        frames = np.tile(greys(video)[:, None, None, None], (1, 16, 16, 3)).astype(np.uint8)
        videos.write(folder / video, frames, options=LOSSLESS)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return modules.save_means(tmp_path_factory.mktemp("base") / "7")


def loaded(directory, config=CONFIG):
    clips = choose_clips(config, describe(directory), directory)
    return Module(directory, clips, config.batch_size), clips


@pytest.fixture(scope="module")
def module(directory):
    return loaded(directory)


def embed(place, output, module, config=CONFIG, **more):
    return pipeline.embed_videos(pipeline.find(place), output, *module, config, **more)


@pytest.fixture(scope="module")
def done(place, module, tmp_path_factory):
    output = tmp_path_factory.mktemp("done") / "out.npz"
    return embed(place, output, module), output


def expected_windows(video):
    """(offsets, [W,5]) of a video, by hand: stride 3, windows of 4, the last one flush with the end."""
    offsets = {11: [0, 3, 6, 7], 4: [0], 10: [0, 3, 6], 7: [0, 3]}[LENGTHS[video]]
    rows = []
    for offset in offsets:
        own = greys(video)[offset : offset + 4] / 255
        rows.append([own.mean()] * 3 + [own[0], own[-1]])
    return offsets, np.array(rows)


def test_each_window_holds_its_frames_and_no_other(done):
    outcome, output = done
    with np.load(output, allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays["ids"].tolist() == sorted(LENGTHS) and arrays["frames"].tolist() == [11, 4, 10, 7]
    for number, video in enumerate(sorted(LENGTHS)):
        own = arrays["window_videos"] == number
        offsets, rows = expected_windows(video)
        assert arrays["window_offsets"][own].tolist() == offsets
        np.testing.assert_allclose(arrays["window_seconds"][own], np.array(offsets) / 12.5)
        np.testing.assert_allclose(arrays["window_embeddings"][own], rows, atol=5e-6)
        np.testing.assert_allclose(arrays["embeddings"][number], rows.mean(axis=0), atol=5e-6)
    assert arrays["embeddings"].dtype == arrays["window_embeddings"].dtype == np.float32
    assert outcome.done == 4 and outcome.seconds == pytest.approx(32 / 12.5) and not outcome.lines
    assert sorted(os.listdir(output.parent)) == ["out.npz"]


def test_records_have_what_the_arrays_have(done, place, module, tmp_path):
    embed(place, tmp_path / "out.tfrecord", module)
    outcome, output = done
    with np.load(output, allow_pickle=False) as file:
        arrays = dict(file)
    integers, floats = tf.io.VarLenFeature(tf.int64), tf.io.VarLenFeature(tf.float32)
    features = {
        "id": tf.io.FixedLenFeature([], tf.string), "embedding": tf.io.FixedLenFeature([5], tf.float32),
        "frames": tf.io.FixedLenFeature([], tf.int64), "file": tf.io.FixedLenFeature([2], tf.int64),
        "warning": tf.io.FixedLenFeature([], tf.string), "settings": tf.io.FixedLenFeature([], tf.string),
        "window/embedding": floats, "window/offset": integers, "window/seconds": floats,
    }  # fmt: skip
    number = -1
    for number, record in enumerate(tf.data.TFRecordDataset(str(tmp_path / "out.tfrecord"))):
        example = tf.io.parse_single_example(record, features)
        own = arrays["window_videos"] == number
        assert example["id"].numpy().decode() == arrays["ids"][number]
        for name in ("embedding", "frames", "file", "warning"):
            stored = arrays[name if name == "frames" else f"{name}s"][number]
            np.testing.assert_array_equal(np.asarray(example[name]).astype(stored.dtype), stored)
        rows = example["window/embedding"].values.numpy().reshape(-1, 5)
        np.testing.assert_array_equal(rows, arrays["window_embeddings"][own])
        np.testing.assert_array_equal(example["window/offset"].values, arrays["window_offsets"][own])
        np.testing.assert_allclose(example["window/seconds"].values, arrays["window_seconds"][own])
        assert json.loads(example["settings"].numpy()) == json.loads(str(arrays["settings"]))
    assert number == 3


@pytest.mark.parametrize("suffix", [".npz", ".tfrecord"])
def test_files_come_back(done, tmp_path, suffix):
    table = done[0].table
    table.save(tmp_path / f"again{suffix}")
    again = Table.load(tmp_path / f"again{suffix}")
    assert again.settings == table.settings and len(again.entries) == 4
    for ours, theirs in zip(table.entries, again.entries):
        for field in dataclasses.fields(ours):
            np.testing.assert_array_equal(getattr(ours, field.name), getattr(theirs, field.name))


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    return modules.save_tower(tmp_path_factory.mktemp("tower") / "1")


def test_result_does_not_depend_on_how_the_work_is_dealt_out(place, tower, tmp_path):
    def rows(**changes):
        config = EmbedConfig(frames=4, stride=1, **changes)
        table = embed(place, tmp_path / f"{changes}.npz", loaded(tower, config), config).table
        return np.concatenate([np.vstack([entry.windows, entry.embedding]) for entry in table.entries])

    one = rows(decoders=1)
    assert np.ptp(one, axis=0).max() > 1e-3
    # In batches of one shape, whatever else is in them.
    np.testing.assert_array_equal(rows(decoders=3), one)
    for batch_size in (1, 64):
        np.testing.assert_allclose(rows(batch_size=batch_size), one, rtol=1e-5, atol=1e-6)


def test_without_windows(done, place, module, tmp_path):
    config = dataclasses.replace(CONFIG, store_windows=False)
    table = embed(place, tmp_path / "out.npz", module, config).table
    np.testing.assert_array_equal(table.embeddings, done[0].table.embeddings)
    assert all(entry.windows.shape == (0, 5) for entry in Table.load(tmp_path / "out.npz").entries)


def test_only_what_is_missing_is_done(done, module, tmp_path):
    place, output = fill(tmp_path / "videos"), tmp_path / "out.npz"
    embed(place, output, module)
    before = output.read_bytes()
    assert embed(place, output, module).done == 0 and output.read_bytes() == before
    videos.plain(place / "new.mkv", frames=8)
    assert embed(place, output, module).done == 1
    videos.plain(place / "new.mkv", frames=9)
    assert embed(place, output, module).done == 1 and Table.load(output).entries[-1].frames == 9
    (place / "new.mkv").unlink()
    again = embed(place, output, module)
    assert again.done == 0 and [entry.id for entry in again.table.entries] == sorted(LENGTHS)
    assert output.read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"\x07", b"\0" * 40, "short", "flipped"])
def test_a_broken_run_is_taken_up(place, module, tmp_path, damage):
    whole, output = tmp_path / "whole.npz", tmp_path / "out.npz"
    table = embed(place, whole, module).table
    partial = tmp_path / "out.npz.partial"
    with Partial(partial, table.settings) as file:
        for entry in table.entries[1:3]:
            file.add(entry)
    content = partial.read_bytes()
    if damage == "short":
        partial.write_bytes(content[:-9])
    elif damage == "flipped":
        partial.write_bytes(content[:-9] + bytes([content[-9] ^ 4]) + content[-8:])
    else:
        partial.write_bytes(content + damage)
    assert embed(place, output, module).done == (3 if damage in ("short", "flipped") else 2)
    assert output.read_bytes() == whole.read_bytes() and not partial.exists()


def test_a_run_that_fails_keeps_what_is_done(place, module, tmp_path, monkeypatch):
    output, count = tmp_path / "out.tfrecord", 0

    def fail(done, of):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(place, output, module, progress=fail)
    assert sorted(os.listdir(tmp_path)) == ["out.tfrecord.partial"]
    count = sum(1 for _ in read_shard(tmp_path / "out.tfrecord.partial"))
    assert count == 2 and embed(place, output, module).done == 2
    embed(place, tmp_path / "whole.tfrecord", module)
    assert output.read_bytes() == (tmp_path / "whole.tfrecord").read_bytes()


def test_a_full_disk_leaves_no_half_output(place, module, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        embed(place, tmp_path / "out.npz", module)
    assert sorted(os.listdir(tmp_path)) == ["out.npz.partial"]


@pytest.mark.parametrize(
    "changes, named", [({"stride": 2}, "stride: was 3, now 2"), ({"fps": 25.0}, "fps: was 12.5, now 25.0")]
)
@pytest.mark.parametrize("partly", [False, True])
def test_other_settings_are_refused(place, directory, module, done, tmp_path, changes, named, partly):
    output = tmp_path / "out.npz"
    if partly:
        with Partial(tmp_path / "out.npz.partial", done[0].table.settings) as file:
            file.add(done[0].table.entries[0])
    else:
        output.write_bytes(done[1].read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    config = dataclasses.replace(CONFIG, **changes)
    with pytest.raises(InputError, match=named) as error:
        embed(place, output, loaded(directory, config), config)
    assert "\n" not in str(error.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_another_folder_is_other_settings(done, module, tmp_path):
    output = tmp_path / "out.npz"
    output.write_bytes(done[1].read_bytes())
    with pytest.raises(InputError, match="videos: was "):
        embed(fill(tmp_path / "videos"), output, module)


def test_two_runs_do_not_share_an_output(place, module, done, tmp_path):
    with Partial(tmp_path / "out.npz.partial", done[0].table.settings):
        with pytest.raises(InputError, match="another run writes"):
            embed(place, tmp_path / "out.npz", module)


def test_the_end_of_a_run_leaves_the_file_of_the_next(done, tmp_path):
    path, settings = tmp_path / "out.npz.partial", done[0].table.settings
    with Partial(path, settings) as first:
        first.remove()
        second = Partial(path, settings)
    assert path.exists()  # Empty, and of the second.
    with second:
        second.add(done[0].table.entries[0])
    assert len(Partial(path, settings).kept) == 1


def spoil(folder):
    """Adds an empty file, noise, and a video of three frames; returns what is to be said of each."""
    (folder / "bad1.mp4").touch()
    (folder / "bad2.mp4").write_bytes(b"\x13" * 3000)
    videos.plain(folder / "bad3.mp4", frames=3)
    return [
        "empty file",
        "not a video, or damaged at its start",
        "shorter than a window of 4 frames at 12.5 fps (--frames)",
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_a_video_shorter_than_a_window_begins_again(module, tmp_path, count):
    place, output = fill(tmp_path / "videos"), tmp_path / "out.npz"
    own = np.array([40, 90, 140][:count])
    frames = np.tile(own[:, None, None, None], (1, 16, 16, 3)).astype(np.uint8)
    videos.write(place / "short.mkv", frames, options=LOSSLESS)
    config = dataclasses.replace(CONFIG, short_videos="loop")
    outcome = embed(place, output, module, config)
    with np.load(output, allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays["ids"].tolist() == [*sorted(LENGTHS), "short.mkv"] and arrays["frames"][-1] == count
    shown = own[[0, 1 % count, 2 % count, 0]] / 255
    expected = [shown.mean()] * 3 + [shown[0], shown[-1]]
    np.testing.assert_allclose(arrays["embeddings"][-1], expected, atol=5e-6)
    np.testing.assert_allclose(arrays["window_embeddings"][-1], expected, atol=5e-6)
    why = f"shorter than a window of 4 frames at 12.5 fps (--frames), looped: it has {count}"
    assert arrays["warnings"].tolist() == [""] * 4 + [why] and arrays["window_offsets"][-1] == 0
    assert outcome.lines == [{"id": "short.mkv", "ok": True, "why": why}]
    assert "\nlooped    1, shorter than a window\n" in summary(outcome, output, module[1], 1.0)
    alone = pipeline.embed_one(place / "short.mkv", *module, config)
    np.testing.assert_array_equal(alone.windows, arrays["window_embeddings"][-1:])
    # Refused, it leaves the output; looped again, it comes back.
    before = output.read_bytes()
    refused = embed(place, output, module)
    assert [line["ok"] for line in refused.lines] == [False] and len(refused.table.entries) == 4
    assert embed(place, output, module, config).done == 1 and output.read_bytes() == before


def test_bad_videos_cost_a_line_each(module, done, tmp_path):
    place, output = fill(tmp_path / "videos"), tmp_path / "out.npz"
    whys = spoil(place)
    outcome = embed(place, output, module)
    lines = [json.loads(line) for line in (tmp_path / "out.npz.report.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["bad1.mp4", "bad2.mp4", "bad3.mp4"]
    assert [line["why"] for line in lines] == whys or lines[1]["why"].startswith("cannot be decoded")
    assert not any(line["ok"] for line in lines) and outcome.lines == lines
    np.testing.assert_array_equal(outcome.table.embeddings, done[0].table.embeddings)
    for number in (1, 2, 3):  # Mended, they are embedded, and the report goes.
        videos.plain(place / f"bad{number}.mp4", frames=8)
    assert embed(place, output, module).done == 3
    assert sorted(os.listdir(tmp_path)) == ["out.npz", "videos"]


def test_too_many_bad_videos_stop_it(module, tmp_path):
    place, output = fill(tmp_path / "videos"), tmp_path / "out.npz"
    spoil(place)
    config = dataclasses.replace(CONFIG, max_bad_fraction=0.4)
    with pytest.raises(InputError, match=r"3 of 7 videos are unusable, more than --max_bad_fraction=0.4 allows: "):
        embed(place, output, module, config)
    assert not output.exists() and len((tmp_path / "out.npz.report.jsonl").read_text().splitlines()) == 3
    assert embed(place, output, module).table.entries[0].id == "a.mkv"


def test_files_beside_videos_are_no_damaged_videos(module, tmp_path):
    place = fill(tmp_path / "videos")
    for name in ("a.info.json", "a.en.vtt", "b.mkv.part", "notes", "x.annotation"):
        (place / name).write_text("a text\n" * 99)
    outcome = embed(place, tmp_path / "out.npz", module, dataclasses.replace(CONFIG, max_bad_fraction=0.0))
    assert [line["id"] for line in outcome.lines] == ["notes", "x.annotation"] and len(outcome.table.entries) == 4


def test_what_waits_for_no_window_is_known_at_once(module):
    """Events are taken one by one: what they allow to say is said before the next one is asked for."""
    clip, taken = np.full((4, 16, 16, 3), 51, np.uint8), []
    events = [
        Bad("x", "why"),
        *(Window("a", offset, clip) for offset in range(4)),
        End("a", 7, ""),
        Window("b", 0, clip),
    ]
    events += [Bad("y", "why"), End("b", 4, "")]

    def feed():
        for event in events:
            taken.append(event)
            yield event

    found = [(event.video, len(taken), pooled) for event, pooled in pooling.embed(feed(), *module, keep=True)]
    assert [one[:2] for one in found] == [("x", 1), ("a", 6), ("y", 8), ("b", 9)]
    for (_, _, pooled), count in ((found[1], 4), (found[3], 1)):
        np.testing.assert_allclose(pooled.windows, np.full((count, 5), 0.2), atol=5e-6)


def test_windows_beyond_what_a_record_holds_are_refused_by_name(place, module, done, tmp_path, monkeypatch):
    monkeypatch.setattr(pooling, "_MOST_BYTES", 3 * (4 * 5 + pooling._BYTES_A_WINDOW))
    outcome = embed(place, tmp_path / "out.npz", module)
    (line,) = outcome.lines  # a.mkv alone has four windows.
    assert line["id"] == "a.mkv" and "its first 4 windows take" in line["why"] and "--nostore_windows" in line["why"]
    assert [entry.id for entry in outcome.table.entries] == ["b/c.mkv", "b/d.mkv", "e.mkv"]
    np.testing.assert_array_equal(outcome.table.embeddings, done[0].table.embeddings[1:])
    means = embed(place, tmp_path / "means.npz", module, dataclasses.replace(CONFIG, store_windows=False))
    np.testing.assert_array_equal(means.table.embeddings, done[0].table.embeddings)


def test_what_follows_a_refused_window_is_ignored(module, monkeypatch):
    monkeypatch.setattr(pooling, "_MOST_BYTES", 0)
    clip = np.zeros((4, 16, 16, 3), np.uint8)
    events = [*(Window("a", offset, clip) for offset in range(6)), End("a", 9, "")]
    assert [type(event) for event, _ in pooling.embed(events, *module, keep=True)] == [Bad]


def test_a_window_that_the_module_fails_on_costs_its_video(module, monkeypatch):
    plain = Module.embed

    def embed_but(self, batch):
        if (batch == 99).any():
            raise ValueError("no room for\n99")
        return plain(self, batch)

    monkeypatch.setattr(Module, "embed", embed_but)
    events = []
    for offset in range(3):
        events += [
            Window(video, offset, np.full((4, 16, 16, 3), grey, np.uint8)) for video, grey in (("a", 51), ("b", 99))
        ]
    events += [End("a", 6, ""), End("b", 6, "")]
    found = {event.video: (event, pooled) for event, pooled in pooling.embed(events, *module, keep=True)}
    assert len(found) == 2 and isinstance(found["a"][0], End)
    np.testing.assert_allclose(found["a"][1].windows, np.full((3, 5), 0.2), atol=5e-6)
    assert found["b"][0] == Bad("b", "embedding its window at frame 0 failed by ValueError: no room for 99")


def test_an_error_that_nobody_foresaw_costs_its_video(place, module, done, tmp_path, monkeypatch):
    plain = feed.FrameStream.__iter__

    def frames_but(self):
        if self._path.name == "e.mkv":
            raise MemoryError("no room for a frame")
        yield from plain(self)

    monkeypatch.setattr(feed.FrameStream, "__iter__", frames_but)
    outcome = embed(place, tmp_path / "out.npz", module)
    assert outcome.lines == [{"id": "e.mkv", "ok": False, "why": "decoding failed by MemoryError: no room for a frame"}]
    np.testing.assert_array_equal(outcome.table.embeddings, done[0].table.embeddings[:3])


def test_no_good_video_and_one_bad_one_are_errors(module, tmp_path):
    place = tmp_path / "videos"
    place.mkdir()
    spoil(place)
    with pytest.raises(InputError, match="no video of --videos=.* can be used: "):
        embed(place, tmp_path / "out.npz", module, dataclasses.replace(CONFIG, max_bad_fraction=1.0))
    with pytest.raises(InputError, match=r"bad3.mp4: shorter than a window of 4 frames at 12.5 fps"):
        embed(place / "bad3.mp4", tmp_path / "one.npz", module)
    assert not list(tmp_path.glob("*.npz")) and not list(tmp_path.glob("*.partial"))


def test_one_video_is_a_set_of_one(place, module, done, tmp_path):
    table = embed(place / "b" / "d.mkv", tmp_path / "out.npz", module).table
    assert [entry.id for entry in table.entries] == ["d.mkv"]
    np.testing.assert_array_equal(table.embeddings[0], done[0].table.embeddings[2])


@pytest.mark.parametrize("suffix", [".npz", ".tfrecord"])
def test_a_name_is_only_a_name(module, tmp_path, suffix):
    names = ["-i.mkv", "a;b $(c).mkv", "line\nend.mkv", os.fsdecode(b"\xff.mkv"), "\u00fc.mkv"]
    for number, name in enumerate(names):
        videos.plain(tmp_path / "plain.mkv", frames=5 + number).rename(_made(tmp_path / "videos") / name)
    embed(tmp_path / "videos", tmp_path / f"out{suffix}", module)
    found = {entry.id: entry.frames for entry in Table.load(tmp_path / f"out{suffix}").entries}
    assert found == {name: 5 + number for number, name in enumerate(names)}


def _made(folder):
    folder.mkdir(exist_ok=True)
    return folder


def test_values_that_are_not_finite_are_not_stored(place, tmp_path):
    def nan_where_dark(video):
        mean = tf.reduce_mean(video, axis=[1, 2, 3])
        return tf.where(mean < 0.2, np.nan, mean)

    directory = modules.save(tmp_path / "1", nan_where_dark, towers.describe(frames=4, size=16, stored_size=16))
    outcome = embed(place, tmp_path / "out.npz", loaded(directory))
    assert [line["why"] for line in outcome.lines] == ["the module gives values that are not finite"]
    assert [entry.id for entry in outcome.table.entries] == ["b/c.mkv", "b/d.mkv", "e.mkv"]


def test_windows_show_the_centre(tmp_path):
    # A bright frame around a dark centre of 16 of 24 pixels.
    frames = np.full((4, 24, 24, 3), 250, np.uint8)
    frames[:, 4:20, 4:20] = 30
    path = videos.write(tmp_path / "a.mkv", frames, options=LOSSLESS)
    directory = modules.save_means(tmp_path / "1", stored_size=24)
    entry = pipeline.embed_one(path, *loaded(directory), CONFIG)
    np.testing.assert_allclose(entry.embedding, 30 / 255, atol=5e-6)


def test_clips_are_those_of_the_module_or_of_the_flags(tmp_path):
    about = towers.describe(frames=8, size=24, stored_size=32, fps=10.0)
    assert choose_clips(EmbedConfig(), about, tmp_path) == Clips(8, 8, 24, 32, 10.0)
    given = EmbedConfig(frames=4, stride=2, size=48, fps=5.0)
    assert choose_clips(given, about, tmp_path) == Clips(4, 2, 48, 64, 5.0)
    assert choose_clips(given, None, tmp_path) == Clips(4, 2, 48, 48, 5.0)
    with pytest.raises(InputError, match="give --frames, --fps"):
        choose_clips(EmbedConfig(size=16), None, tmp_path)


def test_the_newest_version_is_meant(tmp_path):
    for version in ("9", "10", "x11", "12"):
        (tmp_path / version).mkdir()
        if version != "12":
            (tmp_path / version / "saved_model.pb").touch()
    assert version_directory(tmp_path) == tmp_path / "10" == version_directory(tmp_path / "10")
    for wrong in (tmp_path / "12", tmp_path / "nowhere"):
        with pytest.raises(InputError, match=str(wrong)):
            version_directory(wrong)


def test_what_is_no_module_is_refused(tmp_path, directory):
    clips = Clips(4, 4, 16, 16, 12.5)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"no protocol buffer")
    tf.saved_model.save(tf.Module(), str(tmp_path / "plain"))
    modules.save(tmp_path / "wide", lambda video: video)
    modules.save(tmp_path / "narrow", lambda video: tf.ensure_shape(video, [None, 8, None, None, 3])[:, 0, 0, 0])
    messages = {
        "damaged": "cannot be loaded",
        "plain": "not callable",
        "wide": r"not \[B,D\]",
        "narrow": "does not embed",
    }
    for name, message in messages.items():
        with pytest.raises(InputError, match=message) as error:
            Module(tmp_path / name, clips, 2)
        assert "\n" not in str(error.value) and str(tmp_path / name) in str(error.value)


def test_a_module_is_known_by_its_content(tmp_path, tower, directory):
    shutil.copytree(tower, tmp_path / "2")
    assert fingerprint(tower) == fingerprint(tmp_path / "2") != fingerprint(directory)
    (weights,) = (tmp_path / "2" / "variables").glob("*.data-*")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert fingerprint(tmp_path / "2") != fingerprint(tower)


def test_outputs_that_cannot_be_are_refused_at_once(place, module, tmp_path):
    for output, message in [
        (tmp_path / "out.csv", "neither .npz nor .tfrecord"),
        (tmp_path / "nowhere" / "out.npz", "is not in an existing folder"),
        (place / "out.npz", "is inside --videos"),
    ]:
        with pytest.raises(InputError, match=message):
            embed(place, output, module)
    (tmp_path / "dir.npz").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        embed(place, tmp_path / "dir.npz", module)
    with pytest.raises(InputError, match="has no files"):
        embed(tmp_path / "dir.npz", tmp_path / "out.npz", module)
    with pytest.raises(InputError, match="does not exist; name a folder"):
        embed(tmp_path / "nowhere", tmp_path / "out.npz", module)


def test_damaged_files_are_refused(done, tmp_path):
    path = tmp_path / "out.npz"
    content = done[1].read_bytes()
    np.savez(tmp_path / "other.npz", features=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", ids=np.array([{}], object))
    with np.load(done[1], allow_pickle=False) as file:  # A little file may grow to any size as it is read.
        np.savez_compressed(tmp_path / "grows.npz", **file)
        np.savez(tmp_path / "list.npz", **{**file, "settings": np.array("[]")})
    others = [(tmp_path / f"{name}.npz").read_bytes() for name in ("other", "pickled", "grows", "list")]
    for wrong in (b"", b"no archive", content[: len(content) // 2], *others):
        path.write_bytes(wrong)
        with pytest.raises(InputError, match="is damaged or not a file of embeddings") as error:
            Table.load(path)
        assert "\n" not in str(error.value)
    records = tmp_path / "out.tfrecord"
    records.touch()
    with pytest.raises(InputError, match="out.tfrecord has no videos"):
        Table.load(records)
    path.unlink()
    with pytest.raises(InputError, match="does not exist; make it"):
        Table.load(path)
