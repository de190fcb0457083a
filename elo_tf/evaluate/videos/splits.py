"""The splits that the flags name, found in the records and checked."""

import pathlib
import posixpath
from typing import Dict, List, Sequence, Tuple

from elo_tf.config import EvaluationConfig, InputError
from elo_tf.data.records import Manifest
from elo_tf.evaluate.videos.material import Material
from elo_tf.evaluate.videos.official import FORMATS, Lists, Name
from elo_tf.evaluate.videos.split import LabelledVideo, Split, of_folders

_SHOWN = 3


def read(config: EvaluationConfig, material: Material) -> List[Split]:
    """The splits of the flags, without videos that are shorter than a clip.

    Raises:
      InputError: lists are missing or malformed, name too many videos that the records lack, or leave a class or a part
        empty.
    """
    if config.split_format == "folders":
        if config.splits or config.split != ("1",):
            raise InputError("--splits and --split go with official lists; say which with --split_format")
        splits = [of_folders(material.manifest)]
    else:
        splits = _official(config, material.manifest)
    splits = [split.without_short(material.manifest, material.data.frames) for split in splits]
    for split in splits:
        split.check(material.data.frames, config.max_missing)
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
    return [in_records(number, parse(folder, int(number)), manifest) for number in numbers]


def in_records(number: str, lists: Lists, manifest: Manifest) -> Split:
    """The split with the videos of the records that the lists mean; counts those that the records lack.

    Raises:
      InputError: a video is both for training and for testing, or several of the records fit one name.
    """
    both = sorted(lists.train.keys() & lists.test.keys())
    if both:
        raise InputError(
            f"split {number}: {len(both)} videos are both for training and for testing, such as {_path(both[0])}; "
            "mend the lists"
        )
    found = _names(manifest, in_folders=any(folder for folder, _ in lists.train))
    parts: List[Tuple[LabelledVideo, ...]] = []
    missing: List[str] = []
    for part in (lists.train, lists.test):
        for name in part:
            if len(found.get(name, ())) > 1:
                raise InputError(
                    f"{manifest.folder}: {' and '.join(found[name][:2])} both fit {_path(name)} of the lists"
                )
        parts.append(
            tuple(LabelledVideo(found[name][0], label) for name, label in sorted(part.items()) if name in found)
        )
        missing += [_path(name) for name in sorted(part) if name not in found]
    return Split(number, lists.classes, *parts, missing=len(missing), first_missing=tuple(missing[:_SHOWN]))


def _names(manifest: Manifest, in_folders: bool) -> Dict[Name, List[str]]:
    """Name, as in lists -> ids of the usable videos that have it."""
    found: Dict[Name, List[str]] = {}
    for line in manifest.usable:
        folder, file = posixpath.split(line["id"])
        name = (posixpath.basename(folder) if in_folders else "", posixpath.splitext(file)[0])
        found.setdefault(name, []).append(line["id"])
    return found


def _path(name: Sequence[str]) -> str:
    return posixpath.join(*name)
