"""The videos in the records; records that `--segment_seconds` has cut form one video again.

    records    long.mp4#0, long.mp4#30, short.mp4       videos    long.mp4 (two records), short.mp4

Lists name videos, and a test counts videos: one that was cut is one item, whose clips come from all of its records.
"""

import dataclasses
from typing import Dict, List, Tuple

from elo_tf.data.records import Manifest
from elo_tf.data.video_entry import VideoEntry


@dataclasses.dataclass(frozen=True)
class StoredVideo:
    """A video.

    Attributes:
      id: Its path below the folder of videos.
      frames: Of all its records together.
      records: Their ids, in the order of time.
      label: Its class as the records name it; "" if it has none.
      split: The part of the records that it lies in.
    """

    id: str
    frames: int
    records: Tuple[str, ...]
    label: str = ""
    split: str = ""


def stored_videos(manifest: Manifest) -> List[StoredVideo]:
    """The usable videos of a manifest, in its order."""
    found: Dict[str, List[VideoEntry]] = {}
    for entry in manifest.usable:
        found.setdefault(entry.video, []).append(entry)
    videos = []
    for video, entries in found.items():
        entries.sort(key=lambda entry: entry.start)
        records = tuple(entry.id for entry in entries)
        frames = sum(entry.frames for entry in entries)
        videos.append(StoredVideo(video, frames, records, entries[0].label, entries[0].split))
    return videos
