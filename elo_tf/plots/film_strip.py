"""Frames of a video side by side."""

import numpy as np


def film_strip(frames: np.ndarray, largest: int) -> np.ndarray:
    """Frames side by side, with a white line between two.

    Args:
      frames: uint8 [f,H,W,3].
      largest: They are shrunk by a whole number to at most so many pixels a side.

    Returns:
      uint8 [h,f*(w+1)-1,3].
    """
    count, height, width, _ = frames.shape
    factor = -(-max(height, width) // largest)
    height, width = height // factor, width // factor
    blocks = frames[:, : height * factor, : width * factor].reshape(count, height, factor, width, factor, 3)
    small = blocks.mean(axis=(2, 4)).round().astype(np.uint8)  # [f,h,w,3]
    apart = np.pad(small, [(0, 0), (0, 0), (0, 1), (0, 0)], constant_values=255)
    row = apart.transpose(1, 0, 2, 3).reshape(height, count * (width + 1), 3)[:, :-1]
    return np.ascontiguousarray(row)
