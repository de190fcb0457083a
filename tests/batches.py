"""Batches of noise in the structure of `elo_tf.data.clips`, for tests of what does not depend on real videos."""

import numpy as np
import tensorflow as tf

from elo_tf.data.clips import SEGMENTS, ClipSizes
from elo_tf.model.term_table import clip_specs

SIZES = ClipSizes(frames=8, future_frames=4, size=16, audio_steps=4, mel_bins=16)


def random_clips(batch=4, frames=8, future=4, size=16, steps=4, bins=16, seed=0):
    """[B] clips of uniform noise; defaults fit `SIZES`."""
    random, specs = np.random.default_rng(seed), clip_specs(ClipSizes(frames, future, size, steps, bins), batch)

    def uniform(spec, least=0):
        return tf.constant(random.uniform(least, 1, spec.shape), tf.float32)

    return {
        **{
            segment: {name: uniform(spec, -1 if name == "flow" else 0) for name, spec in specs[segment].items()}
            for segment in SEGMENTS
        },
        "present": {name: tf.ones([batch]) for name in specs["present"]},
        "noise": uniform(specs["noise"]),
        "label": tf.range(batch),
        "video": tf.range(batch, dtype=tf.int64),
    }
