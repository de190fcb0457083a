"""One worker's part of a conversion: videos, or parts of them, -> records in its own shards."""

import itertools
import math
import os
import traceback
import uuid
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import cv2

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import serialize
from elo_tf.data.tfrecord import ShardWriter
from elo_tf.data.video_entry import Entry, FileState, UnusableVideo, VideoEntry
from elo_tf.decoding.decode import UnusableError, check_file, decode
from elo_tf.decoding.frame_folder import length_of, read_frames
from elo_tf.decoding.listing import content_mark, file_state, is_named_video
from elo_tf.decoding.probe import probe
from elo_tf.prepare.flow import FlowEstimator
from elo_tf.prepare.layout import Layout

SHORTEST_PART = 1.0  # seconds
_MOST_MISSES = 3  # parts in a row that cannot be decoded
_MOST_LETTERS = 200  # of an error's message


class Converter:
    """Turns videos into records."""

    def __init__(self, videos: Path, partial: Path, config: IngestConfig, layout: Layout):
        cv2.setNumThreads(1)  # Workers are the parallelism.
        self._videos, self._partial, self._config, self._layout = videos, partial, config, layout
        self._flow = FlowEstimator(config)
        self._open: Dict[str, Tuple[ShardWriter, List[VideoEntry]]] = {}

    def add(self, video: str) -> Entry:
        """Converts a video into the open shard of its split.

        Returns:
          Its entry, without the shard's name; of a video in parts that of the first, with the id of the video.

        Raises:
          OSError: the shard cannot be written.
        """
        file = state_of(self._videos, video, self._config)  # Before it is read: a later change then shows.
        lost: List[str] = []
        try:
            parts = self._parts(video, file, lost)
            record, entry = next(parts)
        except InputError:
            raise
        except Exception as error:  # Whatever a library raises costs this video alone.
            again = getattr(error, "again", True)
            # A name such as `notes` or `x.dat` need not be that of a video.
            aside = not again and not is_named_video(video) and not (self._videos / video).is_dir()
            return UnusableVideo(video, _why(error), again, file, aside)
        entries = self._write(record, entry)
        place = len(entries) - 1
        for part in parts:
            self._write(*part)
        if lost:
            entry = entry._replace(warning="; ".join([*filter(None, [entry.warning]), *lost]))
            entries[place] = entry
        return entry._replace(id=video)

    def _parts(self, video: str, file: Optional[FileState], lost: List[str]) -> Iterator[Tuple[bytes, VideoEntry]]:
        """Record and entry of a video, or of each of its parts of `segment_seconds`.

        A rest of less than a second is no part. One that cannot be decoded, but for the first, is left out, and `lost`
        gets a word on it; after several of them in a row no more are tried.

        Raises:
          Exception: whatever the first part raises.
        """
        path, step, misses = self._videos / video, self._config.segment_seconds, 0
        if not path.is_dir():
            check_file(path)
        mark = _mark(path)
        length = self._length(path) if step else 0.0
        count = max(1, math.floor((length - SHORTEST_PART) / step) + 1) if step and length is not None else 1
        for start in (number * step for number in (range(count) if length is not None else itertools.count())):
            try:
                record, entry = self._convert(video, start, count > 1 or length is None)
            except Exception as error:
                misses += 1
                if not start or isinstance(error, InputError):
                    raise
                if length is None:
                    return  # This is how the end of such a file shows.
                lost.append(f"the part from {start:g} s is lost: {_why(error)}")
                if misses == _MOST_MISSES:
                    return
                continue
            misses = 0
            if length is None and start and entry.frames < SHORTEST_PART * self._config.fps:
                return
            yield record, entry._replace(file=file, mark=mark)

    def _length(self, path: Path) -> Optional[float]:
        """Seconds; None where a file does not say it."""
        return length_of(path, self._config) if path.is_dir() else probe(path, self._config).seconds

    def _convert(self, video: str, start: float, is_part: bool) -> Tuple[bytes, VideoEntry]:
        path = self._videos / video
        read = read_frames if path.is_dir() else decode
        clip = read(path, self._config, start)
        label, name = self._layout.label(video), f"{video}#{start:.10g}" if is_part else video
        record = serialize(name, label, clip.frames, self._flow(clip.frames), clip.sound, self._config.jpeg_quality)
        entry = VideoEntry(
            name,
            self._layout.split(video),
            label,
            len(clip.frames),
            clip.sound is not None,
            source=video if is_part else "",
            start=start,
            warning=clip.warning,
        )
        return record, entry

    def finished(self, last: bool = False) -> List[Tuple[Path, str, List[VideoEntry]]]:
        """Closes the shards that are full, or all of them: (path, split, entries) of each."""
        closed = []
        for split, (writer, entries) in list(self._open.items()):
            if last or writer.bytes >= self._config.shard_mb * 2**20:
                writer.close()
                del self._open[split]
                closed.append((writer.path, split, entries))
        return closed

    def _write(self, record: bytes, entry: VideoEntry) -> List[VideoEntry]:
        """Writes a record into the open shard of its split; returns the entries of the shard, this one the last."""
        if entry.split not in self._open:
            self._open[entry.split] = ShardWriter(self._partial / f"{uuid.uuid4().hex}.tfrecord"), []
        writer, entries = self._open[entry.split]
        writer.write(record)
        entries.append(entry)
        return entries


def state_of(videos: Path, video: str, config: IngestConfig) -> Optional[FileState]:
    """What tells whether a record would be another one now: size and time of the file, and the rate of a folder."""
    state = file_state(videos / video)
    if state is None:
        return None
    return (*state, config.frames_fps) if (videos / video).is_dir() else tuple(state)


def _mark(path: Path) -> int:
    """`content_mark`, or `UnusableError` where a file cannot be read."""
    try:
        return content_mark(path)
    except OSError as error:
        raise UnusableError(f"cannot be read: {(error.strerror or str(error)).lower()}", again=True) from error


def _why(error: Exception) -> str:
    """What a video cannot be used for, on one line; of an error that nobody expected, its kind and place."""
    if isinstance(error, UnusableError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}elo_tf{os.sep}" in frame.filename] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    words = " ".join(str(error).split())[:_MOST_LETTERS]
    return f"the converter failed on it with {type(error).__name__} in {place}" + (f": {words}" if words else "")
