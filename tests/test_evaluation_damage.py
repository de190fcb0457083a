"""A damaged record costs its video, not the evaluation; a video that was cut into records is one video."""

import os
import shutil

import numpy as np
import pytest

from elo_tf.config import EvaluateSettings, IngestConfig, InputError, ProtocolConfig
from elo_tf.data import records
from elo_tf.data.records import Manifest
from elo_tf.data.tfrecord import SequenceExample, ShardWriter, read_shard
from elo_tf.evaluate import api
from elo_tf.evaluate.videos import official
from elo_tf.evaluate.videos.damage import unreadable
from elo_tf.evaluate.videos.material import Material, _of_videos
from elo_tf.evaluate.videos.split import LabelledVideo, Split, digest, of_folders
from elo_tf.evaluate.videos.splits import in_records
from elo_tf.networks.tower import Tower
from elo_tf.prepare.convert import convert
from elo_tf.runtime.workers.local import LocalEngine
from tests import labelled, towers, videos

FAST = ProtocolConfig(train_clips=1, test_clips=2, restarts=2, finetune_steps=2, batch_size=4)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run in `run`, records of 9 + 9 videos in `records`."""
    folder = tmp_path_factory.mktemp("damage")
    labelled.make_records(folder)
    towers.make_run(folder / "run")
    return folder


def first_test_video(folder):
    return of_folders(Manifest.load(str(folder))).test[0].id


def rewrite(folder, change):
    """Writes the shard of the first test video anew: `change` takes its record, parsed, and gives bytes."""
    video = first_test_video(folder)
    entry = next(entry for entry in Manifest.load(str(folder)).usable if entry.id == video)
    shard = folder / entry.shard
    payloads = list(read_shard(shard))
    writer = ShardWriter(shard)
    for payload in payloads:
        example = SequenceExample.FromString(payload)
        own = example.context.feature[records.ID].bytes_list.value[0] == os.fsencode(video)
        writer.write(change(example) if own else payload)
    writer.close()
    return video


def no_picture(example):
    example.feature_lists.feature_list["rgb"].feature[3].bytes_list.value[0] = b"\xff\xd8 no picture"
    return example.SerializeToString()


def fewer_frames(example):
    for name in ("rgb", "flow"):
        del example.feature_lists.feature_list[name].feature[3:]
    return example.SerializeToString()


def another_size(example):
    other = records.serialize("", "", np.zeros([1, 8, 8, 3], np.uint8), np.zeros([1, 8, 8, 2], np.uint8), None, 90)
    small = SequenceExample.FromString(other).feature_lists.feature_list["rgb"].feature[0]
    # One that clips have: of a video that is read as it is needed, no others are decoded.
    example.feature_lists.feature_list["rgb"].feature[3].CopyFrom(small)
    return example.SerializeToString()


@pytest.mark.parametrize("resident_gb", [4.0, 0.0])
@pytest.mark.parametrize("change", [no_picture, fewer_frames, another_size, None])
def test_a_damaged_test_clip_costs_itself(place, tmp_path, capsys, change, resident_gb):
    folder = tmp_path / "records"
    shutil.copytree(place / "records", folder)
    if change:
        video = rewrite(folder, change)
    else:  # A byte of the payload has changed on the disk: TensorFlow reads nothing behind it either.
        video = first_test_video(folder)
        entry = next(entry for entry in Manifest.load(str(folder)).usable if entry.id == video)
        content = bytearray((folder / entry.shard).read_bytes())
        content[content.index(os.fsencode(video)) + 200] ^= 1
        (folder / entry.shard).write_bytes(content)
    protocols = ["kmeans", "linear", "finetune"] if change is no_picture else ["kmeans"]
    asked = EvaluateSettings(checkpoint=place / "run", records=folder, protocol=protocols, output=tmp_path / "out",
                             **{**vars(FAST), "resident_gb": resident_gb})  # fmt: skip
    result = api.run(asked)
    assert [one["test_videos"] for one in result.measurements] == [8] * len(protocols)
    assert (result.content["splits"][0]["unreadable"], result.content["splits"][0]["train_videos"]) == (1, 9)
    shown = capsys.readouterr().out
    assert shown.count("left out, cannot be read") == 1 and f"left out, cannot be read: {video}: " in shown


def test_damage_beside_the_records_that_are_read_costs_nothing(place, tmp_path):
    asked = {"checkpoint": place / "run", "protocol": "kmeans", **vars(FAST)}
    whole = api.run(EvaluateSettings(**asked, records=place / "records", output=tmp_path / "whole"))
    folder = tmp_path / "records"
    shutil.copytree(place / "records", folder)
    for shard in folder.glob("*.tfrecord"):
        with open(shard, "ab") as file:
            file.write(b"not of this shard")
    result = api.run(EvaluateSettings(**asked, records=folder, output=tmp_path / "out"))
    assert [one["accuracy"] for one in result.measurements] == [one["accuracy"] for one in whole.measurements]
    assert result.content["splits"][0].get("unreadable", 0) == 0 and result.measurements[0]["test_videos"] == 9


def test_many_damaged_clips_end_it(place, tmp_path):
    folder = tmp_path / "records"
    shutil.copytree(place / "records", folder)
    video = rewrite(folder, no_picture)
    asked = {"checkpoint": place / "run", "records": folder, "protocol": "kmeans", **vars(FAST)}
    with pytest.raises(InputError, match=f"1 of 18 videos .*max_bad_fraction=0.05 .*{video}: rgb.*--validate"):
        api.run(EvaluateSettings(**asked, output=tmp_path / "out", max_bad_fraction=0.05))
    assert not (tmp_path / "out").exists()


def test_what_no_record_explains_stays_what_it_is(place):
    tower = Tower.load(place / "run")
    material = Material.open(str(place / "records"), tower.about, FAST)
    chosen = of_folders(material.manifest).test
    assert unreadable(material.manifest, {video.id for video in chosen}) == {}
    with pytest.raises(ZeroDivisionError), material.reading(chosen):
        raise ZeroDivisionError
    assert set(unreadable(material.manifest, {"no such"})) == set()


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """Records of two classes with a long video each, grey 40, 80, 120, ..., cut into records of a second."""
    folder = tmp_path_factory.mktemp("cut")
    for label, count in (("a", 3), ("b", 2)):
        frames = np.repeat(40 * np.arange(1, count + 1, dtype=np.uint8), 12)
        shown = np.broadcast_to(frames[:, None, None, None], (len(frames), 32, 32, 3))
        videos.write(folder / "videos" / label / f"long_{label}.mp4", shown, fps=12)
        videos.plain(folder / "videos" / label / f"short_{label}.mp4", frames=10, fps=12)
    config = IngestConfig(size=32, fps=12, labels="folders", holdout_fraction=0, segment_seconds=1)
    convert(folder / "videos", folder / "records", config, LocalEngine(1))
    return folder


def test_lists_mean_all_parts_of_a_video(cut):
    manifest = Manifest.load(str(cut / "records"))
    assert len(manifest.usable) == 3 + 2 + 2
    train = {("a", "short_a.avi"): 0, ("b", "short_b.avi"): 1}
    lists = official.Lists(("a", "b"), train, {("a", "long_a.avi"): 0, ("b", "long_b"): 1})
    split = in_records("1", lists, manifest)
    assert split.missing == 0 and split.duplicates == 0
    assert [(video.id, len(video.records)) for video in split.test] == [("a/long_a.mp4", 3), ("b/long_b.mp4", 2)]
    assert [video.parts for video in split.train] == [(), ()]
    assert split.test[0].parts[0].startswith("a/long_a.mp4#")
    assert set(split.test[0].parts) < {entry.id for entry in manifest.usable}


def test_clips_of_a_video_are_spread_over_its_parts(cut):
    tower = towers.describe(fps=12.0, frames=4)
    material = Material.open(str(cut / "records"), tower, FAST)
    chosen = of_folders(material.manifest).train
    assert [video.id for video in chosen] == ["a/long_a.mp4", "a/short_a.mp4", "b/long_b.mp4", "b/short_b.mp4"]
    grey = material.apply(lambda video: 255 * video.numpy().mean(axis=(1, 2, 3))[:, :1], chosen, 6)[..., 0]
    np.testing.assert_allclose(grey[0], [40, 40, 80, 80, 120, 120], atol=4)
    np.testing.assert_allclose(grey[2], [40, 40, 40, 80, 80, 80], atol=4)
    np.testing.assert_allclose(grey[1], [128] * 6, atol=4)


def test_windows_of_parts_are_chosen_evenly():
    chosen = [LabelledVideo("a", 0, ("a#0", "a#1", "a#2")), LabelledVideo("b", 1)]
    results = np.arange(8.0).reshape(4, 2, 1)
    assert _of_videos(results, chosen)[..., 0].tolist() == [[1, 4], [6, 7]]
    assert _of_videos(results[3:], chosen[1:]) is not None


def test_a_video_stays_while_a_part_of_it_is_whole():
    own = LabelledVideo("a", 0, ("a#0", "a#1"))
    split = Split("1", ("x",), (own, LabelledVideo("b", 0)), (LabelledVideo("c", 0),))
    left = split.without({"a#1", "b"})
    assert left.train == (LabelledVideo("a", 0, ("a#0",)),) and left.test == split.test and left.unreadable == 1
    assert split.without({"a#0", "a#1"}).train == (LabelledVideo("b", 0),)
    assert digest(left) != digest(split)
