"""Decoding: geometry, clock, sound alignment, refusals, limits, and names that are nothing but names."""

import os
import stat
import time

import numpy as np
import pytest

from elo_tf.config import IngestConfig, InputError
from elo_tf.decoding import ffmpeg, picture
from elo_tf.decoding.decode import UnusableError, check_clip_bytes, decode, sound_grid
from tests import videos

CONFIG = IngestConfig(size=32)
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


def corners(frame):
    """Names of the colours in the four corners, clockwise from the upper left."""
    near, far = frame.shape[0] // 4, 3 * frame.shape[0] // 4
    pixels = [frame[near, near], frame[near, far], frame[far, far], frame[far, near]]
    return [min(COLOURS, key=lambda name: np.abs(np.subtract(COLOURS[name], pixel)).sum()) for pixel in pixels]


def refusal(path, config=CONFIG):
    with pytest.raises(UnusableError) as caught:
        decode(path, config)
    return caught.value


@pytest.mark.parametrize("fps, expected", [(12.5, (16000, 1280)), (30, (15840, 528)), (25, (16000, 640))])
def test_sound_grid_by_hand(fps, expected):
    assert sound_grid(fps) == expected


@pytest.mark.parametrize("fps", [1, 7.3, 10, 12.5, 23.976, 29.97, 60, 120])
def test_sound_grid_is_the_closest_multiple_of_16(fps):
    rate, samples = sound_grid(fps)
    assert samples % 16 == 0
    assert abs(samples - 16000 / fps) <= 8
    assert abs(rate - samples * fps) <= 0.5


def test_frames_are_the_pictures_in_order(tmp_path):
    greys = np.arange(20, 240, 20)
    path = videos.write(tmp_path / "a.mp4", np.tile(greys[:, None, None, None], (1, 32, 32, 3)).astype(np.uint8))
    clip = decode(path, CONFIG)
    assert clip.frames.shape == (len(greys), 32, 32, 3) and clip.frames.dtype == np.uint8
    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)), greys, atol=3)
    assert clip.sound is None and clip.warning == ""


def test_centre_square_is_cut_before_scaling(tmp_path):
    wide = np.zeros((4, 32, 96, 3), np.uint8)
    wide[:, :, 32:64] = videos.quadrants(32, 32)
    frames = decode(videos.write(tmp_path / "wide.mp4", wide), CONFIG).frames
    assert corners(frames[0]) == ["red", "green", "white", "blue"]
    tall = decode(videos.write(tmp_path / "tall.mp4", wide.transpose(0, 2, 1, 3)), CONFIG).frames
    assert corners(tall[0]) == ["red", "blue", "white", "green"]


def test_sample_aspect_ratio_is_honoured(tmp_path):
    # Stored 32 x 64, pixels twice as wide as high: meant to be seen as a square, all of it.
    # Without that, only its middle would be kept, and the dark border at its top would be lost.
    squeezed = np.repeat(videos.quadrants(64, 32), 4, axis=0)
    squeezed[:, :8] = 0
    plain, path = videos.write(tmp_path / "plain.mp4", squeezed), tmp_path / "sar.mp4"
    videos.ffmpeg("-i", str(plain), "-vf", "setsar=2", "-crf", "8", str(path))
    seen = decode(path, CONFIG).frames[0]
    assert corners(seen) == ["red", "green", "white", "blue"]
    assert seen[1].mean() < 20 and decode(plain, CONFIG).frames[0, 1].mean() > 60


@pytest.mark.parametrize(
    "degrees, expected",
    [
        (0, ["red", "green", "white", "blue"]),
        (90, ["green", "white", "blue", "red"]),
        (180, ["white", "blue", "red", "green"]),
    ],
)
def test_rotation_metadata_is_honoured(tmp_path, degrees, expected):
    videos.write(tmp_path / "plain.mp4", np.repeat(videos.quadrants(32, 32), 4, axis=0))
    rotated = tmp_path / "rotated.mp4"
    videos.ffmpeg("-display_rotation", str(degrees), "-i", str(tmp_path / "plain.mp4"), "-c", "copy", str(rotated))
    assert corners(decode(rotated, CONFIG).frames[0]) == expected  # counter-clockwise, as ffmpeg counts


