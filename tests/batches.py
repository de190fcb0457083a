"""Batches of noise in the structure of `elo_tf.clips`, for tests of what does not depend on real videos."""

import numpy as np
import tensorflow as tf

from elo_tf.clips import NOISE, ClipSizes

SIZES = ClipSizes(frames=8, future_frames=4, size=16, audio_steps=4, mel_bins=16)


def random_clips(batch=4, frames=8, future=4, size=16, steps=4, bins=16, seed=0):
    """[B] clips of uniform noise; defaults fit `SIZES`."""
    random = np.random.default_rng(seed)

    def segment(count):
        return {
            "rgb": tf.constant(random.random([batch, count, size, size, 3]), tf.float32),
            "flow": tf.constant(random.uniform(-1, 1, [batch, count, size, size, 2]), tf.float32),
            "audio": tf.constant(random.random([batch, count, steps, bins, 1]), tf.float32),
        }

    return {
        "now": segment(frames),
        "next": segment(future),
        "other": segment(frames),
        "present": {name: tf.ones([batch]) for name in ("rgb", "flow", "audio")},
        "noise": tf.constant(random.random([batch, NOISE]), tf.float32),
        "label": tf.range(batch),
        "video": tf.range(batch, dtype=tf.int64),
    }
