"""Held-out clips, with the targets of their RGB embeddings: plain descriptors of other modalities, or labels.

holdout part of the records ─> varied clips ─┬─ RGB [N,T,H,W,3]
                                             └─ descriptors [N,d] of flow, of sound; labels as [N, classes]
"""

import dataclasses
from typing import Any, Dict, Sequence, Tuple

import numpy as np
import tensorflow as tf

from elo_tf.config import DataConfig, InputError
from elo_tf.data.clips import Clips
from elo_tf.data.descriptors import DESCRIBED, describe
from elo_tf.data.reader import Reader
from elo_tf.data.records import Manifest

LABELS = "labels"
LEAST_VIDEOS = 4  # Two halves, of which one foretells the other.

HeldOutClips = Dict[str, Any]


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """The held-out clips of a run.

    Attributes:
      reader: Of the holdout part.
      targets: Names of what embeddings are held against: some of `DESCRIBED`, or `LABELS`.
    """

    reader: Reader
    targets: Tuple[str, ...]

    @classmethod
    def of(cls, manifest: Manifest, data: DataConfig, clips: int, targets: Sequence[str], labelled: bool) -> "HeldOut":
        """Opens the records of a manifest.

        Args:
          manifest: Of the records.
          data: How clips are cut.
          clips: N, clips of a batch.
          targets: Modalities to describe; empty means those of `DESCRIBED` that the videos have.
          labelled: Whether labels are the target, in place of descriptors.

        Raises:
          InputError: there are too few held-out videos, or none has what is asked for.
        """
        for name in targets:
            if name not in DESCRIBED:
                raise InputError(f"--lambda_targets: {name!r} is unknown; choose from {', '.join(DESCRIBED)}")
        wanted = tuple(name for name in DESCRIBED if name in (targets or DESCRIBED))
        needs = frozenset(("now", modality) for modality in ("rgb", *([] if labelled else wanted)))
        try:
            reader = Reader.of(manifest, "holdout", needs, dataclasses.replace(data, batch_size=clips))
        except InputError as error:
            raise InputError(f"learned lambdas need held-out videos: {error}") from None
        if reader.videos.count < LEAST_VIDEOS:
            raise InputError(
                f"{reader.videos.count} held-out videos in {manifest.folder} are too few to learn lambdas; hold out "
                f"{LEAST_VIDEOS} or more, by another --holdout_fraction of python -m elo_tf.prepare"
            )
        if labelled:
            if len(manifest.labels) < 2:
                raise InputError(
                    f"--lambda_objective=labels: {manifest.folder} has fewer than two labels; use another objective"
                )
            return cls(reader, (LABELS,))
        if not reader.sounding:
            if "audio" in targets:
                raise InputError(
                    f"--lambda_targets: no held-out video of {manifest.folder} has sound; use --lambda_targets=flow"
                )
            wanted = tuple(name for name in wanted if name != "audio")
        return cls(reader, wanted)

    def batches(self, seed: int, first: int = 0, copies: int = 1) -> tf.data.Dataset:
        """Endless batches of varied clips, the same for the same seed.

        Args:
          seed: Of all that is random about them.
          first: Number of the batch to begin with.
          copies: How often each batch comes, for replicas that all take the same.

        Returns:
          Batches of `rgb` [N,T,H,W,3], `video` [N], and by name `targets` [N,d] and `present` [N].
        """
        batches = self.reader.training(seed, first=first).map(self._described)
        if copies > 1:
            batches = batches.flat_map(lambda batch: tf.data.Dataset.from_tensors(batch).repeat(copies))
        return batches.prefetch(1)

    def _described(self, clips: Clips) -> HeldOutClips:
        targets, present = {}, {}
        for name in self.targets:
            if name == LABELS:
                classes = len(self.reader.manifest.labels)
                targets[name] = tf.one_hot(clips["label"], classes)
                present[name] = tf.cast(clips["label"] >= 0, tf.float32)
                continue
            frames = clips["now"][name]
            width = describe(name, np.zeros([1, *frames.shape[1:]], np.float32)).shape[1]
            described = tf.numpy_function(lambda array, own=name: describe(own, array), [frames], tf.float32)
            targets[name] = tf.ensure_shape(described, [frames.shape[0], width])
            present[name] = clips["present"][name]
        return {"rgb": clips["now"]["rgb"], "video": clips["video"], "targets": targets, "present": present}
