"""Sliding windows of a video: their positions and frames, with at most one window of frames in memory.

    frames   0 1 2 3 4 5 6 7 8 9 10        T = 4, stride 3
    windows  0-----3
                   3-----6
                         6-----9
                           7------10       the last one ends with the last frame, so that none is left out

Windows start at 0, stride, 2 stride, ... as long as they fit. If frames follow the last of them, one more window ends
with the last frame. A video of fewer than T frames has one, in which it begins again as often as needed, or none.
"""

import collections
from typing import Deque, Iterable, Iterator, Tuple

import numpy as np


def looped(frames: np.ndarray, length: int) -> np.ndarray:
    """[length,...]: a video [F,...] of fewer frames, again and again."""
    return frames[np.arange(length) % len(frames)]


def slide(
    frames: Iterable[np.ndarray], length: int, stride: int, loop: bool = False
) -> Iterator[Tuple[int, np.ndarray]]:
    """(place of its first frame, frames [T,H,W,3]) of each window.

    Args:
      frames: [H,W,3] each.
      length: T.
      stride: Frames between the starts of two windows.
      loop: Whether fewer than T frames are repeated to one window.
    """
    held: Deque[np.ndarray] = collections.deque(maxlen=length)
    start, last = -length, -1
    for frame in frames:
        held.append(frame)
        start += 1
        if start >= 0 and start % stride == 0:
            last = start
            yield start, np.stack(held)
    if start > last:
        yield start, np.stack(held)
    elif loop and last < 0 and held:
        yield 0, looped(np.stack(held), length)
