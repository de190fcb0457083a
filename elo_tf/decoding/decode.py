"""One video file in, frames and the sound that belongs to them out, by one ffmpeg process under limits.

    file -> ffmpeg -+- fps -> centre square -> scale ------------> RGB24 on one pipe
                    +- silence before and between -> mono, rate -> PCM on another pipe

ffmpeg runs apart from the program: a file that crashes a decoder, or makes it run on, costs that file alone. The name
of a file is data: it is given as an absolute path of the `file:` protocol, no other protocol may be opened, and only
containers that hold their own media are accepted, so that a playlist named `x.mp4` cannot read other files.

Time 0 is the start of the container (the earliest stream) for frames and sound alike. A video that starts later repeats
its first frame; sound that starts later, pauses or ends early is padded with silence.
"""

import dataclasses
import math
import stat
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np

from elo_tf.config import IngestConfig, InputError
from elo_tf.decoding import ffmpeg

_TARGET_RATE = 16000
_BLOCK = 16  # so that 1, 2, 4, 8 or 16 spectrogram steps tile a frame
_MAX_CLIP_BYTES = 1 << 30

# Containers that carry their media in themselves, and sound files, which are refused later with a clearer reason.
_CONTAINERS = (
    "mov,matroska,avi,flv,live_flv,mpegts,mpeg,mpegvideo,m4v,h264,hevc,obu,ivf,ogg,asf,rm,gif,apng,mjpeg,nut,dv,gxf,"
    "mxf,wtv,yuv4mpegpipe,wav,w64,mp3,aac,ac3,flac,aiff,amr"
)


class UnusableError(Exception):
    """A video that yields no record.

    Attributes:
      again: Whether a later run may succeed, because a limit or the machine, not the file, was the cause.
    """

    def __init__(self, why: str, again: bool = False):
        super().__init__(why)
        self.again = again


@dataclasses.dataclass(frozen=True)
class Decoded:
    """Frames and sound on one clock.

    Attributes:
      frames: uint8 [F,size,size,3], RGB, F >= 1.
      sound: int16 [F * samples_per_frame], mono; None if the video has no sound.
      warning: What the user should know, "" if all went well.
    """

    frames: np.ndarray
    sound: Optional[np.ndarray]
    warning: str


def sound_grid(fps: float) -> Tuple[int, int]:
    """(sample rate in Hz, samples a frame) of stored sound.

    A frame is a multiple of 16 samples, as close as possible to 16 kHz / fps: 1280 samples at 12.5 fps (16 000 Hz
    exactly), 528 at 30 fps (15 840 Hz). Where samples a frame times fps is no whole number (29.97 fps) the rate is
    rounded to 1 Hz, and sound drifts by at most 2 ms a minute against the frames.
    """
    samples = max(1, round(_TARGET_RATE / fps / _BLOCK)) * _BLOCK
    return round(samples * fps), samples


def check_clip_bytes(config: IngestConfig) -> None:
    """Refuses settings under which a single decoded video would not fit a worker's memory.

    Raises:
      InputError: more than 1 GiB of frames a video.
    """
    needed = _max_frames(config) * config.size**2 * 3
    if needed > _MAX_CLIP_BYTES:
        raise InputError(
            f"--size={config.size} --fps={config.fps:g} --max_seconds={config.max_seconds:g} make "
            f"{needed / 2**30:.1f} GiB of frames a video, more than the 1 GiB allowed; lower one of them"
        )


