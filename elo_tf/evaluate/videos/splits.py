"""The splits that the flags name: found in the records, and checked.

Of copies of a video one is taken (--duplicates), and a video that the lists name for both parts tests and does not
train; both are counted.
"""

import pathlib
import posixpath
from typing import List, Sequence, Tuple

from elo_tf.config import EvaluationConfig, InputError
from elo_tf.data.records import Manifest
from elo_tf.evaluate.videos import names
from elo_tf.evaluate.videos.material import Material
from elo_tf.evaluate.videos.names import Name
from elo_tf.evaluate.videos.official import CALLED, FORMATS, Lists
from elo_tf.evaluate.videos.split import LabelledVideo, Split, of_folders
from elo_tf.evaluate.videos.stored import StoredVideo, stored_videos

_SHOWN = 3


def read(config: EvaluationConfig, material: Material) -> List[Split]:
    """The splits of the flags.

    Raises:
      InputError: lists are missing or malformed, name too many videos that the records lack, or leave a class or a part
        empty.
    """
    if config.split_format == "folders":
        if config.splits or config.split != ("1",):
            raise InputError("--splits and --split are for official lists; name their format with --split_format")
        splits = [of_folders(material.manifest)]
    else:
        splits = _official(config, material.manifest)
    frames, loop = material.data.frames, config.short_videos == "loop"
    splits = [split.with_short(material.manifest, frames, loop) for split in splits]
    for split in splits:
        split.check(frames, config.max_missing, CALLED.get(config.split_format, ""))
    return splits


def _official(config: EvaluationConfig, manifest: Manifest) -> List[Split]:
    folder = pathlib.Path(config.splits)
    if not config.splits or not folder.is_dir():
        raise InputError(
            f"--splits={config.splits} is not a folder; name the folder of the {config.split_format} lists"
        )
    numbers = list(dict.fromkeys(config.split))
    for number in numbers:
        if number not in ("1", "2", "3"):
            raise InputError(f"--split: {number!r} is not 1, 2 or 3")
    if not numbers:
        raise InputError("--split is empty; give one or more numbers, such as 1,2,3")
    parse = FORMATS[config.split_format]
    return [in_records(number, parse(folder, int(number)), manifest, config.duplicates) for number in numbers]


def in_records(number: str, lists: Lists, manifest: Manifest, duplicates: str = "longest") -> Split:
    """The split with the videos of the records that the lists mean; counts those that the records lack.

    Args:
      number: Of the split.
      lists: What they say.
      manifest: Of the records.
      duplicates: Which of several videos that fit one name is taken: `longest` or `first`; or `refuse`.

    Raises:
      InputError: several videos fit one name, and are refused.
    """
    listed = [*lists.train, *lists.test, *lists.neither]
    found = names.find(listed, stored_videos(manifest), lists.kinetics)
    both = lists.train.keys() & lists.test.keys()
    train = {name: label for name, label in lists.train.items() if name not in both}
    parts: List[Tuple[LabelledVideo, ...]] = []
    missing: List[str] = []
    for part in (train, lists.test):
        there = sorted(part.keys() & found.keys())
        parts.append(tuple(LabelledVideo.of(_choose(name, found[name], duplicates), part[name]) for name in there))
        missing += [_path(name) for name in sorted(part.keys() - found.keys())]
    copies = sum(len(found[name]) > 1 for name in {*train, *lists.test} & found.keys())
    return Split(
        number,
        lists.classes,
        train=parts[0],
        test=parts[1],
        missing=len(missing),
        first_missing=tuple(missing[:_SHOWN]),
        overlap=len(both),
        duplicates=copies,
    )


def _choose(name: Name, videos: Sequence[StoredVideo], duplicates: str) -> StoredVideo:
    """One of the videos that fit a name."""
    ordered = sorted(videos, key=lambda video: video.id)
    if len(ordered) > 1 and duplicates == "refuse":
        raise InputError(
            f"{ordered[0].id} and {ordered[1].id} both match {_path(name)} of the lists; remove one of them from the "
            "records, or choose with --duplicates"
        )
    if duplicates == "longest":  # The most frames: a damaged file, decoded in part, has fewer than its replacement.
        return min(ordered, key=lambda video: -video.frames)
    return ordered[0]


def _path(name: Name) -> str:
    return posixpath.join(*name)