@pytest.mark.parametrize("height, width", [(2, 640), (640, 2), (95, 127)])
def test_any_shape_gives_squares(tmp_path, height, width):
    frames = np.full((3, height, width, 3), (200, 40, 40), np.uint8)
    options = ("-c:v", "ffv1", "-pix_fmt", "bgr0")
    clip = decode(videos.write(tmp_path / "a.mkv", frames, options=options), CONFIG)
    np.testing.assert_allclose(clip.frames, np.broadcast_to((200, 40, 40), (3, 32, 32, 3)), atol=4)


def test_huge_and_thin_costs_nothing(tmp_path):
    path = videos.write(tmp_path / "a.mkv", np.full((3, 1, 10000, 3), 77, np.uint8), options=("-c:v", "ffv1"))
    start = time.monotonic()
    clip = decode(path, IngestConfig(size=32, decode_memory_mb=512))
    assert time.monotonic() - start < 2
    assert clip.frames.shape == (3, 32, 32, 3)


def test_variable_frame_rate_keeps_the_clock(tmp_path):
    # Every frame of the first second, every fifth of the second one: brightness is time.
    ramp = np.tile(np.arange(0, 200, 4, dtype=np.uint8)[:, None, None, None], (1, 32, 32, 3))
    videos.write(tmp_path / "constant.mp4", ramp, fps=25)
    kept = r"select='lt(n,25)+not(mod(n,5))'"
    path = tmp_path / "vfr.mp4"
    videos.ffmpeg("-i", str(tmp_path / "constant.mp4"), "-vf", kept, "-fps_mode", "vfr", "-crf", "8", str(path))
    frames = decode(path, CONFIG).frames
    brightness = frames.mean((1, 2, 3))
    expected = [8 * t if t < 13 else 4 * (5 * ((2 * t) // 5)) for t in range(len(frames))]
    assert abs(len(frames) - 24) <= 1
    np.testing.assert_allclose(brightness[:22], expected[:22], atol=13)  # less than a step of the slow part


@pytest.mark.parametrize("sound_start", [0.0, 1.2])
@pytest.mark.parametrize("fps", [12.5, 30.0])
def test_flash_and_click_meet(tmp_path, sound_start, fps):
    config = IngestConfig(size=32, fps=fps)
    clip = decode(videos.flash_and_click(tmp_path / "a.mp4", at=2.0, sound_start=sound_start), config)
    samples = sound_grid(fps)[1]
    assert len(clip.sound) == len(clip.frames) * samples
    flash = int(np.argmax(clip.frames.mean((1, 2, 3))))
    click = int(np.argmax(np.abs(clip.sound.astype(int)))) // samples
    assert abs(flash - 2.0 * fps) <= 1 and abs(click - flash) <= 1


@pytest.mark.parametrize("seconds, last", [(0.8, 9), (4.0, 24)])
def test_sound_that_ends_early_is_padded_and_that_ends_late_is_cut(tmp_path, seconds, last):
    frames = np.full((25, 32, 32, 3), 99, np.uint8)  # 2 s
    tone = (8000 * np.sin(np.arange(int(seconds * videos.RATE)) / 5)).astype(np.int16)
    clip = decode(videos.write(tmp_path / "a.mp4", frames, sound=tone), CONFIG)
    assert clip.sound.shape == (25 * 1280,)
    sounding = np.flatnonzero(np.abs(clip.sound.reshape(25, 1280).astype(int)).mean(1) > 1000)
    assert sounding[0] == 0 and abs(sounding[-1] - last) <= 1


def test_tone_keeps_its_pitch_at_an_odd_rate(tmp_path):
    config = IngestConfig(size=32, fps=30)
    clip = decode(videos.plain(tmp_path / "a.mp4", frames=25, sound=True), config)
    spectrum = np.abs(np.fft.rfft(clip.sound[2000:17840]))
    assert abs(np.argmax(spectrum) * sound_grid(30)[0] / 15840 - 440) <= 2


def test_silent_track_counts_as_no_sound(tmp_path):
    frames = np.full((12, 32, 32, 3), 99, np.uint8)
    clip = decode(videos.write(tmp_path / "a.mp4", frames, sound=np.zeros(16000, np.int16)), CONFIG)
    assert clip.sound is None and clip.warning == "the sound track is silent"


def tone(hertz, amplitude=8000, seconds=0.64):
    """int16 [samples] at 16 kHz."""
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * 16000)) / 16000)).astype(np.int16)


