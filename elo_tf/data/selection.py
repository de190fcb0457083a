"""The videos that are read from records, and the class of each."""

import dataclasses
import posixpath
from typing import Dict, List, Mapping, Optional

from elo_tf.config import InputError
from elo_tf.data.records import Manifest, identity
from elo_tf.data.video_entry import VideoEntry

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
    videos: List[VideoEntry]
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
            videos = [video for video in manifest.usable if video.id in classes]
        if not videos:
            raise InputError(
                f"{manifest.folder} has no videos in its {split} part; make records with another --holdout_fraction"
            )
        return cls(manifest, videos, classes)

    def of_length(self, frames: int) -> "Selection":
        """Those that have at least so many frames."""
        return dataclasses.replace(self, videos=[video for video in self.videos if video.frames >= frames])

    def by_index(self) -> Dict[int, VideoEntry]:
        """The videos by the numbers that the records have for them, in the order of these."""
        return dict(sorted((identity(video.id)[0], video) for video in self.videos))

    def class_of(self, videos: List[VideoEntry]) -> List[int]:
        """The class of each of these videos."""
        if self.places is not None:
            return [self.places[video.id] for video in videos]
        places = {label: place for place, label in enumerate(self.manifest.labels)}
        return [places.get(video.label, -1) for video in videos]

    @property
    def shards(self) -> List[str]:
        """Paths of the shards that hold the videos, sorted."""
        return sorted({self.shard_of(video) for video in self.videos})

    def shard_of(self, video: VideoEntry) -> str:
        """Path of the shard that holds a video."""
        return posixpath.join(self.manifest.folder, video.shard)

    def resident_bytes(self, resident_gb: float) -> int:
        """What the videos take in memory, decoded; 0 where they do not fit into `--resident_gb` and are streamed."""
        frame_bytes = self.manifest.settings["size"] ** 2 * 5 + self.manifest.samples_per_frame * 2
        needed = sum(video.frames for video in self.videos) * frame_bytes
        return needed if needed <= resident_gb * GIB else 0
