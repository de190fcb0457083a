"""Records -> clips: what is cut, that it is repeatable, and that both ways of reading agree."""

import dataclasses

import cv2
import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import DataConfig, IngestConfig, InputError
from elo_tf.data.reader import Reader
from elo_tf.prepare.convert import convert
from elo_tf.runtime.workers.local import LocalEngine
from tests import videos

NEEDS = frozenset((segment, modality) for segment in ("now", "next", "other") for modality in ("rgb", "flow", "audio"))
PLAIN = DataConfig(frames=4, future_frames=2, crop_size=16, batch_size=4, flip=False, color_jitter=0.0)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Videos whose grey value tells the frame: frame f is 8 f + 10; two have sound, one is too short for most."""
    folder = tmp_path_factory.mktemp("data")
    for index, (count, sound) in enumerate([(20, True), (24, True), (16, False), (20, False), (22, False), (5, False)]):
        grey = np.arange(count, dtype=np.uint8)[:, None, None, None] * 8 + 10
        seconds = np.arange(count * 1280) / 16000
        tone = (9000 * np.sin(2 * np.pi * 500 * seconds)).astype(np.int16) if sound else None
        frames = np.broadcast_to(grey, [count, 24, 24, 3])
        videos.write(folder / "videos" / "ab"[index % 2] / f"{index}.mp4", frames, sound=tone)
    config = IngestConfig(size=24, labels="folders", holdout_fraction=0.0)
    convert(folder / "videos", folder / "records", config, LocalEngine(1))
    return str(folder / "records")


def frame_numbers(clip):
    """Grey values back to frame numbers: [..., T]."""
    return np.rint((clip.numpy().mean(axis=(-3, -2, -1)) * 255 - 10) / 8).astype(int)


def take(reader, count, seed=0):
    return list(reader.training(seed).take(count))


@pytest.mark.parametrize("segments, excluded", [(["now"], 0), (["now", "next"], 1), (["now", "other"], 1)])
def test_what_is_too_short_for_the_segments_in_use_is_counted(records, segments, excluded):
    # Five frames are enough for a clip of four, not for two frames more, nor for another moment.
    reader = Reader.open(records, "train", frozenset((segment, "rgb") for segment in segments), PLAIN)
    assert (reader.excluded, reader.videos.count) == (excluded, 6 - excluded)


def test_segments_are_contiguous_and_apart(records):
    reader = Reader.open(records, "train", NEEDS, PLAIN)
    earlier = 0
    for clips in take(reader, 20):
        numbers = [frame_numbers(clips[segment]["rgb"]) for segment in ("now", "next", "other")]
        for now, future, other in zip(*numbers):
            assert (np.diff([*now, *future]) == 1).all() and (np.diff(other) == 1).all()
            assert other[0] > future[-1] or other[-1] < now[0]
            earlier += other[-1] < now[0]
    assert 15 < earlier < 65  # Of 80: the other moment comes before as often as after.


LOSSLESS = ("-c:v", "ffv1")


@pytest.mark.parametrize("resident_gb", [4.0, 0.0])
def test_flow_of_a_clip_shows_nothing_of_the_frame_after_it(tmp_path, resident_gb):
    # Two videos that part at frame 9, the first after the window of six frames in the middle of twelve.
    ground = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, [24, 60, 3], np.uint8), (5, 5), 0)
    for name, places in (("on", range(12)), ("back", [*range(9), 4, 3, 2])):
        frames = np.stack([ground[:, 3 * place : 3 * place + 24] for place in places])
        videos.write(tmp_path / "videos" / f"{name}.mkv", frames, options=LOSSLESS)
    convert(tmp_path / "videos", tmp_path / "records", IngestConfig(size=24, holdout_fraction=0.0), LocalEngine(1))
    config = dataclasses.replace(PLAIN, frames=6, crop_size=24, resident_gb=resident_gb)
    reader = Reader.open(str(tmp_path / "records"), "train", frozenset({("now", "flow")}), config)
    stored = [reader.videos.frames(video, "flow", 3, 6).numpy() for video in reader.videos.in_order()]
    (on, back), (clips,) = stored, reader.windows(1)
    np.testing.assert_array_equal(on[:-1], back[:-1])
    assert np.abs(on[-1].astype(float) - back[-1])[..., 0].mean() > 10  # In units of 20/127 pixels.
    on, back = clips["now"]["flow"].numpy()
    np.testing.assert_array_equal(on, back)
    np.testing.assert_array_equal(on[-1], on[-2])
    assert np.abs(on[-2] - on[-3]).max() > 0


def test_all_places_are_visited(records):
    reader = Reader.open(records, "train", frozenset({("now", "rgb")}), PLAIN)
    starts = {int(start) for clips in take(reader, 60) for start in frame_numbers(clips["now"]["rgb"])[:, 0]}
    assert starts == set(range(24 - 4 + 1))


def test_each_video_once_an_epoch(records):
    reader = Reader.open(records, "train", NEEDS, dataclasses.replace(PLAIN, batch_size=5))
    assert reader.videos.count == 5 and reader.excluded == 1
    orders = [tuple(clips["video"].numpy()) for clips in take(reader, 6)]
    assert all(len(set(order)) == 5 for order in orders)
    assert len(set(orders)) > 1


def test_seeds(records):
    reader = Reader.open(records, "train", NEEDS, dataclasses.replace(PLAIN, flip=True, color_jitter=0.3))
    again = Reader.open(records, "train", NEEDS, dataclasses.replace(PLAIN, flip=True, color_jitter=0.3))
    for one, two in zip(take(reader, 4), take(again, 4)):
        tf.nest.map_structure(np.testing.assert_array_equal, one, two)
    other = take(reader, 1, seed=1)[0]["now"]["rgb"].numpy()
    assert (other != take(reader, 1)[0]["now"]["rgb"].numpy()).any()


def test_iterator_can_be_saved_and_restored(records, tmp_path):
    reader = Reader.open(records, "train", NEEDS, PLAIN)
    iterator = iter(reader.training(3))
    for _ in range(5):
        next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "iterator"))
    expected = next(iterator)
    restored = iter(reader.training(3))
    tf.train.Checkpoint(iterator=restored).restore(path)
    tf.nest.map_structure(np.testing.assert_array_equal, expected, next(restored))


def test_streamed_equals_resident(records):
    streaming = dataclasses.replace(PLAIN, resident_gb=0.0)
    clips = {}
    for config in (PLAIN, streaming):
        for batch in Reader.open(records, "train", frozenset(NEEDS), config).scoring(5):
            for row, video in enumerate(batch["video"].numpy()):
                clips.setdefault(int(video), []).append(tf.nest.map_structure(lambda part, row=row: part[row], batch))
    assert len(clips) == 5
    for one, two in clips.values():
        tf.nest.map_structure(np.testing.assert_array_equal, one, two)


def test_streamed_is_repeatable_and_complete(records):
    config = dataclasses.replace(PLAIN, resident_gb=0.0, batch_size=5)
    reader = Reader.open(records, "train", NEEDS, config)
    one, two = take(reader, 12), take(Reader.open(records, "train", NEEDS, config), 12)
    for first, second in zip(one, two):
        tf.nest.map_structure(np.testing.assert_array_equal, first, second)
    assert len({int(video) for clips in one for video in clips["video"]}) == 5


def test_scoring_windows_are_spread_and_do_not_overlap(records):
    reader = Reader.open(records, "train", frozenset({("now", "rgb")}), PLAIN)
    # Six videos of at least five frames: one window of four frames each fits into the shortest.
    assert reader.windows_per_video(1000) == 1
    longer = Reader.open(records, "train", NEEDS, PLAIN)
    starts = {}
    for clips in longer.scoring(15):
        for video, numbers in zip(clips["video"].numpy(), frame_numbers(clips["now"]["rgb"])):
            starts.setdefault(int(video), []).append(numbers)
    assert all(len(windows) == 3 for windows in starts.values())
    for windows in starts.values():
        assert len(set(np.concatenate(windows))) == 12


def test_sound_goes_with_its_frames_and_its_absence_is_marked(records):
    reader = Reader.open(records, "train", NEEDS, PLAIN)
    for clips in take(reader, 3):
        loud = clips["now"]["audio"].numpy().max(axis=(1, 2, 3, 4))
        assert ((loud > 0.5) == (clips["present"]["audio"].numpy() == 1)).all()
        assert (loud[clips["present"]["audio"].numpy() == 0] == 0).all()


def test_labels_are_places_in_the_sorted_list(records):
    reader = Reader.open(records, "train", NEEDS, PLAIN)
    assert reader.manifest.labels == ["a", "b"]
    by_video = {video.id: "ab".index(video.label) for video in reader.manifest.usable}
    seen = {int(label) for clips in take(reader, 3) for label in clips["label"]}
    assert seen == set(by_video.values()) == {0, 1}


def test_only_what_is_needed_is_delivered(records):
    reader = Reader.open(records, "train", frozenset({("now", "rgb"), ("other", "flow")}), PLAIN)
    clips = take(reader, 1)[0]
    assert {segment: set(clips[segment]) for segment in ("now", "other")} == {"now": {"rgb"}, "other": {"flow"}}
    assert "next" not in clips


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(crop_size=25), "--crop_size=25 is larger than the 24 pixels"),
        (dict(frames=40), "no train video of .* has the 82 frames needed \\(the longest has 24\\)"),
        (dict(audio_steps=3), "--audio_steps=3"),
    ],
)
def test_settings_that_do_not_fit_the_records(records, change, message):
    with pytest.raises(InputError, match=message):
        Reader.open(records, "train", NEEDS, dataclasses.replace(PLAIN, **change))


def test_empty_split(records):
    with pytest.raises(InputError, match="no videos in its holdout part"):
        Reader.open(records, "holdout", NEEDS, PLAIN)


@pytest.mark.parametrize("resident_gb", [4.0, 0.0])
def test_named_videos_with_classes_of_their_own(records, resident_gb):
    config = dataclasses.replace(PLAIN, resident_gb=resident_gb, batch_size=3)
    chosen = {"a/0.mp4": 7, "b/3.mp4": 5}
    reader = Reader.open(records, "named", frozenset({("now", "rgb")}), config, chosen)
    assert reader.videos.count == 2
    seen = {label for clips in take(reader, 4) for label in clips["label"].numpy().tolist()}
    assert seen == {5, 7}
    batches = list(reader.windows(6))
    labels = np.concatenate([clips["label"] for clips in batches])
    assert sorted(labels) == [5] * 6 + [7] * 6
    starts = np.concatenate([frame_numbers(clips["now"]["rgb"])[:, 0] for clips in batches])
    # 17 places for a window of 4 in 20 frames; the middles of six parts of them.
    np.testing.assert_array_equal(starts[labels == 7], [1, 4, 7, 9, 12, 15])


@pytest.mark.parametrize("resident_gb", [4.0, 0.0])
def test_videos_shorter_than_a_clip_begin_again(records, resident_gb):
    config = dataclasses.replace(PLAIN, frames=12, resident_gb=resident_gb)
    needs, chosen = frozenset({("now", "rgb")}), {"b/5.mp4": 1, "a/2.mp4": 0}
    reader = Reader.open(records, "named", needs, config, chosen, loop=True)
    assert (reader.videos.count, reader.excluded, reader.shortest) == (2, 0, 5)
    short = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    (clips,) = reader.windows(2)
    found = {
        label: numbers.tolist() for label, numbers in zip(clips["label"].numpy(), frame_numbers(clips["now"]["rgb"]))
    }
    assert found == {1: short, 0: list(range(3, 15))}
    for clips in take(reader, 3):
        for label, numbers in zip(clips["label"].numpy(), frame_numbers(clips["now"]["rgb"])):
            assert numbers.tolist() == (short if label else list(range(numbers[0], numbers[0] + 12)))
    left = Reader.open(records, "named", needs, config, chosen)
    assert (left.videos.count, left.excluded) == (1, 1)


def test_windows_overlap_where_a_video_is_short(records):
    reader = Reader.open(records, "named", frozenset({("now", "rgb")}), PLAIN, {"b/5.mp4": 0})
    starts = np.concatenate([frame_numbers(clips["now"]["rgb"])[:, 0] for clips in reader.windows(4)])
    np.testing.assert_array_equal(starts, [0, 0, 1, 1])