def pitch(sound):
    """Hz of the strongest part of a sound at 16 kHz."""
    return np.argmax(np.abs(np.fft.rfft(sound))) * 16000 / len(sound)


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
def test_a_silent_track_is_passed_over(tmp_path, codec):
    quiet, loud = np.zeros((10240, 2), np.int16), np.stack([tone(500)] * 2, 1)
    path = videos.add_sounds(tmp_path / "a.mkv", videos.plain(tmp_path / "v.mp4"), quiet, loud, codec=codec)
    clip = decode(path, CONFIG)
    assert pitch(clip.sound) == pytest.approx(500, abs=2) and len(clip.sound) == 8 * 1280
    assert clip.warning == "sound is that of track 2: the sound track is silent"


def test_the_first_of_several_good_tracks_is_taken(tmp_path):
    tracks = [np.stack([tone(hertz)] * 2, 1) for hertz in (500, 1000)]
    clip = decode(videos.add_sounds(tmp_path / "a.mkv", videos.plain(tmp_path / "v.mp4"), *tracks), CONFIG)
    assert pitch(clip.sound) == pytest.approx(500, abs=2) and clip.warning == ""


def test_a_track_of_an_unknown_codec_is_passed_over(tmp_path):
    tracks = [np.stack([tone(hertz)] * 2, 1) for hertz in (500, 1000)]
    path = videos.add_sounds(tmp_path / "a.mkv", videos.plain(tmp_path / "v.mp4"), *tracks)
    content = path.read_bytes()
    assert content.count(b"A_PCM/INT/LIT") == 2
    path.write_bytes(content.replace(b"A_PCM/INT/LIT", b"A_QQQ/INT/LIT", 1))
    clip = decode(path, CONFIG)
    assert pitch(clip.sound) == pytest.approx(1000, abs=2)
    assert clip.warning == "sound is that of track 2: the sound track has a codec that ffmpeg does not know"
    path.write_bytes(content.replace(b"A_PCM/INT/LIT", b"A_QQQ/INT/LIT"))
    clip = decode(path, CONFIG)
    assert clip.sound is None and len(clip.frames) == 8
    assert clip.warning == ", ".join(f"sound track {n} has a codec that ffmpeg does not know" for n in (1, 2))


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
def test_channels_in_anti_phase_do_not_cancel(tmp_path, codec):
    path = tmp_path / "a.mkv"
    videos.add_sounds(path, videos.plain(tmp_path / "v.mp4"), np.stack([tone(500), -tone(500)], 1), codec=codec)
    clip = decode(path, CONFIG)
    assert pitch(clip.sound) == pytest.approx(500, abs=2)
    assert np.abs(clip.sound[2000:8000].astype(int)).max() == pytest.approx(8000, rel=0.05)


def test_two_channels_become_their_mean(tmp_path):
    both = np.stack([tone(500), np.zeros(10240, np.int16)], 1)
    clip = decode(videos.add_sounds(tmp_path / "a.mkv", videos.plain(tmp_path / "v.mp4"), both), CONFIG)
    np.testing.assert_allclose(clip.sound, tone(500) / 2, atol=1)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_high_dynamic_range_is_shown_as_on_a_usual_screen(tmp_path, transfer):
    grey = decode(videos.high_dynamic_range(tmp_path / "grey.mp4", transfer, (126, 126, 126)), CONFIG)
    np.testing.assert_allclose(grey.frames.mean((0, 1, 2)), 126, atol=3)
    red = decode(videos.high_dynamic_range(tmp_path / "red.mp4", transfer, (252, 0, 0)), CONFIG)
    np.testing.assert_allclose(red.frames.mean((0, 1, 2)), (240, 15, 8), atol=15)
    assert grey.warning == red.warning == ""


def test_high_dynamic_range_that_cannot_be_mapped_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "can_tone_map", lambda: False)
    clip = decode(videos.high_dynamic_range(tmp_path / "a.mp4", "smpte2084", (126, 126, 126)), CONFIG)
    assert clip.warning.startswith("high dynamic range (PQ) that this ffmpeg cannot map")
    assert len(clip.frames) == 2


