"""Pictures for TensorBoard: decoded frames beside their targets.

top       the frames that were to be decoded
bottom    those that were
"""

from typing import Dict

import numpy as np

from elo_tf.data.clips import Clips
from elo_tf.model.elo_model import EloModel

CLIPS = 4


def draw(model: EloModel, clips: Clips) -> Dict[str, np.ndarray]:
    """Name of a term -> [n,H',W',3] uint8, a picture for each of the first clips; only terms that decode have any."""
    pictures = {}
    for name, (decoded, target) in model.examples(clips).items():
        rows = [_row(frames[:CLIPS].numpy()) for frames in (target, decoded)]
        pictures[name] = np.concatenate(rows, axis=1)
    return pictures


def _row(frames: np.ndarray) -> np.ndarray:
    """[n,T,H,W,c] -> [n,H,T*W,3] uint8, frames side by side."""
    count, time, height, width, channels = frames.shape
    if channels == 2:  # Flow in [-1,1]: direction as colour, no motion is grey.
        frames = np.concatenate([frames, -frames.sum(-1, keepdims=True) / 2], axis=-1) / 2 + 0.5
    elif channels == 1:
        frames = np.repeat(frames, 3, axis=-1)
    if height < 16:  # Spectrogram slices are a few pixels high.
        factor = -(-16 // height)
        frames, height = np.repeat(frames, factor, axis=2), height * factor
    side_by_side = np.transpose(frames, [0, 2, 1, 3, 4]).reshape(count, height, time * width, 3)
    return (np.clip(side_by_side, 0, 1) * 255).round().astype(np.uint8)
