"""The official lists of HMDB51, UCF101 and Kinetics, as they are distributed.

    hmdb51     <class>_test_split<k>.txt      `video.avi 1` to train, 2 to test, 0 for neither
    ucf101     classInd.txt                   `1 ApplyEyeMakeup`
               trainlist0<k>.txt              `ApplyEyeMakeup/v_x.avi 1`
               testlist0<k>.txt               `ApplyEyeMakeup/v_x.avi`
    kinetics   *train*.csv, *val*.csv         label,youtube_id,time_start,time_end,...; times in whole seconds

A byte order mark, blank lines, comments (#), any ends of lines and spaces around a line are no part of a list; neither
are hidden files, such as those that macOS puts beside others. Columns of Kinetics may come in any order, and be parted
by semicolons or tabs. A parser knows nothing of records. It names a video as it is listed: (class, file name) or, for
Kinetics, whose videos may lie in any folder, ("", id_start_end). `names` finds it.
"""

import csv
import dataclasses
import fnmatch
import io
import pathlib
import re
from typing import Callable, Dict, Iterator, List, Tuple

from elo_tf.config import InputError
from elo_tf.evaluate.videos import names
from elo_tf.evaluate.videos.names import Name
from elo_tf.runtime import text

_COLUMNS = ("label", "youtube_id", "time_start", "time_end")


@dataclasses.dataclass(frozen=True)
class Lists:
    """What the lists say.

    Attributes:
      classes: Names, in the order of the lists.
      train, test: The class of each video by name; a video may be in both.
      neither: Names of videos that are listed for neither part.
      kinetics: Whether names have times in them.
    """

    classes: Tuple[str, ...]
    train: Dict[Name, int]
    test: Dict[Name, int]
    neither: Tuple[Name, ...] = ()
    kinetics: bool = False


def hmdb51(folder: pathlib.Path, split: int) -> Lists:
    """Split 1, 2 or 3 of HMDB51."""
    suffix = f"_test_split{split}.txt"
    files = _files(folder, f"*{suffix}")
    if not files:
        raise InputError(f"--splits={folder} has no file <class>{suffix}; name the folder testTrainMulti_7030_splits")
    classes = tuple(file.name[: -len(suffix)] for file in files)
    parts: Dict[str, Dict[Name, int]] = {"0": {}, "1": {}, "2": {}}
    for label, file in enumerate(files):
        for place, line in _lines(file):
            name, code = _cut(line)
            if code in parts:
                parts[code][classes[label], _path(name)[-1]] = label
            elif not _is_remark(line):  # Names of videos of HMDB51 may begin with #.
                raise InputError(f"{place}: {line!r} is not a file name and 0, 1 or 2")
    return Lists(classes, parts["1"], parts["2"], tuple(parts["0"]))


def ucf101(folder: pathlib.Path, split: int) -> Lists:
    """Split 1, 2 or 3 of UCF101."""
    places: Dict[str, int] = {}
    for place, line in _lines(_named(folder, "classInd.txt")):
        number, *name = line.split(None, 1)
        if _is_remark(line):
            continue
        if not name or number != str(len(places) + 1) or name[0] in places:
            raise InputError(f"{place}: {line!r} is not the number {len(places) + 1} and a class")
        places[name[0]] = len(places)
    train, test = (
        dict(_ucf101_videos(_named(folder, f"{part}list{split:02d}.txt"), places, part == "train"))
        for part in ("train", "test")
    )
    return Lists(tuple(places), train, test)


def _ucf101_videos(file: pathlib.Path, places: Dict[str, int], numbered: bool) -> Iterator[Tuple[Name, int]]:
    """(name, class) of each video; `numbered` lists repeat the number of the class behind each."""
    for place, line in _lines(file):
        name, number = _cut(line)
        *folders, video = _path(name)
        shown = next((folder for folder in reversed(folders) if folder in places), None)
        if shown is None or not video or (numbered and not number):
            if _is_remark(line):
                continue
            raise InputError(f"{place}: {line!r} is not Class/video.avi, of a class in classInd.txt")
        if number and number != str(places[shown] + 1):
            raise InputError(f"{place}: {number} is not the number of {shown} in classInd.txt")
        yield (shown, video), places[shown]


def kinetics(folder: pathlib.Path, split: int) -> Lists:
    """The one split of Kinetics: training against validation list, since labels of its test list were withheld."""
    if split != 1:
        raise InputError(f"--split={split}: Kinetics has one split; use --split=1")
    train, test = (_kinetics_labels(_only(folder, pattern)) for pattern in ("*train*.csv", "*val*.csv"))
    classes = tuple(sorted({*train.values(), *test.values()}))
    places = {name: label for label, name in enumerate(classes)}
    train_part, test_part = ({("", name): places[label] for name, label in part.items()} for part in (train, test))
    return Lists(classes, train_part, test_part, kinetics=True)


