"""A stored video, decoded: what `records.serialize` was given comes back, flow in pixels."""

import dataclasses

import numpy as np
import pytest

from elo_tf.config import InputError
from elo_tf.data.records import Manifest, serialize
from elo_tf.data.stored_flow import quantise
from elo_tf.data.stored_video import StoredVideo
from elo_tf.data.tfrecord import ShardWriter
from elo_tf.data.video_entry import VideoEntry

BOUND = 8.0
NAMES = ("a/first.mp4", "b/süß.mp4")


def content(number):
    """Frames of one colour, a flow field whose two directions differ, sound of the second video alone."""
    frames = np.full((3, 16, 16, 3), (200, 100, 50), np.uint8) - np.uint8(number)
    flow = np.random.default_rng(number).uniform(-BOUND, BOUND, (3, 16, 16, 2))
    sound = np.arange(-48, 48, dtype=np.int16) if number else None
    return frames, flow, sound


@pytest.fixture
def manifest(tmp_path):
    writer = ShardWriter(tmp_path / "train-00000.tfrecord")
    entries = []
    for number, name in enumerate(NAMES):
        frames, flow, sound = content(number)
        writer.write(serialize(name, name[0], frames, quantise(flow, BOUND), sound, 95))
        entries.append(VideoEntry(name, "train", name[0], 3, sound is not None, "train-00000.tfrecord"))
    writer.close()
    settings = {"size": 16, "fps": 12.5, "flow_bound": BOUND, "holdout_fraction": 0.0}
    return Manifest(settings, 400, 32, entries, [], True, str(tmp_path))


@pytest.mark.parametrize("number", [0, 1])
def test_frames_flow_and_sound_come_back(manifest, number):
    frames, flow, sound = content(number)
    video = StoredVideo.load(manifest, NAMES[number])
    assert video.entry == manifest.usable[number]
    assert video.rgb.dtype == np.uint8 and np.abs(video.rgb.astype(int) - frames).max() <= 3  # JPEG.
    assert video.flow.dtype == np.float32
    np.testing.assert_allclose(video.flow, flow, atol=BOUND / 254 + 1e-6)
    if sound is None:
        assert video.sound is None
    else:
        np.testing.assert_array_equal(video.sound, sound)


def test_what_the_records_lack_is_named(manifest):
    with pytest.raises(InputError, match="has no usable video 'c.mp4'; choose an id of its manifest.usable"):
        StoredVideo.load(manifest, "c.mp4")
    other = VideoEntry("c.mp4", "train", "", 3, False, "train-00000.tfrecord")
    manifest = dataclasses.replace(manifest, usable=[*manifest.usable, other])
    with pytest.raises(InputError, match="train-00000.tfrecord lacks 'c.mp4'; run python -m elo_tf.prepare --validate"):
        StoredVideo.load(manifest, "c.mp4")


def test_a_damaged_shard_is_named(manifest, tmp_path):
    path = tmp_path / "train-00000.tfrecord"
    spoilt = bytearray(path.read_bytes())
    spoilt[40] ^= 1
    path.write_bytes(spoilt)
    with pytest.raises(InputError, match="train-00000.tfrecord is damaged .*record 0.*--validate"):
        StoredVideo.load(manifest, NAMES[0])
