"""Embeds windows in full batches, and returns the results to their videos.

    Window, Window, End, Window, ... ─> batch [B,T,H,W,3], of several videos ─> [B,D] ─> windows and mean of each video

A batch always has B places, so that the module is traced once; the last one is filled up with black windows. A video is
finished when its last window has been embedded, or at once when none waits.
"""

from typing import Dict, Iterable, Iterator, List, Set, Tuple, Union

import numpy as np

from elo_tf.embed.feed import Bad, End, Event, Window, unforeseen
from elo_tf.embed.module import Clips, Module

# A video becomes one protocol buffer, which holds less than 2 GiB; some is left for what is not an embedding.
_MOST_BYTES = (2 << 30) - (64 << 20)
_IN_BATCH = np.empty(0, np.uint8)  # In place of the frames of a window, of which the batch has its own copy.
_BYTES_A_WINDOW = 16  # of its offset and its seconds, besides its embedding


class Pooled:
    """The windows of one video so far.

    Attributes:
      offsets: Of its windows.
      rows: [D] float32 each, their embeddings, if they are kept.
    """

    def __init__(self, width: int, keep: bool):
        self.offsets: List[int] = []
        self.rows: List[np.ndarray] = []
        self._sum, self._keep, self._count, self._width = np.zeros(width), keep, 0, width

    def add(self, offset: int, row: np.ndarray) -> None:
        """Takes in a window: its place and its embedding [D]."""
        self._sum += row
        self._count += 1
        if self._keep:
            self.offsets.append(offset)
            self.rows.append(row)

    @property
    def bytes(self) -> int:
        """What its windows take, once they are stored."""
        return len(self.rows) * (4 * self._width + _BYTES_A_WINDOW)

    @property
    def mean(self) -> np.ndarray:
        """[D] float32, over all windows."""
        return (self._sum / self._count).astype(np.float32)

    @property
    def windows(self) -> np.ndarray:
        """[W,D] float32; W = 0 if they are not kept."""
        return np.array(self.rows, np.float32).reshape(-1, self._width)


Finished = Tuple[Union[End, Bad], Pooled]


class _Videos:
    """Those that are under way."""

    def __init__(self, width: int, keep: bool):
        self._width, self._keep = width, keep
        self._pooled: Dict[str, Pooled] = {}
        self._refused: Set[str] = set()  # Of which more may come.

    def take(self, window: Window, row: Union[np.ndarray, Exception]) -> Iterator[Finished]:
        """Takes in a window with its embedding [D], or what that raised; gives the video if that ends it."""
        if window.video in self._refused:
            return
        pooled = self._pooled.setdefault(window.video, Pooled(self._width, self._keep))
        if isinstance(row, Exception):
            why = unforeseen(f"embedding its window at frame {window.offset}", row)
        else:
            pooled.add(window.offset, row)
            if pooled.bytes <= _MOST_BYTES:
                return
            why = f"its first {len(pooled.rows)} windows take all that a record holds (give --nostore_windows)"
        self._refused.add(window.video)
        yield Bad(window.video, why), self._pooled.pop(window.video)

    def end(self, event: Union[End, Bad]) -> Iterator[Finished]:
        """Gives the video that ends, unless it has been refused."""
        if event.video not in self._refused:
            yield _judged(event, self._pooled.pop(event.video, Pooled(self._width, self._keep)))


def embed(events: Iterable[Event], module: Module, clips: Clips, keep: bool) -> Iterator[Finished]:
    """Each video as soon as all of its windows are embedded, or as soon as it is known to be unusable.

    Args:
      events: Of a `Feed`.
      module: Takes batches of `batch_size` windows.
      clips: How they are cut.
      keep: Whether the embeddings of windows are kept, not their mean only.
    """
    batch = np.zeros([module.batch_size, clips.frames, clips.size, clips.size, 3], np.uint8)
    videos = _Videos(module.width, keep)
    waiting: List[Event] = []  # The windows in the batch, and the ends that have to wait for them.
    filled = 0

    def run() -> Iterator[Finished]:
        rows = iter(_rows(module, batch[:filled], batch) if filled else ())
        for event in waiting:
            yield from videos.take(event, next(rows)) if isinstance(event, Window) else videos.end(event)

    for event in events:
        if isinstance(event, Window):
            batch[filled] = event.clip
            filled += 1
            event = event._replace(clip=_IN_BATCH)
        elif not any(event.video == other.video for other in waiting):
            yield from videos.end(event)
            continue
        waiting.append(event)
        if filled == module.batch_size:
            yield from run()
            waiting, filled = [], 0
    batch[filled:] = 0
    yield from run()


def _rows(module: Module, windows: np.ndarray, batch: np.ndarray) -> List[Union[np.ndarray, Exception]]:
    """The embedding [D] of each window of a batch, or what it raised: a batch that fails is taken one by one."""
    try:
        return list(module.embed(batch)[: len(windows)])
    except Exception:
        alone = []
        for window in windows:
            lonely = np.zeros_like(batch)
            lonely[0] = window
            try:
                alone.append(module.embed(lonely)[0])
            except Exception as error:  # What nobody foresaw of a window costs its video.
                alone.append(error)
        return alone


def _judged(event: Union[End, Bad], pooled: Pooled) -> Finished:
    if isinstance(event, End) and not np.isfinite(pooled.mean).all():
        event = Bad(event.video, "the module gives values that are not finite")
    return event, pooled
