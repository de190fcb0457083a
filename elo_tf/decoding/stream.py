"""The frames of a video of any length, one at a time, with one ffmpeg process under limits.

    file ─> ffmpeg ─> pipe ─> frame, frame, ...        as `decode`, without sound

The pipe holds a few frames; when it is full ffmpeg waits, so that memory depends neither on the length of the video nor
on how slowly its frames are used. Instead of the time of a whole video, that between two frames is limited.
"""

import os
import selectors
import subprocess
import time
from pathlib import Path
from typing import Generator, Iterator, Optional

import numpy as np

from elo_tf.config import IngestConfig
from elo_tf.decoding import ffmpeg
from elo_tf.decoding.decode import UnusableError, check_file, no_frame
from elo_tf.decoding.picture import Gap, find_gap, light_warnings, picture_arguments
from elo_tf.decoding.probe import Probe, probe

_ERRORS_AT_A_TIME = 4096


class FrameStream:
    """Iterates over frames uint8 [size,size,3], RGB, once. Ending the iteration early ends the decoder.

    Attributes:
      count: Frames given so far.
      warning: What the user should know; complete when the iteration is, "" if all went well.
    """

    def __init__(self, path: Path, config: IngestConfig):
        """
        Args:
          path: Of the video.
          config: `size`, `fps`, `max_seconds` that are read of the video, `decode_memory_mb`, and `decode_seconds`,
            here the longest time without a frame.
        """
        self._path, self._config = path, config
        self._errors, self._limit = bytearray(), ""
        self._out_of_time = f"the decoder gives no frame for {config.decode_seconds:g} s (--decode_seconds)"
        self._process: Optional[subprocess.Popen] = None
        self._unwanted = False
        self._gap: Optional[Gap] = None
        self.count, self.warning = 0, ""

    def kill(self) -> None:
        """Ends the decoder from another thread, whatever it does; the iteration then raises `UnusableError`."""
        self._unwanted = True
        if self._process:
            self._process.kill()

    def __iter__(self) -> Generator[np.ndarray, None, None]:
        """
        Raises:
          UnusableError: no frame can be had, or a limit was passed, which may be after frames have been given.
        """
        check_file(self._path)
        config = self._config
        about = probe(self._path, config, self._adopt)  # What passes a limit here will do so again below.
        # No decoder of use is slower than the video itself.
        seconds = config.max_seconds + config.decode_seconds
        process = ffmpeg.start(picture_arguments(self._path, config, about), seconds, config.decode_memory_mb)
        self._adopt(process)
        done = False
        with process:
            try:
                yield from self._read(process)
                done = True
            finally:
                ffmpeg.end(process, grace=ffmpeg.GRACE_SECONDS if done and not (self._limit or self._gap) else 0)
        self._conclude(process.returncode, about)

    def _adopt(self, process: subprocess.Popen) -> None:
        self._process = process
        if self._unwanted:
            process.kill()

    def _read(self, process: subprocess.Popen) -> Iterator[np.ndarray]:
        """Frames until both pipes end, or `decode_seconds` pass without one."""
        picture, errors = ffmpeg.outputs(process)
        shape = (self._config.size, self._config.size, 3)
        frame, filled = np.empty(shape, np.uint8), 0
        with selectors.DefaultSelector() as selector:
            for descriptor in (picture, errors):
                selector.register(descriptor, selectors.EVENT_READ)
            deadline = time.monotonic() + self._config.decode_seconds
            while selector.get_map():
                left = deadline - time.monotonic()
                ready = selector.select(left) if left > 0 else []
                if not ready:
                    self._limit = self._out_of_time
                    return
                # Complaints first: a gap is told before the frames that fill it.
                for key, _ in sorted(ready, key=lambda each: each[0].fd != errors):
                    if key.fd == errors:
                        count = self._note(errors)
                    else:
                        count = os.readv(picture, [frame.data.cast("B")[filled:]])
                        filled += count
                    if not count:
                        selector.unregister(key.fd)
                    if self._gap and self.count >= self._gap.frames(self._config.fps):
                        return
                if filled == frame.nbytes:
                    self.count += 1
                    yield frame
                    frame, filled = np.empty(shape, np.uint8), 0
                    deadline = time.monotonic() + self._config.decode_seconds

    def _note(self, errors: int) -> int:
        """Keeps the first complaints of the decoder and drops the others, so that it never waits to complain."""
        text = os.read(errors, _ERRORS_AT_A_TIME)
        self._errors += text[: ffmpeg.ERROR_BYTES - len(self._errors)]
        gap = find_gap(self._finished(0))[1]
        self._gap = gap if gap and gap.last >= 0 else None
        return len(text)

    def _finished(self, status: int) -> ffmpeg.Finished:
        return ffmpeg.Finished(bytearray(), bytearray(), self._errors.decode("utf-8", "replace"), status, self._limit)

    def _conclude(self, status: int, about: Probe) -> None:
        run, gap = find_gap(self._finished(0 if self._gap else status))
        errors, status = run.errors, run.status
        limit = ffmpeg.limit_passed(status, errors, self._limit, self._out_of_time, self._config.decode_memory_mb)
        if limit:
            raise UnusableError(limit, again=True)
        if not self.count:
            raise no_frame(run)
        warnings = ([gap.warning] if gap else []) + light_warnings(about)
        if errors or status:
            warnings.append(f"damaged, decoded in part: {run.reason()}")
        if self.count >= int(self._config.max_seconds * self._config.fps):
            warnings.append(f"only its first {self._config.max_seconds:g} s (--max_seconds)")
        self.warning = "; ".join(warnings)
