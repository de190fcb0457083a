"""Folders: what they say of labels and of the split."""

import unicodedata

import pytest

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import split_of
from elo_tf.prepare.layout import describe, find_layout

CONFIG = IngestConfig(labels="folders")


def layout_of(*videos, earlier=None, **settings):
    return find_layout(videos, IngestConfig(labels="folders", **settings), earlier)


def table(layout, *videos):
    return [(layout.label(video), layout.split(video)) for video in videos]


@pytest.mark.parametrize(
    "train, held_out",
    [
        ("train", "val"),
        ("Training", "TESTING"),
        ("TRAIN", "Validation"),
        ("train_256", "val_256"),
        ("trainset", "test"),
        ("trainval", "Validate"),
        ("videos_train", "videos_val"),
        ("kinetics400_train", "kinetics400_test_seen"),
    ],
)
def test_folders_called_train_and_val_or_test_are_the_split(train, held_out):
    videos = [f"{train}/{label}/{number}.mp4" for label in "ab" for number in range(9)]
    videos += [f"{held_out}/{label}/{number}.mp4" for label in "ab" for number in range(9)]
    layout = layout_of(*videos)
    assert {layout.split(video) for video in videos[:18]} == {"train"}
    assert {layout.split(video) for video in videos[18:]} == {"holdout"}
    assert {layout.label(video) for video in videos} == {"a", "b"}
    expected = f"by folders: {train} (18) for training, {held_out} (18) held out"
    assert describe(layout, videos) == {"split": expected, "labels": "2 classes"}


def test_val_and_test_are_both_held_out():
    layout = layout_of(*(videos := ["train/a/1.mp4", "val/a/1.mp4", "test/a/1.mp4", "replacement/a/1.mp4"]))
    assert [layout.split(video) for video in videos] == ["train", "holdout", "holdout", "train"]
    assert describe(layout, videos)["split"].endswith("1 videos outside of them for training")


def test_the_split_may_lie_within_a_wrapper_or_within_the_classes():
    videos = ["ucf/train/a/1.mp4", "ucf/test/a/2.mp4"]
    assert table(layout_of(*videos), *videos) == [("a", "train"), ("a", "holdout")]
    videos = ["a/train/1.mp4", "a/test/2.mp4", "b/train/3.mp4"]
    assert table(layout_of(*videos), *videos) == [("a", "train"), ("a", "holdout"), ("b", "train")]
    videos = ["ucf/train/1.mp4", "ucf/test/2.mp4"]
    assert table(layout_of(*videos), *videos) == [("", "train"), ("", "holdout")]


@pytest.mark.parametrize(
    "videos",
    [
        ["train/1.mp4", "bus/2.mp4"],
        ["test/1.mp4", "bus/2.mp4"],
        ["a/1.mp4", "b/2.mp4"],
        ["train tracks/1.mp4", "test tube/2.mp4", "bus/3.mp4"],
    ],
)
def test_without_both_parts_the_hash_decides(videos):
    layout = layout_of(*videos)
    assert [layout.split(video) for video in videos] == [split_of(video, 0.25) for video in videos]
    with pytest.raises(InputError, match="--held_out=folders: .* no folder called train, or none called val or test"):
        layout_of(*videos, held_out="folders")


def test_records_keep_the_split_that_they_were_begun_with():
    videos = ["train/a/1.mp4", "test/a/2.mp4"]
    layout = layout_of(*videos, earlier={"size": 64})  # Of an earlier version, which knew the hash alone.
    assert [layout.split(video) for video in videos] == [split_of(video, 0.25) for video in videos]
    assert "not followed; --held_out=folders with other --records" in describe(layout, videos)["split"]
    assert layout_of(*videos, earlier={"held_out": "folders"}).split(videos[1]) == "holdout"
    assert layout_of(*videos, held_out="hash").depth is None


@pytest.mark.parametrize("level, label", [(0, "v_shooting_01"), (1, "shooting"), (2, "v_shooting_01"), (3, "")])
def test_the_level_names_the_class_folder(level, label):
    video = "shooting/v_shooting_01/v_shooting_01_02.mpg"
    assert layout_of(video, label_level=level).label(video) == label
    below = [f"train/{video}", f"test/{video}"]
    assert layout_of(*below, label_level=level).label(below[1]) == label


def test_nested_groups_and_videos_without_a_class_are_told():
    videos = ["shooting/g1/1.mpg", "shooting/g2/1.mpg", "diving/g1/2.mpg", "top\n.mpg"]
    assert describe(layout_of(*videos), videos)["labels"] == (
        "2 classes; 1 videos lie in no class folder and have no label, such as top?.mpg; they are the folders "
        "that hold the videos, such as shooting/g1; --label_level=1 takes the first folders, of which there are 2"
    )
    assert describe(layout_of(*videos, label_level=1), videos)["labels"].startswith("2 classes; 1 videos lie in no")
    assert describe(find_layout(videos, IngestConfig(), None), videos) == {}


def test_letters_that_systems_store_differently_are_one_class():
    names = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    videos = [f"train/{names[0]}/1.mp4", f"val/{names[1]}/2.mp4", "train/caf\udce9/3.mp4"]
    layout = layout_of(*videos)
    assert names[0] != names[1] and [layout.label(video) for video in videos] == [names[0], names[0], "caf\udce9"]
