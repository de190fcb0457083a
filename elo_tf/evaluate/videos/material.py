"""Cuts the clips of an evaluation as those of the training were cut."""

import dataclasses
from typing import Callable, Iterator, Optional, Sequence

import numpy as np
import tensorflow as tf

from elo_tf.config import DataConfig, InputError, ProtocolConfig
from elo_tf.data.clips import Clips
from elo_tf.data.reader import Reader, reading
from elo_tf.data.records import Manifest, identity
from elo_tf.evaluate.videos.split import LabelledVideo
from elo_tf.networks.tower import Description

RGB = frozenset({("now", "rgb")})


@dataclasses.dataclass(frozen=True)
class Material:
    """Records, and how clips are cut from them.

    Attributes:
      manifest: Of the records.
      data: Settings of the reader; T, H and W are those of the tower.
      warning: In what the records differ from those of the training; None where they do not.
    """

    manifest: Manifest
    data: DataConfig
    warning: Optional[str]

    @classmethod
    def open(cls, records: str, about: Description, config: ProtocolConfig) -> "Material":
        """Opens records for a tower.

        Raises:
          InputError: there are none, they are unfinished, or their frames do not fit those that the tower knows.
        """
        manifest = Manifest.load(records)
        manifest.require_complete()
        fps, size = manifest.settings["fps"], manifest.settings["size"]
        if abs(fps - about.fps) > 1e-6 * about.fps:
            raise InputError(
                f"{records} has {fps:g} frames a second, the tower was trained at {about.fps:g}; "
                f"convert the videos again with --fps={about.fps:g}"
            )
        if size < about.size:
            raise InputError(
                f"{records} has frames of {size} pixels, the tower wants clips of {about.size}; "
                f"convert the videos again with --size={about.stored_size}"
            )
        warning = None
        if size != about.stored_size:
            warning = (
                f"{records} has frames of {size} pixels, the tower was trained on crops of {about.size} from frames of "
                f"{about.stored_size}: it sees another part of them; --size={about.stored_size} of prepare fits"
            )
        data = DataConfig(
            frames=about.frames,
            crop_size=about.size,
            batch_size=config.batch_size,
            flip=config.flip,
            color_jitter=config.color_jitter,
            resident_gb=config.resident_gb,
        )
        return cls(manifest, data, warning)

    def reader(self, videos: Sequence[LabelledVideo]) -> Reader:
        """Reads RGB clips of exactly these videos; those shorter than a clip begin again."""
        classes = {video.id: video.label for video in videos}
        return Reader.of(self.manifest, "labelled", RGB, self.data, classes, loop=True)

    def _read(self, videos: Sequence[LabelledVideo], windows: int) -> Iterator[Clips]:
        """Batches of evenly spread clips.

        Raises:
          InputError: a shard is missing or damaged.
        """
        with reading(self.manifest.folder, tf.errors.OpError):
            yield from self.reader(videos).windows(windows)

    def apply(self, function: Callable, videos: Sequence[LabelledVideo], windows: int) -> np.ndarray:
        """The results of a function for evenly spread clips of each video.

        Args:
          function: [B,T,H,W,3] float32 in [0,1] -> [B,D].
          videos: V of them.
          windows: Clips a video.

        Returns:
          [V,windows,D] float32, in the order of the videos.

        Raises:
          InputError: a result is not finite.
        """
        places = {identity(video.id)[0]: place for place, video in enumerate(videos)}
        results, filled = None, np.zeros(len(videos), np.int64)
        for clips in self._read(videos, windows):
            values = np.asarray(function(clips["now"]["rgb"]), np.float32)
            if results is None:
                results = np.empty([len(videos), windows, values.shape[1]], np.float32)
            for index, value in zip(clips["video"].numpy().tolist(), values):
                place = places[index]
                results[place, filled[place]] = value
                filled[place] += 1
        if results is None or (filled < windows).any():
            raise InputError(
                f"{self.manifest.folder}: {np.count_nonzero(filled < windows)} videos of the manifest are not in the "
                "shards; run python -m elo_tf.prepare --validate"
            )
        if not np.isfinite(results).all():
            bad = np.count_nonzero(~np.isfinite(results).all(axis=(1, 2)))
            raise InputError(
                f"what the network makes of {bad} of {len(videos)} videos is not finite; use another checkpoint, or a "
                "lower --finetune_learning_rate"
            )
        return results
