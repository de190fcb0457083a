"""Finds the videos of a list in the records, by the longest form of the name that matches.

    list       brush_hair/April.avi         forms: April.avi, April, april
    records    all/brush_hair/april.MP4     forms: april.MP4, april
    Kinetics   xyz,7,17                     forms: xyz_000007_000017, xyz
    records    val/xyz_7_17.mkv             forms: xyz_7_17.mkv, xyz_7_17, xyz_000007_000017

Only what is known as the extension of a video is taken off a listed name, so that `v1.0_a` stays what it is. Two listed
names never become one: a video goes to one of them, and none goes by a form that several of them have. Names are
compared in Unicode's composed form (NFC), which some file systems take apart. Nothing is opened here: a listed name
with `..` in it is a name that no video has.
"""

import itertools
import pathlib
import posixpath
import re
import unicodedata
from typing import Dict, Iterable, List, Set, Tuple

from elo_tf.evaluate.videos.stored import StoredVideo

# (class, or "" where the lists do not know the folder; file name as listed).
Name = Tuple[str, str]
# (class of the folder, form of the file name).
_Key = Tuple[str, str]
# The forms of a listed name, in the order in which they are looked for.
_NAME, _STEM, _FOLDED = range(3)

_LISTED_EXTENSION = re.compile(
    r"\.(3g2|3gp|asf|avi|divx|dv|f4v|flv|gif|h26[45]|m2ts|m4v|mjpe?g|mkv|mov|mp4|mpe?g|mpe|mts|mxf|ogg|ogv|qt|rm|rmvb|ts"
    r"|vob|webm|wmv|y4m)$",
    re.IGNORECASE,
)
# Of what has been decoded, whatever it is called.
_EXTENSION = re.compile(r"\.(?=[0-9]*[a-z])[a-z0-9]{2,5}$", re.IGNORECASE)
_TIMES = re.compile(r"(.+)_0*([0-9]{1,6})(?:\.0*)?_0*([0-9]{1,6})(?:\.0*)?", re.DOTALL)
# As yt-dlp and youtube-dl call files: title [id], title-id.
_BEHIND_TITLE = re.compile(r".*(?:\[([\w-]{11})\]|-([\w-]{11}))", re.ASCII | re.DOTALL)


def timed(video: str, start: int, end: int) -> str:
    """The name that Kinetics gives to a clip.

    Args:
      video: Its YouTube id.
      start, end: Seconds.
    """
    return f"{video}_{start:06d}_{end:06d}"


def has_extension(name: str) -> bool:
    """Whether a name ends as that of a video file does."""
    return bool(_LISTED_EXTENSION.search(name))


def find(names: Iterable[Name], videos: Iterable[StoredVideo], kinetics: bool) -> Dict[Name, List[StoredVideo]]:
    """The videos that each name means: several where the records hold copies, in their order; names without any lack.

    A video lies in the class of the nearest folder above it that is called as one; where there is no such folder, it
    may be of any class.

    Args:
      names: All that the lists name, for whatever part.
      videos: Of the records.
      kinetics: Whether the names are those of `timed`.
    """
    listed = {name: _listed_forms(name[1], kinetics) for name in sorted(set(names))}
    index = _index(videos, {_folded(folder) for folder, _ in listed} - {""}, kinetics)
    found: Dict[Name, List[StoredVideo]] = {}
    taken: Set[str] = set()
    # Elsewhere than in a folder of its class a video is looked for last.
    for elsewhere, own in itertools.product((False, True), (_NAME, _STEM, _FOLDED)):
        asked: Dict[_Key, List[Name]] = {}
        for name, forms in listed.items():
            if own in forms and not (elsewhere and not name[0]):
                asked.setdefault(("" if elsewhere else _folded(name[0]), forms[own]), []).append(name)
        alone = {key: askers[0] for key, askers in asked.items() if len(askers) == 1}
        for by_form, (key, name) in itertools.product(index, alone.items()):
            free = [video for video in by_form.get(key, ()) if video.id not in taken]
            if free and name not in found:
                found[name] = free
                taken.update(video.id for video in free)
    return found


def _index(videos: Iterable[StoredVideo], classes: Set[str], kinetics: bool) -> List[Dict[_Key, List[StoredVideo]]]:
    """The videos by each form of their names, the longest first."""
    index: List[Dict[_Key, List[StoredVideo]]] = [{}, {}, {}, {}]
    for video in videos:
        folder, file = posixpath.split(video.id)
        parts = map(_folded, reversed(pathlib.PurePosixPath(folder).parts))
        own = next((part for part in parts if part in classes), "")
        for by_form, form in zip(index, _forms_of_file(file, kinetics)):
            by_form.setdefault((own, form), []).append(video)
    return index


def _listed_forms(name: str, kinetics: bool) -> Dict[int, str]:
    name = _composed(name)
    times = _TIMES.fullmatch(name) if kinetics else None
    shorter = times[1] if times else _LISTED_EXTENSION.sub("", name)
    forms = {_NAME: name}
    if shorter not in ("", name):
        forms[_STEM] = shorter
    if not kinetics:  # Ids of Kinetics differ in capitals alone.
        forms[_FOLDED] = (shorter or name).casefold()
    return forms


def _forms_of_file(name: str, kinetics: bool) -> List[str]:
    name = _composed(name)
    stem = _EXTENSION.sub("", name) or name
    # Downloaders that join picture and sound write x.mp4.webm.
    forms = [name, stem, _LISTED_EXTENSION.sub("", stem) or stem]
    if not kinetics:
        return [*forms, forms[2].casefold()]
    times, titled = _TIMES.fullmatch(forms[2]), _BEHIND_TITLE.fullmatch(forms[2])
    if times:
        forms.append(timed(times[1], int(times[2]), int(times[3])))
    elif titled:
        forms.append(titled[1] or titled[2])
    return forms


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _folded(folder: str) -> str:
    """Copies of UCF101 differ in capitals (HandstandPushups, HandStandPushups)."""
    return _composed(folder).casefold()
