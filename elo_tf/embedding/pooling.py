"""Windows in full batches through the module, and back to the videos that they belong to.

    Window, Window, End, Window, ... ─> batch [B,T,H,W,3], of several videos ─> [B,D] ─> windows and mean of each video

A batch always has B places, so that the module is traced once; the last one is filled up with black windows. A video is
finished when its last window has been embedded.
"""

from typing import Dict, Iterable, Iterator, List, Tuple, Union

import numpy as np

from elo_tf.embedding.feed import Bad, End, Event, Window
from elo_tf.embedding.module import Clips, Module


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
    def mean(self) -> np.ndarray:
        """[D] float32, over all windows."""
        return (self._sum / self._count).astype(np.float32)

    @property
    def windows(self) -> np.ndarray:
        """[W,D] float32; W = 0 if they are not kept."""
        return np.array(self.rows, np.float32).reshape(-1, self._width)


def embed(
    events: Iterable[Event], module: Module, clips: Clips, keep: bool
) -> Iterator[Tuple[Union[End, Bad], Pooled]]:
    """Each video as soon as all of its windows are embedded, or as soon as it is known to be unusable.

    Args:
      events: Of a `Feed`.
      module: Takes batches of `batch_size` windows.
      clips: How they are cut.
      keep: Whether the embeddings of windows are kept, not their mean only.
    """
    batch = np.zeros([module.batch_size, clips.frames, clips.size, clips.size, 3], np.uint8)
    videos: Dict[str, Pooled] = {}
    waiting: List[Event] = []  # The windows in the batch, and the ends that have to wait for them.
    filled = 0

    def run() -> Iterator[Tuple[Union[End, Bad], Pooled]]:
        rows = iter(module.embed(batch)[:filled] if filled else ())
        for event in waiting:
            pooled = videos.setdefault(event.video, Pooled(module.width, keep))
            if isinstance(event, Window):
                pooled.add(event.offset, next(rows))
            else:
                yield _judged(event, videos.pop(event.video))

    for event in events:
        if isinstance(event, Window):
            batch[filled] = event.clip
            filled += 1
            event = event._replace(clip=None)
        waiting.append(event)
        if filled == module.batch_size:
            yield from run()
            waiting, filled = [], 0
    batch[filled:] = 0
    yield from run()


def _judged(event: Union[End, Bad], pooled: Pooled) -> Tuple[Union[End, Bad], Pooled]:
    if isinstance(event, End) and not np.isfinite(pooled.mean).all():
        event = Bad(event.video, "the module gives values that are not finite")
    return event, pooled
