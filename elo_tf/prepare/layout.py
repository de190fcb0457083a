"""What the folders of a data set say of its videos: labels, and which videos are held out.

CLASS/x.mp4                          label CLASS; held out by the hash of the path
train/CLASS/x.mp4, val/CLASS/y.mp4   x is for training, y is held out
CLASS/GROUP/x.mp4                    label GROUP, or CLASS with --label_level=1
"""

import collections
import dataclasses
import re
import unicodedata
from typing import Any, Dict, List, Mapping, Optional, Pattern, Sequence, Set, Tuple

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import split_of
from elo_tf.decoding.listing import printable

_WORDS = {
    "train": r"train(?:ing)?(?:[ _-]?val(?:idation)?)?",
    "holdout": r"val|valid|validate|validation|test|testing|eval|evaluation|dev|hold[ _-]?out|held[ _-]?out",
}
_MORE = r"(?:[ _-]?(?:\d+|sets?|splits?|data|videos?|clips?|frames?|images?))*"
_PARTS = {part: re.compile(rf"(?:{words}){_MORE}", re.IGNORECASE) for part, words in _WORDS.items()}
# Of names with more in them, such as `kinetics400_train`. A class may be called `train tracks`.
_LOOSELY = {
    part: re.compile(rf"(?:.*[\W\d_])?(?:{words})(?:sets?)?(?:[\W\d_].*)?", re.IGNORECASE | re.DOTALL)
    for part, words in _WORDS.items()
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a video's path gives its label and its split.

    Attributes:
      labelled: Whether folders are classes.
      level: Which folder is the class: 0 the one that holds the video, 1 the first one, and so on.
      holdout_fraction: Part that is held out by the hash of the path, where folders do not say it.
      depth: At which depth folders are called train, val, test and the like; None if folders do not say the split.
      parts: The split of each folder there that is called so.
      wrapped: Whether the folders above that depth are the same for all videos, and no classes.
    """

    labelled: bool
    level: int
    holdout_fraction: float
    depth: Optional[int] = None
    parts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    wrapped: bool = False

    def split(self, video: str) -> str:
        """`train` or `holdout`. Where folders say it, what lies outside of them is for training."""
        if self.depth is None:
            return split_of(video, self.holdout_fraction)
        return self.parts.get(self.split_folder(video), "train")

    def split_folder(self, video: str) -> str:
        """The folder at the depth of the split, "" where there is none."""
        folders = _folders_of(video)
        return folders[self.depth] if self.depth is not None and len(folders) > self.depth else ""

    def label(self, video: str) -> str:
        """The class, "" if it has none; letters with accents are composed (NFC), as not all systems store them."""
        if not self.labelled:
            return ""
        folders, place = self.class_folders(video), self.level - 1
        return unicodedata.normalize("NFC", folders[place]) if len(folders) > place and folders else ""

    def class_folders(self, video: str) -> Tuple[str, ...]:
        """The folders of a video that may be its class."""
        folders = _folders_of(video)
        if self.depth is None or self.split_folder(video) not in self.parts:
            return folders
        return folders[self.depth + 1 :] or (() if self.wrapped else folders[: self.depth])


def find_layout(videos: Sequence[str], config: IngestConfig, earlier: Optional[Mapping[str, Any]]) -> Layout:
    """The layout of some videos.

    Args:
      videos: Their ids.
      config: `labels`, `label_level`, `holdout_fraction` and `held_out`, which may leave it to the folders.
      earlier: Settings of the records that videos are added to; None if there are none.

    Raises:
      InputError: folders are to say what is held out, and do not.
    """
    depth, parts = _split_folders(videos)
    held_out = config.held_out
    if held_out == "auto":
        held_out = "folders" if depth is not None else "hash"
        if earlier is not None:
            held_out = earlier.get("held_out", "hash")
    layout = Layout(config.labels == "folders", config.label_level, config.holdout_fraction)
    if held_out == "hash":
        return layout
    if depth is None:
        raise InputError(
            "--held_out=folders: --videos has no folder called train, or none called val or test; rename the folders, "
            "or use --held_out=hash and other --records"
        )
    above = {_folders_of(video)[:depth] for video in videos if len(_folders_of(video)) > depth}
    return dataclasses.replace(layout, depth=depth, parts=parts, wrapped=len(above) == 1)


def describe(layout: Layout, videos: Sequence[str]) -> Dict[str, str]:
    """What a user should know of the split and the labels, in a line each; by `split` and `labels`."""
    about = {}
    if layout.depth is not None:
        about["split"] = _split_words(layout, videos)
    elif _split_folders(videos)[0] is not None:
        about["split"] = (
            "by the hash of the path: the folders called train, val and test are not followed; "
            "--held_out=folders with other --records follows them"
        )
    if layout.labelled:
        about["labels"] = _label_words(layout, videos)
    return about


def _split_words(layout: Layout, videos: Sequence[str]) -> str:
    counts: Dict[str, Dict[str, int]] = {"train": collections.Counter(), "holdout": collections.Counter()}
    outside = 0
    for video in videos:
        folder = layout.split_folder(video)
        part = layout.parts.get(folder)
        if part:
            counts[part][folder] += 1
        else:
            outside += 1
    train, held_out = (
        ", ".join(f"{printable(name)} ({count})" for name, count in sorted(counts[part].items())) for part in counts
    )
    words = f"by folders: {train} for training, {held_out} held out"
    return words + (f"; {outside} videos outside of them for training" if outside else "")


def _label_words(layout: Layout, videos: Sequence[str]) -> str:
    labels = [layout.label(video) for video in videos]
    words = [f"{len(set(labels) - {''})} classes"]
    without = [video for video, label in zip(videos, labels) if not label]
    if without:
        words.append(f"{len(without)} videos lie in no class folder and have no label, such as {printable(without[0])}")
    nested = [folders for folders in map(layout.class_folders, videos) if len(folders) > 1]
    if nested and not layout.level:
        first = len({folders[0] for folders in nested})
        words.append(
            f"they are the folders that hold the videos, such as {printable('/'.join(nested[0]))}; --label_level=1 "
            f"takes the first folders, of which there are {first}"
        )
    return "; ".join(words)


def _split_folders(videos: Sequence[str]) -> Tuple[Optional[int], Dict[str, str]]:
    """The least depth at which one folder is called train and another val or test, and the split of each so called.

    Names that say more count where all folders of that depth are called so. None if there is no such depth.
    """
    names: List[Set[str]] = []
    for folders in {_folders_of(video) for video in videos}:
        names.extend(set() for _ in range(len(folders) - len(names)))
        for depth, folder in enumerate(folders):
            names[depth].add(folder)
    for depth, here in enumerate(names):
        for patterns in (_PARTS, _LOOSELY):
            parts = {folder: part for folder in here for part in [_part(folder, patterns)] if part}
            if len(set(parts.values())) > 1 and (patterns is _PARTS or len(parts) == len(here)):
                return depth, parts
    return None, {}


def _part(folder: str, patterns: Mapping[str, Pattern[str]]) -> Optional[str]:
    """The split that a folder is called; None if it is called something else."""
    return next((part for part, pattern in patterns.items() if pattern.fullmatch(folder)), None)


def _folders_of(video: str) -> Tuple[str, ...]:
    return tuple(video.split("/")[:-1])
