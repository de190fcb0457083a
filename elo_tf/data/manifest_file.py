"""manifest.json <-> videos, a block of lines at a time: two million lines never lie in memory, as text or as entries.

{
"schema": 1,                 the head, a line a key
"videos": [
{"id": "a/x.mp4", ...},      blocks of lines, each parsed as a list of its own
{"id": "a/y.mp4", ...}
]
}

JSON of any other layout, as an editor may leave it, is read as a whole, and means the same.
"""

import contextlib
import gc
import itertools
import json
from typing import IO, Any, Dict, Iterable, Iterator, List, NamedTuple

from elo_tf.data.video_entry import Entry, UnusableVideo, VideoEntry, are_entries, parse
from elo_tf.data.video_table import VideoTable

_FIRST, _LAST, _END = '"videos": [\n', "]\n", "}\n"
_BLOCK_LINES = 4096


class Videos(NamedTuple):
    """The lines of a manifest, in their order: the converted videos, and the others."""

    usable: VideoTable
    unusable: List[UnusableVideo]


def read(path: str) -> Any:
    """The JSON value of a manifest, with `Videos` as its `videos`; where a line is damaged, with what stands there.

    Args:
      path: Of the file, or its URL.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is no JSON, or not ASCII.
    """
    with _no_collector():
        try:
            with _opened(path) as file:
                return _by_blocks(file)
        except ValueError:  # Of another layout, or damaged: then its message counts places from the start of the file.
            with _opened(path) as file:
                content = parse(file.read())
            if isinstance(content, dict) and are_entries(content.get("videos")):
                content["videos"] = _sorted_out(content["videos"])
            return content


def as_lines(head: Dict[str, Any], videos: Iterable[Entry]) -> Iterator[str]:
    """The text, ASCII, of a file with the layout above: one line a key of `head` and one a video."""
    yield "{\n"
    for key, value in head.items():
        yield f"{json.dumps(key)}: {json.dumps(value)},\n"
    yield _FIRST
    comma = ""
    for video in videos:
        yield f"{comma}{json.dumps(video.to_json())}"
        comma = ",\n"
    yield f"\n{_LAST}{_END}"


def _by_blocks(file: IO[str]) -> Any:
    """As `read`, of a file with the layout above.

    Raises:
      ValueError: it has another layout, or is damaged.
    """
    head = "".join(itertools.takewhile(lambda line: line != _FIRST, file))
    content = parse(f"{head}{_FIRST}{_LAST}{_END}")
    content["videos"] = _sorted_out(_entries(file))
    return content


def _entries(file: IO[str]) -> Iterator[Entry]:
    """The entries of a file that has been read up to its videos, and which has to end behind them."""
    lines = itertools.takewhile(lambda line: line != _LAST, file)
    goes_on = True
    while goes_on:
        block = "".join(itertools.islice(lines, _BLOCK_LINES))
        if not block:
            raise ValueError("another video was to follow")
        goes_on = block.endswith(",\n")
        entries = parse(f"[{block[:-2] if goes_on else block}]")
        if not are_entries(entries):
            raise ValueError("a line is not that of a video")
        yield from entries
    if next(lines, None) is not None or file.read() != _END:
        raise ValueError("the file does not end where its videos end")


def _sorted_out(entries: Iterable[Entry]) -> Videos:
    unusable: List[UnusableVideo] = []

    def usable() -> Iterator[VideoEntry]:
        for entry in entries:
            if isinstance(entry, VideoEntry):
                yield entry
            else:
                unusable.append(entry)

    return Videos(VideoTable.of(usable()), unusable)


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Pauses the garbage collector: it would walk millions of entries again and again, which hold no cycles."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextlib.contextmanager
def _opened(path: str) -> Iterator[IO[str]]:
    if "://" not in path:
        with open(path, encoding="ascii") as file:
            yield file
        return
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(path) as file:
            yield file
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(path) from error