@pytest.mark.parametrize("seconds", [20, 86400])
def test_a_video_is_cut_at_a_gap(tmp_path, seconds):
    path = videos.with_gap(tmp_path / "a.mkv", seconds)
    clip = decode(path, CONFIG)
    assert len(clip.frames) == 13 and abs(clip.frames.mean() - 100) < 3
    assert clip.warning == f"cut at 0.96 s, after which no frame comes for {seconds + 0.04:.4g} s"
    assert len(decode(path, IngestConfig(size=32, max_gap_seconds=0)).frames) > 250


def test_frames_that_start_late_are_told(tmp_path):
    video, path = videos.plain(tmp_path / "v.mp4"), tmp_path / "a.mkv"
    sound = ["-f", "lavfi", "-i", "sine=500:d=14"]
    videos.ffmpeg("-itsoffset", "12", "-i", str(video), *sound, "-c:v", "copy", "-c:a", "pcm_s16le", str(path))
    clip = decode(path, CONFIG)
    assert len(clip.frames) == 158 and clip.sound.any()
    assert clip.warning == "its first frame comes after 12 s, and is shown from the start"


def test_a_pause_is_no_gap(tmp_path):
    clip = decode(videos.with_gap(tmp_path / "a.mkv", 3), CONFIG)
    assert clip.warning == "" and 62 <= len(clip.frames) <= 64 and clip.frames[-1].mean() > 250


def test_no_more_than_max_seconds(tmp_path):
    path = videos.plain(tmp_path / "a.mp4", frames=50, sound=True)
    clip = decode(path, IngestConfig(size=32, max_seconds=1.6))
    assert len(clip.frames) == 20 and len(clip.sound) == 20 * 1280


