"""An exported module and the clips that it expects, from its directory alone.

BASE/elo_rgb/3/saved_model.pb            the module: a callable (video [B,T,H,W,3] in [0,1], training) -> [B,D]
BASE/elo_rgb/3/assets.extra/tower.json   the clips that it was trained on (`elo_tf.networks.tower.Description`)
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np
import tensorflow as tf
from absl import logging

from elo_tf.config import EmbedConfig, InputError
from elo_tf.networks.tower import FILE, Description
from elo_tf.runtime import storage

GRAPH = "saved_model.pb"
_HASH_DIGITS = 16
_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Clips:
    """How windows are cut out of videos.

    Attributes:
      frames: T of a window.
      stride: Frames between the starts of two windows.
      size: H = W of a window, pixels; the centre of frames of `stored_size`.
      stored_size: Side to which the centre square of the picture is scaled, pixels.
      fps: Frames a second.
    """

    frames: int
    stride: int
    size: int
    stored_size: int
    fps: float


def version_directory(place: Path) -> Path:
    """The directory of a SavedModel: `place`, or the newest version below it.

    Raises:
      InputError: there is none.
    """
    newest = storage.newest_version(place, GRAPH)
    if newest is None:
        what = "is no SavedModel and holds no version of one" if place.is_dir() else "is no directory"
        raise InputError(f"--model={place} {what}; name a directory that python -m export.saved_model has written")
    return newest


def describe(directory: Path) -> Optional[Description]:
    """What the module says of itself; None if it says nothing.

    Raises:
      InputError: its description is damaged.
    """
    path = directory / "assets.extra" / FILE
    return Description.load(path) if path.exists() else None


def choose_clips(config: EmbedConfig, about: Optional[Description], place: Path) -> Clips:
    """The clips of the flags, and of the module where they say nothing.

    With another size than the module's the same part of the picture is shown; without a description, all of its
    centre square.

    Raises:
      InputError: neither says it.
    """
    if about is None:
        missing = [f"--{name}" for name in ("frames", "size", "fps") if not getattr(config, name)]
        if missing:
            raise InputError(
                f"{place} does not say what clips it expects (assets.extra/{FILE}); give {', '.join(missing)}"
            )
        return Clips(config.frames, config.stride or config.frames, config.size, config.size, config.fps)
    frames, size = config.frames or about.frames, config.size or about.size
    return Clips(frames, config.stride or frames, size, about.stored_for(size), config.fps or about.fps)


class Module:
    """A loaded module, for batches of one shape.

    Attributes:
      fingerprint: 16 hexadecimal digits that follow from its graph and weights, wherever it lies.
      width: D of its embeddings.
    """

    def __init__(self, directory: Path, clips: Clips, batch_size: int):
        """
        Raises:
          InputError: it cannot be loaded, is not callable, or does not take such clips.
        """
        self.fingerprint = fingerprint(directory)
        self.batch_size = batch_size
        try:
            self._loaded = _load(directory)
        except Exception as error:  # A damaged file makes TensorFlow raise whatever comes of it.
            raise InputError(f"--model={directory} cannot be loaded ({_first_line(error)}); export it again") from None
        if not callable(self._loaded):
            raise InputError(
                f"--model={directory} is a SavedModel but not callable; name one of python -m export.saved_model"
            )
        shape = [batch_size, clips.frames, clips.size, clips.size, 3]
        self._embed = tf.function(self._call, input_signature=[tf.TensorSpec(shape, tf.uint8)])
        try:
            result = self._embed(tf.zeros(shape, tf.uint8)).numpy()
        except Exception as error:
            raise InputError(
                f"--model={directory} does not embed clips of shape {shape} ({_first_line(error)}); "
                "see --frames, --size and --batch_size"
            ) from None
        if result.ndim != 2 or len(result) != batch_size:
            raise InputError(f"--model={directory} gives {list(result.shape)} for clips of shape {shape}, not [B,D]")
        self.width = result.shape[1]

    def _call(self, video: tf.Tensor) -> tf.Tensor:
        return tf.cast(self._loaded(tf.cast(video, tf.float32) / 255.0, training=False), tf.float32)

    def embed(self, batch: np.ndarray) -> np.ndarray:
        """Clips uint8 [B,T,H,W,3] -> embeddings float32 [B,D]."""
        return self._embed(tf.constant(batch)).numpy()


def _load(directory: Path) -> Any:
    """The module; without TensorFlow's trace of a damaged fingerprint.pb, which nothing here needs."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)
    try:
        return tf.saved_model.load(str(directory))
    finally:
        logging.set_verbosity(before)


def fingerprint(directory: Path) -> str:
    """Hash of the graph and the weights in a directory of a SavedModel."""
    digest = hashlib.sha256()
    for path in [directory / GRAPH, *sorted((directory / "variables").glob("*"))]:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()[:_HASH_DIGITS]


def settings(module: Module, clips: Clips) -> Dict[str, Any]:
    """All that an embedding of a video depends on, by name; of JSON types."""
    return {"model": module.fingerprint, **dataclasses.asdict(clips)}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
