"""Makes small videos for tests, with ffmpeg: what they show and when they sound is known to the frame."""

import subprocess
import tempfile
import wave
from pathlib import Path
from typing import Container, Optional, Sequence

import imageio_ffmpeg
import numpy as np

from elo_tf.config import IngestConfig
from elo_tf.prepare.convert import convert
from elo_tf.runtime.workers.local import LocalEngine

RATE = 16000  # Hz, of the sound given to `write`


def ffmpeg(*arguments: str, stdin: bytes = b"") -> None:
    """Runs ffmpeg; its messages are the error's text if it fails."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-hide_banner", "-loglevel", "error", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())


def write(
    path: Path,
    frames: np.ndarray,
    fps: float = 12.5,
    sound: Optional[np.ndarray] = None,
    sound_start: float = 0.0,
    options: Sequence[str] = ("-c:v", "libx264", "-crf", "8", "-pix_fmt", "yuv420p", "-c:a", "aac"),
) -> Path:
    """Writes frames uint8 [F,H,W,3], and sound int16 [samples] at 16 kHz that starts `sound_start` seconds late."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, height, width, _ = frames.shape
    inputs = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "pipe:0"]
    with tempfile.TemporaryDirectory() as folder:
        if sound is not None:
            with wave.open(f"{folder}/sound.wav", "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes(sound.astype("<i2").tobytes())
            inputs += ["-itsoffset", str(sound_start), "-i", f"{folder}/sound.wav"]
        ffmpeg(*inputs, *options, f"file:{path}", stdin=frames.tobytes())
    return path


def plain(path: Path, frames: int = 8, size: int = 32, grey: int = 128, sound: bool = False, fps: float = 12.5) -> Path:
    """A quick video of one grey value, with a 440 Hz tone if `sound`."""
    seconds = np.arange(round(frames / fps * RATE)) / RATE
    wave_form = (8000 * np.sin(2 * np.pi * 440 * seconds)).astype(np.int16)
    return write(path, np.full((frames, size, size, 3), grey, np.uint8), fps, wave_form if sound else None)


def flash_and_click(path: Path, at: float, seconds: float = 3.0, fps: float = 25.0, sound_start: float = 0.0) -> Path:
    """Black and silent but for a white frame and a click of 10 ms at `at` seconds; the sound track may start late."""
    frames = np.zeros((round(seconds * fps), 48, 64, 3), np.uint8)
    frames[round(at * fps)] = 255
    sound = np.zeros(round((seconds - sound_start) * RATE), np.int16)
    start = round((at - sound_start) * RATE)
    sound[start : start + RATE // 100] = 20000
    return write(path, frames, fps, sound, sound_start)


def with_gap(path: Path, seconds: float, fps: float = 25.0) -> Path:
    """A grey second, `seconds` without a frame, a white second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.full((round(2 * fps), 32, 32, 3), 100, np.uint8)
    frames[round(fps) :] = 255
    inputs = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "32x32", "-r", str(fps), "-i", "pipe:0"]
    later = f"setpts='PTS+if(gte(N,{round(fps)}),{seconds}/TB,0)'"
    ffmpeg(*inputs, "-vf", later, "-fps_mode", "passthrough", "-c:v", "ffv1", f"file:{path}", stdin=frames.tobytes())
    return path


def high_dynamic_range(path: Path, transfer: str, colour: Sequence[int]) -> Path:
    """A colour of a usual screen as PQ (smpte2084) or HLG (arib-std-b67) whose paper white is 203 cd/m2 (BT.2408)."""
    inputs = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x64", "-r", "12.5", "-i", "pipe:0"]
    mapped = f"zscale=tin=bt709:min=bt709:pin=bt709:rin=tv:t={transfer}:p=bt2020:m=bt2020nc:r=tv:npl=203"
    tags = ["-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc"]
    picture = np.broadcast_to(np.array(colour, np.uint8), (2, 64, 64, 3))
    codec = ["-vf", f"scale=out_color_matrix=bt709,format=yuv444p,{mapped},format=yuv420p10le", "-c:v", "libx264"]
    ffmpeg(*inputs, *codec, "-crf", "4", *tags, f"file:{path}", stdin=picture.tobytes())
    return path


def add_sounds(path: Path, video: Path, *sounds: np.ndarray, codec: str = "pcm_s16le") -> Path:
    """A video with a sound track for each of the given ones, int16 [samples,channels] at 16 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        inputs, maps = ["-i", f"file:{video}"], ["-map", "0:v"]
        for number, sound in enumerate(sounds, 1):
            with wave.open(f"{folder}/{number}.wav", "wb") as file:
                file.setparams((sound.shape[1], 2, RATE, 0, "NONE", ""))
                file.writeframes(sound.astype("<i2").tobytes())
            inputs += ["-i", f"{folder}/{number}.wav"]
            maps += ["-map", str(number)]
        ffmpeg(*inputs, *maps, "-c:v", "copy", "-c:a", codec, f"file:{path}")
    return path


def quadrants(height: int, width: int) -> np.ndarray:
    """One frame uint8 [1,H,W,3]: red, green above blue, white."""
    frame = np.zeros((1, height, width, 3), np.uint8)
    frame[:, : height // 2, : width // 2] = (255, 0, 0)
    frame[:, : height // 2, width // 2 :] = (0, 255, 0)
    frame[:, height // 2 :, : width // 2] = (0, 0, 255)
    frame[:, height // 2 :, width // 2 :] = 255
    return frame


def noise_records(folder: Path, count: int = 16, silent: Container[int] = ()) -> Path:
    """Records of `count` small videos of noise, 12 frames each, four in ten held out; all but the silent have sound."""
    random = np.random.default_rng(0)
    for index in range(count):
        frames = random.integers(0, 255, [12, 6, 6, 3], np.uint8).repeat(4, axis=1).repeat(4, axis=2)
        sound = random.integers(-9000, 9000, 12 * 1280).astype(np.int16)
        write(folder / "videos" / f"{index}.mp4", frames, sound=None if index in silent else sound)
    convert(folder / "videos", folder / "records", IngestConfig(size=24, holdout_fraction=0.4), LocalEngine(2))
    return folder / "records"