def test_picture_that_changes_its_size_keeps_the_clock(tmp_path):
    for name, size, grey in (("a", 32, 60), ("b", 64, 200)):
        videos.write(tmp_path / f"{name}.ts", np.full((25, size, size, 3), grey, np.uint8), fps=25)
    (tmp_path / "both.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    brightness = decode(tmp_path / "both.ts", CONFIG).frames.mean((1, 2, 3))
    assert np.all(np.diff(brightness) > -5), "time ran backwards"
    assert brightness[0] < 70 and brightness[-1] > 190 and len(brightness) <= 27


def test_refusals_say_why(tmp_path):
    def file(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    assert str(refusal(file("empty.mp4", b""))) == "empty file"
    assert str(refusal(file("noise.mp4", os.urandom(5000)))).startswith(("not a video", "cannot be decoded"))
    assert str(refusal(file("text.txt", b"hello\n" * 99))).startswith(("not a video", "cannot be decoded"))
    whole = videos.plain(tmp_path / "whole.mp4", sound=True).read_bytes()
    start_only = whole[: whole.index(b"moov") - 100]
    assert str(refusal(file("cut.mp4", start_only))) == "cannot be decoded: moov atom not found"
    videos.ffmpeg("-f", "lavfi", "-i", "sine=duration=1", str(tmp_path / "sound.m4a"))
    assert str(refusal(tmp_path / "sound.m4a")) == "no video stream"
    assert str(refusal(tmp_path / "nowhere.mp4")) == "cannot be read: no such file or directory"
    (tmp_path / "broken.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert str(refusal(tmp_path / "broken.mp4")) == "broken link"
    os.mkfifo(tmp_path / "fifo.mp4")
    assert str(refusal(tmp_path / "fifo.mp4")) == "not a regular file"


def test_damage_in_the_middle_is_a_warning(tmp_path):
    rng = np.random.default_rng(0)
    path = videos.write(tmp_path / "a.mp4", rng.integers(0, 255, (40, 64, 64, 3), dtype=np.uint8))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = rng.bytes(2000)
    path.write_bytes(content)
    clip = decode(path, CONFIG)
    assert len(clip.frames) > 10 and clip.warning.startswith("damaged, decoded in part: ")
    assert "0x" not in clip.warning and str(tmp_path) not in clip.warning


@pytest.mark.parametrize(
    "name",
    ["-i.mp4", "--help", "a;touch b.mp4", "$(touch b).mp4", "%03d.mp4", "http:x.mp4", "concat:a|b.mp4", "ü\n.mp4"],
)
def test_a_name_is_only_a_name(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    videos.plain(tmp_path / "plain.mp4", frames=3).rename(tmp_path / name)
    assert decode((tmp_path / name).relative_to(tmp_path), CONFIG).frames.shape[0] == 3
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    "script",
    [
        "ffconcat version 1.0\nfile {victim}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{victim}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:{victim}\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_playlist_reads_no_other_file(tmp_path, script):
    victim = videos.plain(tmp_path / "victim.ts", frames=5)
    for name in ("list.mp4", "list.m3u8", "list.ffconcat"):
        (tmp_path / name).write_text(script.format(victim=victim.name))
        assert refusal(tmp_path / name).again is False
        (tmp_path / name).write_text(script.format(victim=victim))
        refusal(tmp_path / name)


def stand_in(tmp_path, monkeypatch, script):
    """Lets a shell script run in place of ffmpeg: a decoder gone wild."""
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    (tmp_path / "a.mp4").write_bytes(b"x")
    return tmp_path / "a.mp4"


def holders_end(pipe, seconds=5.0):
    """Whether all who hold the writing end of a pipe end; a killed grandchild needs a moment for it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return os.read(pipe, 1) == b""
        except BlockingIOError:
            time.sleep(0.01)
    return False


def test_decoder_that_hangs_is_ended_with_its_children(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "alive")
    alive = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    path = stand_in(tmp_path, monkeypatch, f"exec 9> {tmp_path}/alive; sleep 60 & sleep 60")
    start = time.monotonic()
    error = refusal(path, IngestConfig(size=32, decode_seconds=1))
    assert time.monotonic() - start < 5
    assert str(error) == "decoding takes longer than 1 s (--decode_seconds)" and error.again
    assert holders_end(alive), "a process still holds the pipe"
    os.close(alive)


def test_decoder_cannot_write_files(tmp_path, monkeypatch):
    # In a child of the decoder, at once: no moment may be free of limits.
    refusal(stand_in(tmp_path, monkeypatch, f"head -c 100000 /dev/zero > {tmp_path}/loot"))
    assert (tmp_path / "loot").stat().st_size == 0


def test_decoder_that_spins_is_ended(tmp_path, monkeypatch):
    error = refusal(stand_in(tmp_path, monkeypatch, "while :; do :; done"), IngestConfig(size=32, decode_seconds=1))
    assert "--decode_seconds" in str(error) and error.again


@pytest.mark.parametrize("descriptor", ["1", "2"])
def test_flood_is_bounded(tmp_path, monkeypatch, descriptor):
    path = stand_in(tmp_path, monkeypatch, f"yes >&{descriptor}")
    error = refusal(path, IngestConfig(size=16, max_seconds=1, decode_seconds=1))
    assert str(error).startswith("the decoder gives more" if descriptor == "1" else "decoding takes longer")


def test_decoder_that_crashes_is_a_refusal(tmp_path, monkeypatch):
    error = refusal(stand_in(tmp_path, monkeypatch, "kill -SEGV $$"))
    assert str(error).startswith("the decoder crashed (SIGSEGV, status -11); a newer ffmpeg may decode it")
    assert error.again, "a newer one would never be tried"


def test_a_machine_without_ffmpeg_is_told_so(tmp_path, monkeypatch):
    path = stand_in(tmp_path, monkeypatch, "")

    def none():
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(ffmpeg.imageio_ffmpeg, "get_ffmpeg_exe", none)
    with pytest.raises(InputError, match="IMAGEIO_FFMPEG_EXE"):
        decode(path, CONFIG)


def test_memory_limit(tmp_path):
    picture = ["-f", "lavfi", "-i", "color=s=6000x6000:d=0.16:r=25", "-c:v", "mjpeg", "-pix_fmt", "yuvj444p"]
    videos.ffmpeg(*picture, str(tmp_path / "big.mkv"))
    error = refusal(tmp_path / "big.mkv", IngestConfig(size=32, decode_memory_mb=256))
    assert "--decode_memory_mb" in str(error) and error.again
    assert len(decode(tmp_path / "big.mkv", CONFIG).frames) == 2


def test_settings_that_cannot_fit_are_refused():
    with pytest.raises(InputError, match="--max_seconds=3000"):
        check_clip_bytes(IngestConfig(size=224, fps=25, max_seconds=3000))
    check_clip_bytes(IngestConfig(size=224, fps=25, max_seconds=60))
