"""Windows of many videos, decoded by several ffmpeg processes while others are embedded.

    videos ─┬─> thread: ffmpeg ─> windows ─┬─> queue of bounded size ─> Window, Window, End, Window, Bad, ...
            └─> thread: ffmpeg ─> windows ─┘

The threads only pass frames on; the work is done by their processes. When the queue is full they wait, and so do the
decoders. Windows of one video come in their order, followed by its `End`, or by `Bad` if it turned out to be unusable;
those of different videos come mixed.
"""

import queue
import threading
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Sequence, Set, Union

import numpy as np

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.clips import centre
from elo_tf.decoding.decode import UnusableError
from elo_tf.decoding.stream import FrameStream
from elo_tf.embed.module import Clips
from elo_tf.embed.windows import slide

# How long a thread waits before it looks whether it is still wanted, seconds.
_PATIENCE = 0.2


class Window(NamedTuple):
    """uint8 [T,H,W,3] of a video, from its frame `offset` on."""

    video: str
    offset: int
    clip: np.ndarray


class End(NamedTuple):
    """All windows of a video have come; `frames` is its length, `warning` what the user should know."""

    video: str
    frames: int
    warning: str


class Bad(NamedTuple):
    """A video that cannot be used, and why. Windows of it may have come."""

    video: str
    why: str


Event = Union[Window, End, Bad]


def unforeseen(where: str, error: Exception) -> str:
    """Why a video is unusable for which an error was raised that nobody foresaw; for a `Bad`."""
    return f"{where} failed by {type(error).__name__}: {' '.join(str(error).split())[:200]}"


class _StoppedError(Exception):
    """The events are no longer wanted."""


class Feed:
    """Iterates over the events of some videos, once; a context manager that leaves no decoder behind."""

    def __init__(
        self,
        root: Path,
        videos: Sequence[str],
        clips: Clips,
        ingest: IngestConfig,
        decoders: int,
        ahead: int,
        loop: bool = False,
    ):
        """
        Args:
          root: Folder of the videos.
          videos: Paths below it.
          clips: How windows are cut.
          ingest: How videos are decoded, at `clips.stored_size` and `clips.fps`.
          decoders: Videos decoded at a time.
          ahead: Windows that wait at most.
          loop: Whether a video shorter than a window begins again, with a warning; else it is unusable.
        """
        self._root, self._clips, self._ingest, self._loop = root, clips, ingest, loop
        self._todo: queue.SimpleQueue = queue.SimpleQueue()
        for video in videos:
            self._todo.put(video)
        self._left = len(videos)
        self._events: queue.Queue = queue.Queue(ahead)
        self._stop = threading.Event()
        self._streams: Set[FrameStream] = set()  # that are decoded now
        self._threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(max(1, min(decoders, len(videos))))
        ]

    def __enter__(self) -> "Feed":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        for stream in list(self._streams):
            stream.kill()
        for thread in self._threads:
            thread.join()

    def __iter__(self) -> Iterator[Event]:
        while self._left:
            event = self._events.get()
            if isinstance(event, BaseException):
                raise event
            self._left -= not isinstance(event, Window)
            yield event

    def _work(self) -> None:
        """The life of a thread."""
        try:
            while not self._stop.is_set():
                self._decode(self._todo.get_nowait())
        except (queue.Empty, _StoppedError):
            pass
        except BaseException as error:  # It ends the program, not a thread of it.
            try:
                self._put(error)
            except _StoppedError:
                pass

    def _decode(self, video: str) -> None:
        stream, found = FrameStream(self._root / video, self._ingest), 0
        inner = centre(self._clips.stored_size, self._clips.size)
        self._streams.add(stream)
        frames = iter(stream)
        try:
            for offset, clip in slide(
                (frame[inner, inner] for frame in frames), self._clips.frames, self._clips.stride, self._loop
            ):
                self._put(Window(video, offset, clip))
                found += 1
        except UnusableError as error:
            self._put(Bad(video, str(error)))
            return
        except (InputError, _StoppedError):
            raise
        except Exception as error:  # Whatever a library or the system raises costs this video alone.
            self._put(Bad(video, unforeseen("decoding", error)))
            return
        finally:
            frames.close()  # Ends the decoder at once, not when memory is tidied.
            self._streams.remove(stream)
        notes = [stream.warning] if stream.warning else []
        if stream.count < self._clips.frames:
            short = f"shorter than a window of {self._clips.frames} frames at {self._clips.fps:g} fps (--frames)"
            notes.insert(0, f"{short}, looped: it has {stream.count}" if found else short)
        self._put(End(video, stream.count, "; ".join(notes)) if found else Bad(video, "; ".join(notes)))

    def _put(self, event: Union[Event, BaseException]) -> None:
        while not self._stop.is_set():
            try:
                return self._events.put(event, timeout=_PATIENCE)
            except queue.Full:
                continue
        raise _StoppedError
