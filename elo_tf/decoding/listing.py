"""The video files of a folder, the other files in it, and the reasons why videos are unusable."""

import collections
import os
import re
from pathlib import Path
from typing import Counter, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import google_crc32c

from elo_tf.config import InputError

_VIDEOS = frozenset(
    "264 265 3g2 3gp amv asf avi divx dv f4v flv gif gxf h264 h265 hevc insv ivf lrv m2p m2ts m2v m4v mjpeg mjpg mk3d "
    "mkv mov mp4 mpe mpeg mpg mpv mts mxf nut obu ogm ogv qt rm rmvb ts vob webm wmv wtv xvid y4m".split()
)
_IMAGES = frozenset(
    "avif bmp dng exr hdr heic heif ico jp2 jpe jpeg jpg pbm pgm png pnm ppm psd svg tga thm tif tiff webp".split()
)
# What lies beside videos: descriptions, subtitles, lists, sums, tables, sound, archives, programs.
_OTHERS = _IMAGES | frozenset(
    "7z aac ac3 aif aifc aiff ann ape ass au bat bz2 c cff cfg conf cpp csv db description doc docx dtd dts eaf "
    "epub exe flac ftl gz h5 hdf5 htm html idx inc ini ipynb java js json jsonl kml list lnk log lrc lst m3u m3u8 "
    "m4a mat md md5 mid midi mka mks mp2 mp3 msgpack nfo npy npz odt oga onnx opus parquet pdf pickle pkl pls ppt "
    "pptx pt pth pts py pyc rar rst rtf sbv sfv sh sha1 sha256 smi sql sqlite srt srv1 srv2 srv3 ssa stl sub sum "
    "sup tar textgrid tgz toml torrent tsv ttml txt url vtt wav webloc wma wv xls xlsx xml xmp xz yaml yml zip "
    "zst".split()
)
_UNFINISHED = re.compile(
    r"\.(part|partial|crdownload|download|opdownload|ytdl|tmp|temp|aria2|filepart|incomplete|!ut|!qb)$|"
    r"\.part-frag\d+(\.part)?$",
    re.IGNORECASE,
)
_FRAME = re.compile(r"(.*?)(\d+)\)?\.(?:jpe?g|png|bmp|webp|tiff?|p[gnp]m)", re.IGNORECASE | re.DOTALL)
_FLOW = re.compile(r"flow|[xyuv][_-]", re.IGNORECASE)  # Beside frames, as two-stream work stores it.
_FEWEST_FRAMES = 4
# Of the system, not the user's.
_FOREIGN_FOLDERS = frozenset({"lost+found", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", "@eaDir"})
_BLOCK_BYTES, _BLOCKS = 1 << 20, 64


class Found(NamedTuple):
    """What a folder holds, hidden files apart.

    Attributes:
      videos: Ids of the files that may be videos: paths below the folder, with "/", sorted.
      aside: How many files of each extension are none, by their names.
      unfinished: Ids of downloads that have not come to their end.
      frames: Ids of folders of numbered images, which look like the frames of a video.
    """

    videos: List[str]
    aside: Counter[str]
    unfinished: List[str]
    frames: List[str]

    @property
    def words(self) -> str:
        """What is set aside, in a user's words; "" if nothing is."""
        count, parts = sum(self.aside.values()), []
        if count:
            parts.append(f"{count} files that are no videos: {tally(self.aside)}")
        if self.unfinished:
            parts.append(f"{len(self.unfinished)} unfinished downloads, such as {printable(self.unfinished[0])}")
        if self.frames:
            parts.append(f"{len(self.frames)} folders of numbered images, such as {printable(self.frames[0])}")
        return "; ".join(parts)


def survey(folder: Path) -> Found:
    """What lies below a folder.

    Links to folders are followed; a folder that can be reached in several ways, or that holds itself, is read once.

    Raises:
      InputError: it is no folder.
      OSError: a folder below it cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"--videos={folder} is not a folder; give the folder that holds the videos")
    found = Found([], collections.Counter(), [], [])
    for below, files in _folders(folder):
        videos = [name for name in files if not _UNFINISHED.search(name) and extension(name) not in _OTHERS]
        found.videos.extend((below / name).as_posix() for name in videos)
        found.unfinished.extend((below / name).as_posix() for name in files if _UNFINISHED.search(name))
        frames = () if videos else frame_names(files)
        if frames:
            found.frames.append(below.as_posix())
        aside = set(files).difference(videos, frames)
        found.aside.update(f".{extension(name)}" for name in aside if not _UNFINISHED.search(name))
    for ids in (found.videos, found.unfinished, found.frames):
        ids.sort()
    return found


def _folders(folder: Path) -> Iterator[Tuple[Path, List[str]]]:
    """(path below a folder, names of files that are not hidden) of each folder in it."""
    visited = set()

    def refuse(error):
        raise error

    for path, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _FOREIGN_FOLDERS)
        yield Path(path).relative_to(folder), [name for name in files if not name.startswith(".")]


def list_videos(folder: Path) -> List[str]:
    """Ids of all files below a folder that may be videos, in sorted order.

    Raises:
      InputError: it is no folder, or holds none.
      OSError: a folder below it cannot be read.
    """
    found = survey(folder)
    check_found(folder, found)
    return found.videos


def check_found(folder: Path, found: Found) -> None:
    """Raises `InputError` where a folder holds no videos; it says what it holds instead."""
    if found.videos:
        return
    if not found.words:
        raise InputError(f"--videos={folder} has no files; put the videos there, or in folders below it")
    remedy = "put the videos there, or in folders below it"
    if found.frames:
        remedy = "python -m elo_tf.prepare --frames_fps=25 reads each folder of images as a video of 25 frames a second"
    raise InputError(f"--videos={folder} has no videos, but {found.words}; {remedy}")


def extension(name: str) -> str:
    """What follows the last point of a name, in small letters."""
    return os.path.splitext(name)[1][1:].lower()


def is_named_video(name: str) -> bool:
    """Whether a file is a video by its name. What is not, and cannot be decoded, is no damaged video."""
    return extension(name) in _VIDEOS


def frame_names(files: Iterable[str]) -> List[str]:
    """Those of the names that are the numbered frames of one video, in the order of their numbers; or none.

    Of several series in a folder, such as `img_00001.jpg` and `flow_x_00001.jpg`, the longest that is no flow counts.
    """
    series: Dict[str, List[Tuple[int, str]]] = {}
    for name in files:
        parts = _FRAME.fullmatch(name)
        if parts and not _FLOW.match(parts[1]):
            series.setdefault(parts[1], []).append((int(parts[2]), name))
    longest = max((sorted(each) for each in series.values()), key=len, default=[])
    return [name for _, name in longest] if len(longest) >= _FEWEST_FRAMES else []


def missing_numbers(frames: Sequence[str]) -> int:
    """How many names are missing between those that `frame_names` gives, by the least step from one to the next."""
    numbers = [int(parts[2]) for parts in map(_FRAME.fullmatch, frames) if parts]
    steps = [after - before for before, after in zip(numbers, numbers[1:])]
    least = max(1, min(steps, default=1))
    return sum(max(0, round(step / least) - 1) for step in steps)


def file_state(path: Path) -> Optional[List[int]]:
    """[bytes, modification time in ns] of a file, by which one that has changed is told; None if it cannot be had."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def content_mark(path: Path) -> int:
    """A number by which a file with another time is told to have the same content; of a folder, the names and sizes.

    It is the CRC-32C of the file; of one above 64 MiB, that of 64 blocks evenly spread over it, so that films are not
    read to their ends.

    Raises:
      OSError: it cannot be read.
    """
    if path.is_dir():
        entries = sorted((os.fsencode(entry.name), entry.stat().st_size) for entry in os.scandir(path))
        return google_crc32c.value(repr(entries).encode())
    mark, size = 0, path.stat().st_size
    step = max(_BLOCK_BYTES, (size - _BLOCK_BYTES) // (_BLOCKS - 1))
    with open(path, "rb") as file:
        for place in range(0, size, step):
            file.seek(place)
            mark = google_crc32c.extend(mark, file.read(_BLOCK_BYTES))
    return mark


def refusals(reasons: Iterable[str]) -> str:
    """Why videos cannot be used, with the number of videos of each reason, the most frequent first."""
    return tally(collections.Counter(reasons))


def tally(counts: Counter[str]) -> str:
    """Names with their numbers, the most frequent first."""
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common())


def printable(text: str) -> str:
    """A name of a file as one line that every terminal takes."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
