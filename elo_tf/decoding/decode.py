"""One video file -> its frames and sound, with one ffmpeg process under limits.

    file -> ffmpeg -+- fps -> centre square -> scale -> usual light -> RGB24 on one pipe
                    +- silence before and between -> rate -----------> PCM on another pipe -> mono

The first run decodes the file as most are, with one sound track and light as usual, and says what it is; another run
follows where it is something else.

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
from elo_tf.decoding.picture import find_gap, light_warnings, passed_over, picture_arguments, span
from elo_tf.decoding.probe import MOST_TEXT, TELLING, UNKNOWN_LIGHT, Probe, Sound, probe, told

_TARGET_RATE = 16000
_BLOCK = 16  # so that 1, 2, 4, 8 or 16 spectrogram steps tile a frame
_MAX_CLIP_BYTES = 1 << 30

_MOST_TRACKS = 4  # sound tracks that are tried
_SILENCE = 3  # largest sample of a track that only has the noise of its quantisation
_CANCELLED = 0.1  # part of the energy of two channels below which their mean has lost the sound


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


def decode(path: Path, config: IngestConfig, start: float = 0.0) -> Decoded:
    """Decodes the first `max_seconds` of a video, or those from `start` on.

    The centre square of the picture as it is meant to be seen (rotation and sample aspect ratio applied) is cut out
    first and then scaled, so that the work is bounded by the picture's short side. Of several sound tracks the first
    that can be decoded and is not silent is taken.

    Raises:
      UnusableError: no frame can be had; the message says why in a user's words.
    """
    check_file(path)
    about = probe(path, config) if start else None
    if about and about.limit:
        raise UnusableError(about.limit, again=True)
    found = None
    if not about:
        about, found = _as_most_are(path, config)
    run, sound, warnings = found or _first_sounding(path, config, about, start)
    if run.limit:
        raise UnusableError(run.limit, again=True)
    frame_bytes = config.size**2 * 3
    count = len(run.first) // frame_bytes
    if not count:
        raise no_frame(run)
    run, gap = find_gap(run, start, passed_over(about, start))
    if gap and start and gap.last < 0:
        raise UnusableError(f"no frame comes for {gap.next:.4g} s")
    if gap:
        count = min(count, gap.frames(config.fps))
        warnings.append(gap.warning)
    frames = np.frombuffer(run.first, np.uint8, count * frame_bytes).reshape(count, config.size, config.size, 3)
    if sound is not None:
        sound = _fit(sound, count * sound_grid(config.fps)[1])
    warnings += light_warnings(about)
    if run.errors or run.status:
        warnings.append(f"damaged, decoded in part: {run.reason()}")
    if count == 1:
        warnings.append("a single frame")
    return Decoded(frames, sound, "; ".join(warnings))


def _as_most_are(
    path: Path, config: IngestConfig
) -> Tuple[Probe, Optional[Tuple[ffmpeg.Finished, Optional[np.ndarray], List[str]]]]:
    """What a file is, and, if it is as most are, what `_first_sounding` would give; a run less than to ask first."""
    usual = Probe((Sound(0, True, 0),), UNKNOWN_LIGHT, None, True, "")
    about, run = told(_run(path, config, usual, usual.sounds[0], 0.0, telling=True))
    is_usual = len(about.sounds) == 1 and about.sounds[0].known and about.sounds[0].channels and not about.light.hdr
    if is_usual and run.limit:
        raise UnusableError(run.limit, again=True)
    if not is_usual or not run.first:
        return about, None
    sound = _mono(run.second, about.sounds[0])
    if np.abs(sound.astype(np.int32)).max(initial=0) > _SILENCE:
        return about, (run, sound, [])
    return about, (run, None, [_tracks([(about.sounds[0], "is silent")])])


def _first_sounding(
    path: Path, config: IngestConfig, about: Probe, start: float
) -> Tuple[ffmpeg.Finished, Optional[np.ndarray], List[str]]:
    """The run that counts, its sound int16 [samples] or None, and what the user should know of the tracks."""
    kept, tried = None, []
    for track in about.sounds[:_MOST_TRACKS]:
        if not track.known:
            tried.append((track, "has a codec that ffmpeg does not know"))
            continue
        run = _run(path, config, about, track, start)
        if run.limit and not kept:
            return run, None, []
        if not run.first:  # A broken sound track may give up the video too.
            kept = kept or _run(path, config, about, None, start)
            if not kept.first:
                return kept, None, []
            tried.append((track, f"cannot be decoded: {run.reason()}"))
            continue
        sound = _mono(run.second, track)
        if np.abs(sound.astype(np.int32)).max(initial=0) > _SILENCE:
            return run, sound, [f"sound is that of track {track.place + 1}: {_tracks(tried)}"] if tried else []
        kept = run
        tried.append((track, "is silent"))
    return kept or _run(path, config, about, None, start), None, [_tracks(tried)] if tried else []


def _tracks(tried: List[Tuple[Sound, str]]) -> str:
    """What is wrong with sound tracks, in one phrase."""
    if len(tried) == 1 and not tried[0][0].place:
        return f"the sound track {tried[0][1]}"
    return ", ".join(f"sound track {track.place + 1} {why}" for track, why in tried)


def _mono(pcm: bytearray, track: Sound) -> np.ndarray:
    """int16 [samples] of a track of one channel, or the mean of two; a channel in anti-phase is turned round first."""
    if track.channels == 1:
        return np.frombuffer(pcm, "<i2", len(pcm) // 2)
    left, right = np.frombuffer(pcm, "<i2", len(pcm) // 4 * 2).reshape(-1, 2).astype(np.int32).T
    energy = (np.square(left, dtype=np.float64).sum() + np.square(right, dtype=np.float64).sum()) / 2
    if np.square((left + right) / 2).sum() < _CANCELLED * energy:
        right = -right
    return ((left + right) >> 1).astype(np.int16)


def no_frame(run: ffmpeg.Finished) -> UnusableError:
    """Why a decoder that passed no limit gave no frame, in a user's words."""
    reason = run.reason()
    why = reason if reason.startswith(("no ", "not ", "cannot ", "the ")) else f"cannot be decoded: {reason}"
    return UnusableError(why, again=run.crashed)


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
        why = "broken link" if path.is_symlink() else f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise UnusableError(why) from error
    if not stat.S_ISREG(status.st_mode):
        raise UnusableError("not a regular file")
    if not status.st_size:
        raise UnusableError("empty file")


def _run(
    path: Path, config: IngestConfig, about: Probe, track: Optional[Sound], start: float, telling: bool = False
) -> ffmpeg.Finished:
    """Frames on the first pipe, and the sound of a track on the second, of one channel or two, or of as many as it has
    where the run is `telling` what its input is."""
    rate, samples = sound_grid(config.fps)

    def arguments(sound_pipe: int) -> List[str]:
        command = [*(TELLING if telling else ()), *picture_arguments(path, config, about, start)]
        if track:
            command += ["-map", f"0:a:{track.place}", "-af", "aresample=async=1:first_pts=0"]
            command += [] if telling else ["-ac", "1" if track.channels == 1 else "2"]
            command += ["-ar", str(rate), *span(passed_over(about, start), config)]
            command += ["-threads", "1", "-f", "s16le", f"pipe:{sound_pipe}"]
        return command

    byte_limits = _max_frames(config) * config.size**2 * 3, (_max_frames(config) + 1) * samples * 4
    most_text = MOST_TEXT if telling else ffmpeg.ERROR_BYTES
    return ffmpeg.run(arguments, byte_limits, config.decode_seconds, config.decode_memory_mb, most_text)
