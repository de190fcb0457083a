"""The official lists of HMDB51, UCF101 and Kinetics, as they are distributed.

    hmdb51     <class>_test_split<k>.txt      `video.avi 1` to train, 2 to test, 0 for neither
    ucf101     classInd.txt                   `1 ApplyEyeMakeup`
               trainlist0<k>.txt              `ApplyEyeMakeup/v_x.avi 1`
               testlist0<k>.txt               `ApplyEyeMakeup/v_x.avi`
    kinetics   *train*.csv, *val*.csv         label,youtube_id,time_start,time_end,...; times in whole seconds

A parser knows nothing of records. It names a video as it is found there: (class, file name) or, for Kinetics, whose
videos may lie in any folder, ("", file name), both without the extension, which changes when videos are converted.
"""

import csv
import dataclasses
import pathlib
import re
from typing import Callable, Dict, Iterator, List, Tuple

from elo_tf.config import InputError

# (folder or "", file name without extension).
Name = Tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Lists:
    """What the lists say.

    Attributes:
      classes: Names, in the order of the lists.
      train, test: The class of each video by name.
    """

    classes: Tuple[str, ...]
    train: Dict[Name, int]
    test: Dict[Name, int]


def hmdb51(folder: pathlib.Path, number: int) -> Lists:
    """Split 1, 2 or 3 of HMDB51."""
    suffix = f"_test_split{number}.txt"
    files = sorted(folder.glob(f"*{suffix}"))
    if not files:
        raise InputError(f"--splits={folder} has no file <class>{suffix}; name the folder testTrainMulti_7030_splits")
    classes = tuple(file.name[: -len(suffix)] for file in files)
    parts: Dict[str, Dict[Name, int]] = {"0": {}, "1": {}, "2": {}}
    for label, file in enumerate(files):
        for place, words in _lines(file):
            if len(words) != 2 or words[1] not in parts:
                raise InputError(f"{place}: {' '.join(words)!r} is not a file name and 0, 1 or 2")
            parts[words[1]][classes[label], _stem(words[0])] = label
    return Lists(classes, parts["1"], parts["2"])


def ucf101(folder: pathlib.Path, number: int) -> Lists:
    """Split 1, 2 or 3 of UCF101."""
    classes: List[str] = []
    for place, words in _lines(folder / "classInd.txt"):
        if len(words) != 2 or words[0] != str(len(classes) + 1):
            raise InputError(f"{place}: {' '.join(words)!r} is not the number {len(classes) + 1} and a class")
        classes.append(words[1])
    places = {name: label for label, name in enumerate(classes)}
    parts = []
    for name, widths in ((f"trainlist{number:02d}.txt", (2,)), (f"testlist{number:02d}.txt", (1, 2))):
        part: Dict[Name, int] = {}
        for place, words in _lines(folder / name):
            shown, slash, file = words[0].partition("/")
            if len(words) not in widths or not slash or shown not in places:
                raise InputError(f"{place}: {' '.join(words)!r} is not Class/video.avi, of a class in classInd.txt")
            if len(words) == 2 and words[1] != str(places[shown] + 1):
                raise InputError(f"{place}: {words[1]} is not the number of {shown} in classInd.txt")
            part[shown, _stem(file)] = places[shown]
        parts.append(part)
    return Lists(tuple(classes), *parts)


def kinetics(folder: pathlib.Path, number: int) -> Lists:
    """The one split of Kinetics: training against validation list, since labels of its test list were withheld."""
    if number != 1:
        raise InputError(f"--split={number}: Kinetics has one split; use --split=1")
    rows = [list(_kinetics_rows(_only(folder, pattern))) for pattern in ("*train*.csv", "*val*.csv")]
    classes = tuple(sorted({label for part in rows for _, label in part}))
    places = {name: label for label, name in enumerate(classes)}
    return Lists(classes, *({("", name): places[label] for name, label in part} for part in rows))


def _kinetics_rows(file: pathlib.Path) -> Iterator[Tuple[str, str]]:
    """(file name, label) of each row."""
    columns = ("label", "youtube_id", "time_start", "time_end")
    reader = csv.DictReader(_text(file).splitlines())
    if not set(columns) <= set(reader.fieldnames or ()):
        raise InputError(f"{file}:1: the header lacks one of {','.join(columns)}")
    for row in reader:
        label, video, *times = (row[column] or "" for column in columns)
        if not (label and video and all(re.fullmatch(r"[0-9]{1,6}(\.0*)?", time) for time in times)):
            raise InputError(f"{file}:{reader.line_num}: not a label, an id and two times in whole seconds")
        yield "_".join([video, *(f"{int(float(time)):06d}" for time in times)]), label


def _only(folder: pathlib.Path, pattern: str) -> pathlib.Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise InputError(f"--splits={folder} has {len(files)} files {pattern}; there must be one")
    return files[0]


def _lines(file: pathlib.Path) -> Iterator[Tuple[str, List[str]]]:
    """(file:line, words) of each line that is not empty."""
    for number, line in enumerate(_text(file).splitlines(), 1):
        if line.strip():
            yield f"{file}:{number}", line.split()


def _text(file: pathlib.Path) -> str:
    """The text of a list.

    Raises:
      InputError: the file is missing or no text.
    """
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{file} is missing; --splits names the folder of the official lists") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not a text file; download the lists again") from None


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


# --split_format -> parser.
FORMATS: Dict[str, Callable[[pathlib.Path, int], Lists]] = {"hmdb51": hmdb51, "ucf101": ucf101, "kinetics": kinetics}
