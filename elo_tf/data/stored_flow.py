"""Optical flow as 8-bit values in the records."""

import numpy as np

ZERO = 128  # the stored value of no motion, exactly
LEVELS = 127  # stored values on either side of it


def quantise(flow: np.ndarray, bound: float) -> np.ndarray:
    """float [...,2] in pixels -> uint8 in 1..255, clipped to ±bound; 128 is 0 exactly.

    What is not a number counts as no motion.
    """
    scaled = np.nan_to_num(np.clip(flow / bound, -1, 1))
    return (np.rint(scaled * LEVELS) + ZERO).astype(np.uint8)


def dequantise(stored: np.ndarray) -> np.ndarray:
    """uint8 -> float32 in [-1,1], in units of the bound: the inverse of `quantise` within half a step (bound / 254)."""
    return (np.asarray(stored, np.float32) - ZERO) / LEVELS