def _kinetics_labels(file: pathlib.Path) -> Dict[str, str]:
    """The label of each clip."""
    labels: Dict[str, str] = {}
    for place, name, label in _kinetics_rows(file):
        if labels.setdefault(name, label) != label:
            raise InputError(f"{place}: {name} is {label} here and {labels[name]} before; remove one of the lines")
    return labels


def _kinetics_rows(file: pathlib.Path) -> Iterator[Tuple[str, str, str]]:
    """(file:line, name, label) of each row."""
    places: List[int] = []
    for number, cells in _rows(file):
        if not places:
            head = [cell.lower() for cell in cells]
            if not set(_COLUMNS) <= set(head):
                raise InputError(f"{file}:{number}: the header has not all of {','.join(_COLUMNS)}")
            places = [head.index(column) for column in _COLUMNS]
            continue
        label, video, *times = (cells[place] if place < len(cells) else "" for place in places)
        if not (label and video and all(re.fullmatch(r"[0-9]{1,6}(\.0*)?", time) for time in times)):
            raise InputError(f"{file}:{number}: not a label, an id and two times in whole seconds")
        yield f"{file}:{number}", names.timed(video, *(int(float(time)) for time in times)), label
    if not places:
        raise InputError(f"{file}:1: the header has not all of {','.join(_COLUMNS)}")


def _rows(file: pathlib.Path) -> Iterator[Tuple[int, List[str]]]:
    """(line, cells) of each row that is neither empty nor a comment."""
    content = _text(file)
    first = next((line for line in content.splitlines() if line.strip() and not line.startswith("#")), "")
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=max(",;\t", key=first.count), skipinitialspace=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells) and not cells[0].startswith("#"):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{file}:{reader.line_num}: {error}; download the lists again") from None


def _files(folder: pathlib.Path, pattern: str) -> List[pathlib.Path]:
    """The files of a folder that match, whatever their capitals, sorted; hidden ones are none of the lists."""
    return sorted(
        path
        for path in folder.iterdir()
        if fnmatch.fnmatchcase(path.name.lower(), pattern.lower()) and not path.name.startswith(".")
    )


def _named(folder: pathlib.Path, name: str) -> pathlib.Path:
    return next(iter(_files(folder, name)), folder / name)


def _only(folder: pathlib.Path, pattern: str) -> pathlib.Path:
    files = _files(folder, pattern)
    if len(files) != 1:
        raise InputError(f"--splits={folder} has {len(files)} files {pattern}; there must be one")
    return files[0]


def _lines(file: pathlib.Path) -> Iterator[Tuple[str, str]]:
    """(file:line, line without spaces around it) of each line that is neither empty nor `# a comment`."""
    for number, line in enumerate(io.StringIO(_text(file), newline=None), 1):
        line = line.strip()
        if line and not re.match(r"#(\s|#|$)", line):
            yield f"{file}:{number}", line


def _is_remark(line: str) -> bool:
    """Whether a line that is no entry may be a comment: it has # in front, and names no video."""
    return line.startswith("#") and not any(map(names.has_extension, line.split()))


def _cut(line: str) -> Tuple[str, str]:
    """The name in a line, which may have spaces in it or quotes round it, and the number behind it, if there is one."""
    name, _, number = line.replace("\t", " ").rpartition(" ")
    name, number = (name.strip(), number) if name and number.isascii() and number.isdigit() else (line, "")
    return name[1:-1] if re.fullmatch(r'".+"', name) else name, number


def _path(name: str) -> List[str]:
    """The folders and the file of a path, as it is written on any system."""
    return name.replace("\\", "/").split("/")


def _text(file: pathlib.Path) -> str:
    """The text of a list.

    Raises:
      InputError: the file is missing or no text.
    """
    try:
        return text.read(file)
    except FileNotFoundError:
        raise InputError(f"{file} is missing; --splits names the folder of the official lists") from None
    except ValueError as error:
        raise InputError(f"{file} is not a text file ({error}); download the lists again") from None


# --split_format -> parser.
FORMATS: Dict[str, Callable[[pathlib.Path, int], Lists]] = {"hmdb51": hmdb51, "ucf101": ucf101, "kinetics": kinetics}
# --split_format -> how videos have to be called to be found, where that is not as they are listed.
CALLED = {"kinetics": "ID_START_END (with or without leading zeros) or ID, with any extension, in any folder"}
