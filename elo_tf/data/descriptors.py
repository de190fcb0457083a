"""Plain descriptors of clips: statistics of a modality that need no learning.

They show what of the classes lies open in a modality (`experiments/world_fairness.py`), and give the clusters that
those of the RGB tower must agree with (`health.py`). NumPy only; arrays are in the ranges of `clips.py`.
"""

from typing import Callable, Dict

import numpy as np

from elo_tf.config import InputError

# Modalities whose descriptors RGB features are held against; those of RGB itself are what they are to be better than.
DESCRIBED = ("flow", "audio")

_GRID = 8  # cells a side of pooled pixels
_COLOR_LEVELS = 4  # bins a channel of the joint colour histogram
_DIRECTIONS = 8  # bins of the flow's direction
_QUANTILES = (0.5, 0.75, 0.9, 0.97, 0.995)


def _cells(side: int) -> np.ndarray:
    """First pixel of each cell: cells differ by one pixel at most."""
    return np.linspace(0, side, min(_GRID, side) + 1).astype(int)[:-1]


def _course(series: np.ndarray) -> np.ndarray:
    """[N,L] -> [N,8]: mean, s.d., least and greatest value of a course and of its steps' sizes."""
    parts = (series, np.abs(np.diff(series, axis=1)))
    return np.stack([statistic(part, axis=1) for part in parts for statistic in (np.mean, np.std, np.min, np.max)], 1)


def pixels(rgb: np.ndarray) -> np.ndarray:
    """rgb [N,T,H,W,3] -> [N,192]: mean colour over time of 8 x 8 cells (fewer where H or W is less)."""
    still = rgb.mean(1, dtype=np.float32)
    for axis in (1, 2):
        first = _cells(still.shape[axis])
        counts = np.diff(np.append(first, still.shape[axis]))
        shape = [-1 if i == axis else 1 for i in range(4)]
        still = np.add.reduceat(still, first, axis) / counts.reshape(shape).astype(np.float32)
    return still.reshape(len(still), -1)


def color_histogram(rgb: np.ndarray) -> np.ndarray:
    """rgb [N,T,H,W,3] -> [N,64]: joint histogram of 4 levels a channel over all pixels and frames; sums to 1."""
    level = np.minimum((rgb * _COLOR_LEVELS).astype(np.int32), _COLOR_LEVELS - 1).reshape(len(rgb), -1, 3)
    index = level @ np.array([_COLOR_LEVELS**2, _COLOR_LEVELS, 1], np.int32)
    return np.stack([np.bincount(row, minlength=_COLOR_LEVELS**3) / row.size for row in index]).astype(np.float32)


def frame_difference(rgb: np.ndarray) -> np.ndarray:
    """rgb [N,T,H,W,3] -> [N,T+20]: energy between consecutive frames; its course, quantiles, and the share that moves.

    In order: course of the energy (8), quantiles over pixels of their mean over time (5) and of their greatest over
    time (5), share of pixels above .05, .1, .2 (3), and the T-1 energies by size.
    """
    change = np.abs(np.diff(rgb, axis=1)).mean(-1)  # [N,T-1,H,W]
    energy = change.mean((2, 3))
    mean, peak = (part.reshape(len(rgb), -1) for part in (change.mean(1), change.max(1)))
    quantiles = [np.quantile(part, _QUANTILES, axis=1).T for part in (mean, peak)]
    share = np.stack([(change > level).mean((1, 2, 3)) for level in (0.05, 0.1, 0.2)], 1)
    return np.concatenate([_course(energy), *quantiles, share, np.sort(energy, 1)], 1).astype(np.float32)


def audio(log_mel: np.ndarray) -> np.ndarray:
    """audio [N,T,S,M,1] -> [N,4M+16]: statistics of each mel bin, of the loudness, and of its rise and fall.

    In order: mean, s.d., least and greatest value of each bin (4M), course of the loudness (8), and course of the size
    of the spectrum's change from step to step (8).
    """
    steps = log_mel.reshape(len(log_mel), -1, log_mel.shape[3])  # [N,T*S,M]
    bins = [statistic(steps, axis=1) for statistic in (np.mean, np.std, np.min, np.max)]
    change = np.abs(np.diff(steps, axis=1)).mean(2)
    return np.concatenate([*bins, _course(steps.mean(2)), _course(change)], 1).astype(np.float32)


def flow(field: np.ndarray) -> np.ndarray:
    """flow [N,T,H,W,2] -> [N,47]: statistics of its magnitude and direction, and of their change over time.

    In order: mean, s.d. and quantiles of the magnitude (7), course of its mean over the frame (8), directions weighted
    by magnitude (8), course of the change of this histogram between frames (8), course of the mean vector's length (8)
    and of the length of its change (8).
    """
    videos, frames = field.shape[:2]
    vectors = field.reshape(videos, frames, -1, 2)
    magnitude = np.hypot(vectors[..., 0], vectors[..., 1])  # [N,T,H*W]
    whole = magnitude.reshape(videos, -1)
    angle = np.arctan2(vectors[..., 1], vectors[..., 0])
    sector = np.floor((angle / (2 * np.pi) + 0.5) * _DIRECTIONS).astype(int) % _DIRECTIONS
    histogram = np.stack([(magnitude * (sector == i)).sum(2) for i in range(_DIRECTIONS)], 2)  # [N,T,8]
    histogram = histogram / np.maximum(histogram.sum(2, keepdims=True), 1e-6)
    mean = vectors.mean(2)  # [N,T,2]
    return np.concatenate(
        [
            whole.mean(1, keepdims=True),
            whole.std(1, keepdims=True),
            np.quantile(whole, _QUANTILES, axis=1).T,
            _course(magnitude.mean(2)),
            histogram.mean(1),
            _course(np.abs(np.diff(histogram, axis=1)).sum(2)),
            _course(np.linalg.norm(mean, axis=2)),
            _course(np.linalg.norm(np.diff(mean, axis=1), axis=2)),
        ],
        1,
    ).astype(np.float32)


DESCRIPTORS: Dict[str, Callable[[np.ndarray], np.ndarray]] = {
    function.__name__: function for function in (pixels, color_histogram, frame_difference, audio, flow)
}


def describe(name: str, array: np.ndarray) -> np.ndarray:
    """The named descriptor of a batch, float32 [N,d]; see the functions of this file for the shapes.

    Raises:
      InputError: the name is unknown.
    """
    if name not in DESCRIPTORS:
        raise InputError(f"descriptor {name!r} is unknown; choose from {', '.join(DESCRIPTORS)}")
    return DESCRIPTORS[name](np.asarray(array))
