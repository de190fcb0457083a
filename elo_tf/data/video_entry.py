"""The lines of a manifest, one a video: converted (`VideoEntry`), or unusable.

    {"id": "a/x.mp4", "ok": true, "split": "train", "label": "a", "frames": 50, "sound": true, "file": ..., ...}
    {"id": "a/y.mp4", "ok": false, "why": "empty file", "again": false, "file": [0, 1700000000000000000]}

They are tuples with names, not dictionaries: a folder of records may have millions of them.
"""

from sys import intern
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from elo_tf.data.manifest_lines import is_line
from elo_tf.runtime import json_text

# Bytes and modification time (ns) of a file; of a folder of frames also their rate.
FileState = Tuple[float, ...]


class VideoEntry(NamedTuple):
    """A converted video, or a part of one.

    Attributes:
      id: Path below the folder of videos, with "/"; of a part SOURCE#START.
      split: `train` or `holdout`.
      label: "" if it has none.
      frames: How many it has.
      sound: Whether it has any.
      shard: Name of the file that it lies in; "" while that is being written.
      file: State of its file as it was read; None in records of early versions.
      mark: Stands for the content of the file; None in records of early versions.
      source: Id of the video that it is a part of; "" for a whole video.
      start: Where the part begins, seconds.
      warning: What the user should know; "" if all went well.
    """

    id: str
    split: str
    label: str
    frames: int
    sound: bool
    shard: str = ""
    file: Optional[FileState] = None
    mark: Optional[int] = None
    source: str = ""
    start: float = 0.0
    warning: str = ""

    @property
    def video(self) -> str:
        """Id of the video that this is, or is a part of."""
        return self.source or self.id

    def to_json(self) -> Dict[str, Any]:
        """The line of the manifest; it has what the video has."""
        line: Dict[str, Any] = {"id": self.id, "ok": True, "split": self.split, "label": self.label}
        line.update(frames=self.frames, sound=self.sound)
        if self.source:
            line.update(source=self.source, start=self.start)
        if self.warning:
            line["warning"] = self.warning
        known = {"mark": self.mark, "file": self.file, "shard": self.shard or None}
        return {**line, **{name: value for name, value in known.items() if value is not None}}


class UnusableVideo(NamedTuple):
    """A file that cannot be used.

    Attributes:
      id: Path below the folder of videos.
      why: In one line.
      again: Whether it is worth another try, since a limit or the machine was the cause.
      file: State of the file as it was read; None where it could not be had.
      aside: Whether it is no video at all, and is not called as one.
    """

    id: str
    why: str
    again: bool = False
    file: Optional[FileState] = None
    aside: bool = False

    @property
    def video(self) -> str:
        """Id of the video."""
        return self.id

    def to_json(self) -> Dict[str, Any]:
        """The line of the manifest."""
        line = {"id": self.id, "ok": False, "why": self.why, "again": self.again, "file": self.file}
        return {**line, "aside": True} if self.aside else line


Entry = Union[VideoEntry, UnusableVideo]


def from_json(line: Dict[str, Any]) -> Entry:
    """The entry of a line of a manifest.

    Args:
      line: One that `manifest_lines.is_line` holds for one.
    """
    known = line.get
    file = known("file")
    if file is not None:
        file = tuple(file)
    if not line["ok"]:
        return UnusableVideo(line["id"], line["why"], known("again", False), file, known("aside", False))
    return VideoEntry(
        line["id"],
        # Few values in many lines: each is in memory once.
        intern(line["split"]),
        intern(line["label"]),
        line["frames"],
        bool(line["sound"]),
        intern(line["shard"]),
        file,
        known("mark"),
        known("source", ""),
        known("start", 0.0),
        known("warning", ""),
    )


def parse(text: str) -> Any:
    """JSON whose `videos` are entries, made as they are read: there is never a dictionary of each.

    A damaged line stays the dictionary that it is, which `are_entries` finds: the file may be of another version.

    Raises:
      ValueError: it is no JSON.
    """
    return json_text.parse(text, object_hook=lambda value: from_json(value) if is_line(value) else value)


def are_entries(videos: Any) -> bool:
    """Whether these are entries, all of them, as `parse` has read them."""
    return isinstance(videos, list) and all(isinstance(each, (VideoEntry, UnusableVideo)) for each in videos)