def decode(path: Path, config: IngestConfig) -> Decoded:
    """Decodes the first `max_seconds` of a video.

    The centre square of the picture as it is meant to be seen (rotation and sample aspect ratio applied) is cut out
    first and then scaled, so that the work is bounded by the picture's short side.

    Raises:
      UnusableError: no frame can be had; the message says why in a user's words.
    """
    check_file(path)
    run, warnings = _run(path, config, with_sound=True), []
    if not run.first and not run.limit and run.opened:
        # Without a sound stream ffmpeg refuses the second output; with a broken one it may give up the video too.
        mute = _run(path, config, with_sound=False)
        if mute.first and "does not contain any stream" not in run.errors:
            warnings.append(f"sound cannot be decoded: {run.reason()}")
        run = mute
    if run.limit:
        raise UnusableError(run.limit, again=True)
    frame_bytes = config.size**2 * 3
    count = len(run.first) // frame_bytes
    if not count:
        raise no_frame(run)
    frames = np.frombuffer(run.first, np.uint8, count * frame_bytes).reshape(count, config.size, config.size, 3)
    sound = _fit(np.frombuffer(run.second, "<i2", len(run.second) // 2), count * sound_grid(config.fps)[1])
    if sound is not None and not sound.any():
        sound = None
        warnings.append("the sound track is silent")
    if run.errors or run.status:
        warnings.append(f"damaged, decoded in part: {run.reason()}")
    if count == 1:
        warnings.append("a single frame")
    return Decoded(frames, sound, "; ".join(warnings))


def no_frame(run: ffmpeg.Finished) -> UnusableError:
    """Why a decoder that passed no limit gave no frame, in a user's words."""
    reason = run.reason()
    return UnusableError(reason if reason.startswith(("no ", "not ", "cannot ")) else f"cannot be decoded: {reason}")


def picture_arguments(path: Path, config: IngestConfig) -> List[str]:
    """Arguments of ffmpeg that give the frames of a file as RGB24, [size,size,3] each, on standard output."""
    fps = f"{config.fps:.9g}"
    picture = ",".join(
        (
            f"fps={fps}:start_time=0",
            "crop=w='max(1,min(iw,ih/sar))':h='max(1,min(ih,iw*sar))':exact=1",
            f"scale={config.size}:{config.size}:flags=bilinear",
            "format=rgb24",
        )
    )
    command = ["-filter_threads", "1", "-threads", "1"]
    command += ["-protocol_whitelist", "file", "-format_whitelist", _CONTAINERS, "-i", f"file:{path.absolute()}"]
    # `V` leaves cover pictures of sound files aside. `-r` beside the fps filter keeps one clock when the picture
    # changes its size within a file, which restarts the filters.
    command += ["-map", "0:V:0", "-vf", picture, "-r", fps, "-t", f"{config.max_seconds:.9g}"]
    return [*command, "-threads", "1", "-f", "rawvideo", "pipe:1"]


def _max_frames(config: IngestConfig) -> int:
    return math.ceil(config.max_seconds * config.fps) + 1


def _fit(sound: np.ndarray, samples: int) -> Optional[np.ndarray]:
    """Sound cut or padded with silence to `samples`; None if there is none at all."""
    if not len(sound):
        return None
    return np.pad(sound[:samples], (0, max(0, samples - len(sound))))


def check_file(path: Path) -> None:
    """Refuses what is no file with content, in words that ffmpeg would not find.

    Raises:
      UnusableError: as it says.
    """
    try:
        status = path.stat()
    except OSError as error:
        why = "broken link" if path.is_symlink() else f"cannot be read: {error.strerror.lower()}"
        raise UnusableError(why) from error
    if not stat.S_ISREG(status.st_mode):
        raise UnusableError("not a regular file")
    if not status.st_size:
        raise UnusableError("empty file")


def _run(path: Path, config: IngestConfig, with_sound: bool) -> ffmpeg.Finished:
    rate, samples = sound_grid(config.fps)

    def arguments(sound_pipe: int) -> List[str]:
        command = picture_arguments(path, config)
        if with_sound:
            command += ["-map", "0:a:0?", "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", str(rate)]
            command += ["-t", f"{config.max_seconds:.9g}", "-threads", "1", "-f", "s16le", f"pipe:{sound_pipe}"]
        return command

    byte_limits = _max_frames(config) * config.size**2 * 3, (_max_frames(config) + 1) * samples * 2
    return ffmpeg.run(arguments, byte_limits, config.decode_seconds, config.decode_memory_mb)
