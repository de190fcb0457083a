"""Small SavedModels that embed clips, for tests of what works from an exported module alone."""

import dataclasses
import json
from pathlib import Path
from typing import Callable, Optional

import tensorflow as tf

from elo_tf.networks.tower import FILE, Description, make_network
from tests import towers

CLIPS = tf.TensorSpec([None, None, None, None, 3], tf.float32)


class Module(tf.Module):
    """A callable (video, training) as an export is; `compute` maps clips [B,T,H,W,3] to [B,D]."""

    def __init__(self, compute: Callable, owned=()):
        super().__init__()
        self._compute, self._owned = compute, owned

    @tf.function
    def __call__(self, video, training=False):
        return self._compute(video)


def save(path: Path, compute: Callable, about: Optional[Description] = None, owned=()) -> Path:
    """Writes a version directory; with a description if there is one."""
    module = Module(compute, owned)
    module.__call__.get_concrete_function(CLIPS, training=False)
    tf.saved_model.save(module, str(path))
    if about:
        (path / "assets.extra").mkdir()
        (path / "assets.extra" / FILE).write_text(json.dumps({**dataclasses.asdict(about), "export": {}}))
    return path


def means(video: tf.Tensor) -> tf.Tensor:
    """[B,5]: mean red, green and blue of the clip, mean of its first and of its last frame."""
    ends = tf.reduce_mean(tf.stack([video[:, 0], video[:, -1]], axis=1), axis=[2, 3, 4])
    return tf.concat([tf.reduce_mean(video, axis=[1, 2, 3]), ends], axis=1)


def save_means(path: Path, **changes) -> Path:
    """A module that tells which frames a window has, for windows of 4 frames of 16 x 16 pixels at 12.5 fps."""
    facts = {"frames": 4, "size": 16, "stored_size": 16, **changes}
    return save(path, means, towers.describe(**facts))


def save_tower(path: Path) -> Path:
    """A `tiny` tower at random weights, for windows of 8 frames of 24 x 24 pixels at 12.5 fps."""
    tf.keras.utils.set_random_seed(0)
    network = make_network("tiny")
    return save(path, lambda video: network(video)["embedding"], towers.describe(), network.variables)
