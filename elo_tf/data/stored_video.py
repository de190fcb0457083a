"""One video of the records, decoded, to look at; training reads windows of many at a time (`elo_tf.data.reader`).

video = StoredVideo.load(manifest, manifest.usable[0].id)
video.rgb[3], video.flow[3]          a frame, and how its pixels move to the next one
"""

import dataclasses
import os
from pathlib import Path
from typing import Any, Optional

import cv2
import numpy as np
from google.protobuf.message import DecodeError

from elo_tf.config import InputError
from elo_tf.data.records import FLOW, ID, RGB, SOUND, Manifest
from elo_tf.data.stored_flow import dequantise
from elo_tf.data.tfrecord import DamagedShardError, SequenceExample, read_shard
from elo_tf.data.video_entry import VideoEntry


@dataclasses.dataclass(frozen=True)
class StoredVideo:
    """A video as trainings see it.

    Attributes:
      entry: Its line of the manifest.
      rgb: uint8 [F,H,W,3].
      flow: float32 [F,H,W,2], pixels a frame to the right and downwards; the last field repeats the one before it.
      sound: int16 [samples], mono, at the `sample_rate` of the manifest; None if it has none.
    """

    entry: VideoEntry
    rgb: np.ndarray
    flow: np.ndarray
    sound: Optional[np.ndarray]

    @classmethod
    def load(cls, manifest: Manifest, video_id: str) -> "StoredVideo":
        """Reads a video; its shard is read up to it.

        Args:
          manifest: Of records on this machine.
          video_id: `id` of one of its usable videos.

        Raises:
          InputError: there is no such video, or its shard is damaged.
          OSError: the shard cannot be read.
        """
        entry = next((video for video in manifest.usable if video.id == video_id), None)
        if entry is None:
            raise InputError(f"{manifest.folder} has no usable video {video_id!r}; choose an id of its manifest.usable")
        lists = _read(Path(manifest.folder), entry).feature_lists.feature_list
        frames = [feature.bytes_list.value[0] for feature in lists[RGB].feature]
        fields = [feature.bytes_list.value[0] for feature in lists[FLOW].feature]
        samples = b"".join(feature.bytes_list.value[0] for feature in lists[SOUND].feature)
        planes = np.stack([_picture(field, cv2.IMREAD_GRAYSCALE) for field in fields])  # [F,2*H,W]
        stored = np.stack(np.split(planes, 2, axis=1), axis=-1)  # [F,H,W,2]
        return cls(
            entry,
            np.stack([_picture(frame, cv2.IMREAD_COLOR)[..., ::-1] for frame in frames]),
            dequantise(stored) * np.float32(manifest.settings["flow_bound"]),
            np.frombuffer(samples, "<i2") if entry.sound else None,
        )


def _read(folder: Path, entry: VideoEntry) -> Any:
    """The SequenceExample of a video."""
    remedy = "run python -m elo_tf.prepare --validate"
    try:
        for payload in read_shard(folder / entry.shard):
            example = SequenceExample.FromString(payload)
            if os.fsencode(entry.id) in example.context.feature[ID].bytes_list.value:
                return example
    except (DamagedShardError, DecodeError) as error:
        raise InputError(f"{folder / entry.shard} is damaged ({error}); {remedy}") from None
    raise InputError(f"{folder / entry.shard} lacks {entry.id!r}; {remedy}")


def _picture(content: bytes, kind: int) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), kind)
