"""The size of records in bytes: measured if there are records, else estimated from stated averages."""

import dataclasses
from pathlib import Path
from typing import Optional

from elo_tf.config import IngestConfig
from elo_tf.data.records import FLOW, RGB, SOUND, SPLITS, Manifest
from elo_tf.data.tfrecord import SequenceExample, read_shard
from elo_tf.decoding.decode import sound_grid

# Averages of 8000 frames of 81 real clips at 128 pixels and JPEG quality 92; a pixel of flow is both of its components.
JPEG_BYTES_A_PIXEL = 0.33
PNG_BYTES_A_PIXEL = 0.17
# 16-bit sound.
SAMPLE_BYTES = 2
# Videos that are read to measure.
SAMPLE_VIDEOS = 64


@dataclasses.dataclass(frozen=True)
class RecordSizes:
    """Bytes a frame.

    Attributes:
      rgb, flow, sound: Of each modality as it is stored.
      source: Where the figures come from, for the reader.
    """

    rgb: float
    flow: float
    sound: float
    source: str

    @property
    def frame(self) -> float:
        return self.rgb + self.flow + self.sound


def stated(size: int, ingest: IngestConfig) -> RecordSizes:
    """Estimates for frames of a side of `size` pixels at the fps of `ingest`, all videos with sound."""
    sound = SAMPLE_BYTES * sound_grid(ingest.fps)[1]
    source = f"{JPEG_BYTES_A_PIXEL} and {PNG_BYTES_A_PIXEL} bytes a pixel, averages of real clips at 128 pixels"
    return RecordSizes(JPEG_BYTES_A_PIXEL * size**2, PNG_BYTES_A_PIXEL * size**2, sound, source)


def measured(manifest: Manifest) -> Optional[RecordSizes]:
    """Averages over some videos of local records; None where they lie elsewhere, or hold none.

    Raises:
      DamagedShardError: what is read is damaged.
    """
    if "://" in manifest.folder:
        return None
    totals, frames, videos = {RGB: 0, FLOW: 0, SOUND: 0}, 0, 0
    for shard in (path for split in SPLITS for path in manifest.shards(split)):
        for payload in read_shard(Path(shard)):
            lists = SequenceExample.FromString(payload).feature_lists.feature_list
            for name in totals:
                totals[name] += sum(len(entry.bytes_list.value[0]) for entry in lists[name].feature)
            frames, videos = frames + len(lists[RGB].feature), videos + 1
            if videos == SAMPLE_VIDEOS:
                break
        if videos == SAMPLE_VIDEOS:
            break
    if not frames:
        return None
    means = {name: total / frames for name, total in totals.items()}
    return RecordSizes(means[RGB], means[FLOW], means[SOUND], f"measured on {videos} of these videos")
