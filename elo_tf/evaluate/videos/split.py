"""The videos for training and for testing, with their classes."""

import dataclasses
from typing import Collection, Dict, List, Tuple

import numpy as np

from elo_tf.config import InputError
from elo_tf.data.records import Manifest, short_hash
from elo_tf.evaluate.videos.stored import StoredVideo, stored_videos

PARTS = ("train", "test")
# How many names a message shows.
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class LabelledVideo:
    """A video of the records.

    Attributes:
      id: Its path below the folder of videos.
      label: The place of its class in `Split.classes`.
      parts: Ids of its records in the order of time, where it was cut into parts; else empty.
    """

    id: str
    label: int
    parts: Tuple[str, ...] = ()

    @classmethod
    def of(cls, video: StoredVideo, label: int) -> "LabelledVideo":
        """A stored video with its class."""
        return cls(video.id, label, video.records if video.records != (video.id,) else ())

    @property
    def records(self) -> Tuple[str, ...]:
        """Ids of all its records."""
        return self.parts or (self.id,)


@dataclasses.dataclass(frozen=True)
class Split:
    """Training and test videos.

    Attributes:
      name: `holdout` for the two parts of the records, or the number of an official split.
      classes: Names of the classes.
      train, test: Videos of the records, in a fixed order.
      missing: Videos that the lists name and the records lack.
      short: Videos left out since they are shorter than a clip.
      first_missing: Names of the first few of both.
      overlap: Videos that the lists name for both parts; they test, and do not train.
      duplicates: Listed videos of which the records hold several.
      looped_train, looped_test: Videos shorter than a clip that are repeated, among those of each part.
      unreadable: Videos left out since their records are damaged.
    """

    name: str
    classes: Tuple[str, ...]
    train: Tuple[LabelledVideo, ...]
    test: Tuple[LabelledVideo, ...]
    missing: int = 0
    short: int = 0
    first_missing: Tuple[str, ...] = ()
    overlap: int = 0
    duplicates: int = 0
    looped_train: int = 0
    looped_test: int = 0
    unreadable: int = 0

    def with_short(self, manifest: Manifest, frames: int, loop: bool) -> "Split":
        """The split with videos of fewer frames than a clip has counted, and left out if they are not looped."""
        lengths = {video.id: video.frames for video in stored_videos(manifest)}
        if loop:
            count = {part: sum(lengths[video.id] < frames for video in getattr(self, part)) for part in PARTS}
            return dataclasses.replace(self, looped_train=count["train"], looped_test=count["test"])
        parts: Dict[str, Tuple[LabelledVideo, ...]] = {}
        short: List[str] = []
        for name in PARTS:
            videos = getattr(self, name)
            parts[name] = tuple(video for video in videos if lengths[video.id] >= frames)
            short += [video.id for video in videos if lengths[video.id] < frames]
        names = (*self.first_missing, *short)[:_SHOWN]
        train, test = (parts[name] for name in PARTS)
        return dataclasses.replace(self, train=train, test=test, short=len(short), first_missing=names)

    def without(self, damaged: Collection[str]) -> "Split":
        """The split without records that cannot be read, and without the videos of which no other is left."""
        parts: Dict[str, Tuple[LabelledVideo, ...]] = {}
        for name in PARTS:
            left = []
            for video in getattr(self, name):
                whole = tuple(record for record in video.records if record not in damaged)
                if whole:
                    left.append(dataclasses.replace(video, parts=whole if video.parts else ()))
            parts[name] = tuple(left)
        lost = len(self.train) + len(self.test) - sum(map(len, parts.values()))
        return dataclasses.replace(self, train=parts["train"], test=parts["test"], unreadable=self.unreadable + lost)

    def check(self, frames: int, max_missing: float, called: str = "") -> None:
        """Raises `InputError` where too many videos are missing, or a class has none to train on.

        Args:
          frames: Of a clip.
          max_missing: Part of the listed videos that may be missing.
          called: How files have to be called to be found, where that needs to be said.
        """
        listed = len(self.train) + len(self.test) + self.missing + self.short
        lost = self.missing + self.short
        if lost > max_missing * listed:
            raise InputError(
                f"split {self.name}: of {listed} videos {self.missing} are not in the records, and {self.short} have "
                f"fewer frames than a clip ({frames}), such as {', '.join(self.first_missing)}; convert them, or allow "
                f"{lost / listed:.3f} with --max_missing{f'; files are found as {called}' if called else ''}"
            )
        if len(self.classes) < 2:
            raise InputError(
                f"split {self.name} has {len(self.classes)} classes; convert the records with --labels=folders, "
                "from one folder a class"
            )
        self._check_parts()

    def check_readable(self, max_bad: float, error: InputError) -> None:
        """Raises `InputError` where too many videos were left out since their records are damaged.

        Args:
          max_bad: Part of the videos that may be.
          error: The last of what was found.
        """
        of = len(self.train) + len(self.test) + self.unreadable
        if self.unreadable > max_bad * of:
            raise InputError(
                f"split {self.name}: {self.unreadable} of {of} videos cannot be read, more than "
                f"--max_bad_fraction={max_bad:g} allows: {error}"
            ) from None
        self._check_parts()

    def _check_parts(self) -> None:
        """Raises `InputError` where a class has no training video, or there is no test video."""
        taught = {video.label for video in self.train}
        untaught = [name for label, name in enumerate(self.classes) if label not in taught]
        if untaught:
            raise InputError(
                f"split {self.name}: {len(untaught)} classes have no training video, such as "
                f"{', '.join(untaught[:_SHOWN])}; add videos, or use records of another --holdout_fraction"
            )
        if not self.test:
            raise InputError(
                f"split {self.name} has no test videos; make records with --holdout_fraction, or name the official "
                "lists with --split_format and --splits"
            )

    def labels(self, part: str) -> np.ndarray:
        """[V] int64 classes of `train` or `test`."""
        return np.array([video.label for video in getattr(self, part)], np.int64)


def of_folders(manifest: Manifest) -> Split:
    """The two parts that `prepare` made: training and held-out videos that have a label."""
    places = {label: place for place, label in enumerate(manifest.labels)}
    labelled = [video for video in stored_videos(manifest) if video.label]
    train, test = (
        tuple(LabelledVideo.of(video, places[video.label]) for video in labelled if video.split == part)
        for part in ("train", "holdout")
    )
    return Split("holdout", tuple(places), train, test)


def digest(split: Split) -> str:
    """16 hexadecimal digits that stand for who is in a split: the same lists and records give the same."""
    parts = [[(video.id, video.label, *video.parts) for video in part] for part in (split.train, split.test)]
    return short_hash([split.name, split.classes, *parts])
