"""Optical flow as a picture: the hue says where a pixel moves, the saturation how far."""

import numpy as np
from matplotlib.colors import hsv_to_rgb


def flow_colours(flow: np.ndarray, fastest: float) -> np.ndarray:
    """Colours a flow field, white where nothing moves, as is usual since Baker et al. (ICCV 2007).

    Args:
      flow: [...,2], pixels a frame to the right and downwards.
      fastest: Motion that has the full colour, pixels a frame, above 0; what is faster looks the same.

    Returns:
      uint8 [...,3]. Red moves to the right, yellow-green down, cyan to the left, violet up.
    """
    direction = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1
    speed = np.clip(np.hypot(flow[..., 0], flow[..., 1]) / fastest, 0, 1)
    colours = hsv_to_rgb(np.stack([direction, speed, np.ones_like(speed)], axis=-1))
    return (255 * colours).round().astype(np.uint8)
