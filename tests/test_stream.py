"""Frames as a stream: those of `decode`, its refusals, and a decoder that hangs, floods or is no longer wanted."""

import os
import stat
import threading
import time

import numpy as np
import pytest

from elo_tf.config import IngestConfig
from elo_tf.decoding import ffmpeg
from elo_tf.decoding.decode import UnusableError, decode
from elo_tf.decoding.stream import FrameStream
from tests import videos

CONFIG = IngestConfig(size=32)


def refusal(path, config=CONFIG):
    with pytest.raises(UnusableError) as caught:
        list(FrameStream(path, config))
    return caught.value


@pytest.mark.parametrize("fps", [12.5, 30.0])
def test_frames_are_those_of_decode(tmp_path, fps):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    path = videos.write(tmp_path / "a.mp4", noise, fps=25, sound=np.ones(16000, np.int16))
    config = IngestConfig(size=32, fps=fps)
    stream = FrameStream(path, config)
    found = np.stack(list(stream))
    np.testing.assert_array_equal(found, decode(path, config).frames)
    assert stream.count == len(found) and stream.warning == ""


def test_refusals_are_those_of_decode(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(os.urandom(5000))
    videos.ffmpeg("-f", "lavfi", "-i", "sine=duration=1", str(tmp_path / "sound.m4a"))
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {videos.plain(tmp_path / 'victim.ts')}\n")
    for name in ("empty.mp4", "noise.mp4", "sound.m4a", "list.mp4", "nowhere.mp4"):
        with pytest.raises(UnusableError) as expected:
            decode(tmp_path / name, CONFIG)
        found = refusal(tmp_path / name)
        assert str(found) == str(expected.value) and found.again == expected.value.again


def test_damage_in_the_middle_is_a_warning(tmp_path):
    random = np.random.default_rng(0)
    path = videos.write(tmp_path / "a.mp4", random.integers(0, 255, (40, 64, 64, 3), dtype=np.uint8))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = random.bytes(2000)
    path.write_bytes(content)
    stream = FrameStream(path, CONFIG)
    np.testing.assert_array_equal(np.stack(list(stream)), decode(path, CONFIG).frames)
    assert stream.warning.startswith("damaged, decoded in part: ")


def test_a_cut_is_a_warning(tmp_path):
    path = videos.plain(tmp_path / "a.mp4", frames=50)
    stream = FrameStream(path, IngestConfig(size=32, max_seconds=1.6))
    assert len(list(stream)) == 20 and stream.warning == "only its first 1.6 s (--max_seconds)"
    whole = FrameStream(path, IngestConfig(size=32, max_seconds=4.5))
    assert len(list(whole)) == 50 and whole.warning == ""


def test_the_decoder_waits_for_its_reader(tmp_path):
    path = videos.plain(tmp_path / "a.mp4", frames=100)
    # As long as the reader takes its time, the limit of the decoder's time does not run.
    frames = iter(FrameStream(path, IngestConfig(size=128, decode_seconds=1)))
    next(frames)
    time.sleep(1.5)
    assert sum(1 for _ in frames) == 99


def test_what_is_left_of_a_stream_is_ended(tmp_path, monkeypatch):
    started = []
    start = ffmpeg.start
    monkeypatch.setattr(ffmpeg, "start", lambda *given: started.append(start(*given)) or started[-1])
    frames = iter(FrameStream(videos.plain(tmp_path / "a.mp4", frames=200), IngestConfig(size=128)))
    next(frames)
    assert started[-1].poll() is None
    frames.close()
    assert started[-1].poll() is not None


def stand_in(tmp_path, monkeypatch, script):
    """Lets a shell script run in place of ffmpeg."""
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    (tmp_path / "a.mp4").write_bytes(b"x")
    return tmp_path / "a.mp4"


@pytest.mark.parametrize("script", ["sleep 60 & sleep 60", "head -c 5000 /dev/zero; sleep 60", "yes >&2"])
def test_a_decoder_without_a_frame_is_ended(tmp_path, monkeypatch, script):
    path, begun = stand_in(tmp_path, monkeypatch, script), time.monotonic()
    error = refusal(path, IngestConfig(size=32, decode_seconds=1))
    assert str(error) == "the decoder gives no frame for 1 s (--decode_seconds)" and error.again
    assert time.monotonic() - begun < 5


def test_a_crash_after_frames_is_a_warning(tmp_path, monkeypatch):
    path = stand_in(tmp_path, monkeypatch, f"head -c {3 * 3 * 32 * 32 + 7} /dev/zero; kill -SEGV $$")
    stream = FrameStream(path, CONFIG)
    assert len(list(stream)) == 3 and "status -11" in stream.warning
    assert "status -11" in str(refusal(stand_in(tmp_path, monkeypatch, "kill -SEGV $$")))


def test_kill_from_another_thread(tmp_path, monkeypatch):
    path = stand_in(tmp_path, monkeypatch, "exec sleep 60")
    stream, begun = FrameStream(path, CONFIG), time.monotonic()
    threading.Timer(0.3, stream.kill).start()
    with pytest.raises(UnusableError):
        list(stream)
    assert time.monotonic() - begun < 5


def test_a_gap_ends_the_frames(tmp_path):
    path = videos.with_gap(tmp_path / "gap.mkv", seconds=3600)
    stream, begun = FrameStream(path, IngestConfig(size=32, max_seconds=9000)), time.monotonic()
    assert len(list(stream)) == 13 and time.monotonic() - begun < 5
    assert stream.warning == "cut at 0.96 s, after which no frame comes for 3600 s"


def test_high_dynamic_range_is_that_of_decode(tmp_path):
    path = videos.high_dynamic_range(tmp_path / "a.mp4", "smpte2084", (126, 126, 126))
    np.testing.assert_array_equal(next(iter(FrameStream(path, CONFIG))), decode(path, CONFIG).frames[0])
