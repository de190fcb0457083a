"""The videos that are read from records, and the class of each."""

import dataclasses
import posixpath
from typing import Dict, Mapping, Optional, Tuple

import numpy as np

from elo_tf.config import InputError
from elo_tf.data.records import Manifest, indices
from elo_tf.data.video_table import VideoTable

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Selection:
    """Videos of a manifest.

    Attributes:
      manifest: Of the records.
      videos: Those to read.
      places: Class of each by id; where it is None, that is the place of the label among all labels, or -1 without one.
    """

    manifest: Manifest
    videos: VideoTable
    places: Optional[Mapping[str, int]] = None

    @classmethod
    def of(cls, manifest: Manifest, split: str, classes: Optional[Mapping[str, int]] = None) -> "Selection":
        """The videos of a split or, where classes are given, exactly those of these ids, whatever their split.

        Raises:
          InputError: there is none.
        """
        if classes is None:
            videos = manifest.of_split(split)
        else:
            videos = manifest.usable.take(np.array([video in classes for video in manifest.usable.ids], bool))
        if not len(videos):
            raise InputError(
                f"{manifest.folder} has no videos in its {split} part; make records with another --holdout_fraction"
            )
        return cls(manifest, videos, classes)

    def of_length(self, frames: int) -> "Selection":
        """Those that have at least so many frames."""
        return dataclasses.replace(self, videos=self.videos.take(self.videos.frames >= frames))

    def by_index(self) -> Tuple[np.ndarray, np.ndarray]:
        """The numbers that the records have for the videos, int64 [n], ascending, and the place of each video."""
        return np.unique(indices(self.videos.ids), return_index=True)

    @property
    def classes(self) -> np.ndarray:
        """The class of each video, int32 [n]."""
        if self.places is not None:
            return np.array([self.places[video] for video in self.videos.ids], np.int32)
        places = {label: place for place, label in enumerate(self.manifest.labels)}
        return self.videos.values("label", places, -1)

    @property
    def shards(self) -> Dict[str, int]:
        """How many of the videos each shard holds, by its path, sorted."""
        counts = self.videos.counts("shard")
        return {posixpath.join(self.manifest.folder, name): count for name, count in counts.items()}

    def resident_bytes(self, resident_gb: float) -> int:
        """What the videos take in memory, decoded; 0 where they do not fit into `--resident_gb` and are streamed."""
        frame_bytes = self.manifest.settings["size"] ** 2 * 5 + self.manifest.samples_per_frame * 2
        needed = int(self.videos.frames.sum(dtype=np.int64)) * frame_bytes
        return needed if needed <= resident_gb * GIB else 0
