"""A folder of videos -> a folder of records, by several worker processes.

    ids, in the order of their hash -+-> worker: decode, flow, serialise, own shards -+-> ledger -> manifest.json
                                     +-> worker: ...                                 -+

The parent deals out ids and puts finished shards in place; pixels never leave a worker. Thanks to the order, a shard
mixes folders, and the videos seen so far are a fair sample of all.
"""

import dataclasses
import math
import os
import shutil
import traceback
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import cv2

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import MANIFEST, Manifest, identity, serialize, source_of
from elo_tf.data.tfrecord import ShardWriter
from elo_tf.decoding.decode import UnusableError, check_clip_bytes, check_file, decode, sound_grid
from elo_tf.decoding.ffmpeg import executable
from elo_tf.decoding.frame_folder import length_of, read_frames
from elo_tf.decoding.listing import (
    Found,
    check_found,
    content_mark,
    file_state,
    is_named_video,
    refusals,
    survey,
)
from elo_tf.decoding.probe import probe
from elo_tf.prepare.flow import FlowEstimator
from elo_tf.prepare.layout import Layout, describe, find_layout
from elo_tf.prepare.ledger import Ledger, earlier_settings
from elo_tf.prepare.pool import Pool
from elo_tf.runtime.workers.base import Engine

# For the estimate of disk space: measured at 64 pixels and JPEG quality 92; few sources are leaner than 80 kbit/s.
_BYTES_A_PIXEL = 0.75
_SOURCE_BYTES_A_SECOND = 10_000
_USUAL_BYTES_A_SECOND = 100_000  # Where the length of a video is not bounded, the leanest would be a bad guide.
_SHORTEST_PART = 1.0  # seconds
_MOST_MISSES = 3  # parts in a row that cannot be decoded
_MOST_LETTERS = 200  # of an error's message
# A sample that is large enough to judge the rest of the folder by.
_FAIR_SAMPLE = 1000


class Conversion(NamedTuple):
    """What a run has done.

    Attributes:
      manifest: Of the folder.
      converted: Videos converted by this run.
      seconds: Of video that they have.
      changed: Those of them whose files had changed since an earlier run.
      vanished: Videos of the records whose files are no longer there.
      dropped: Whether their records have been taken away.
    """

    manifest: Manifest
    converted: int
    seconds: float
    changed: int = 0
    vanished: Tuple[str, ...] = ()
    dropped: bool = False


class Converter:
    """One worker's part: turns videos into records, in shards of its own."""

    def __init__(self, videos: Path, partial: Path, config: IngestConfig, layout: Layout):
        cv2.setNumThreads(1)  # Workers are the parallelism.
        self._videos, self._partial, self._config, self._layout = videos, partial, config, layout
        self._flow = FlowEstimator(config)
        self._open: Dict[str, Tuple[ShardWriter, List[Dict[str, Any]]]] = {}

    def add(self, video: str) -> Dict[str, Any]:
        """Converts a video into the open shard of its split.

        Returns:
          Its line of the manifest, without the shard's name.

        Raises:
          OSError: the shard cannot be written.
        """
        file = state_of(self._videos, video, self._config)  # Before it is read: a later change then shows.
        try:
            parts = self._parts(video, file)
            payload, line = next(parts)
        except UnusableError as error:
            line = {"id": video, "ok": False, "why": str(error), "again": error.again, "file": file}
            # A name of the system alone, such as `notes` or `x.dat`, need not be that of a video.
            aside = not error.again and not is_named_video(video) and not (self._videos / video).is_dir()
            return {**line, "aside": True} if aside else line
        except InputError:
            raise
        except Exception as error:  # Whatever a library raises costs this video alone.
            return {"id": video, "ok": False, "why": _defect(error), "again": True, "file": file}
        self._write(payload, line)
        lost = self._write_rest(parts)
        if lost:
            line["warning"] = "; ".join([*([line["warning"]] if "warning" in line else []), lost])
        return {**line, "id": video}

    def _write_rest(self, parts: Iterator[Tuple[bytes, Dict[str, Any]]]) -> str:
        """Writes the parts of a video that follow the first; which of them are lost and why, "" if none is."""
        lost = []
        try:
            for payload, line in parts:
                if payload:
                    self._write(payload, line)
                else:
                    lost.append(f"the part from {line['start']:g} s is lost: {line['why']}")
        except (InputError, OSError):
            raise
        except Exception as error:
            lost.append(f"the rest is lost: {_defect(error)}")
        return "; ".join(lost)

    def _parts(self, video: str, file: Optional[List[float]]) -> Iterator[Tuple[bytes, Dict[str, Any]]]:
        """Payload and line of a video, or of each of its parts of `segment_seconds`.

        A rest of less than a second is no part. One that cannot be decoded, but for the first, has no payload, and its
        line has `why`; after several of them in a row no more are tried.
        """
        path, step, misses = self._videos / video, self._config.segment_seconds, 0
        if not path.is_dir():
            check_file(path)
        mark = _mark(path)
        length = self._length(path) if step else 0.0
        count = max(1, math.floor((length - _SHORTEST_PART) / step) + 1) if step else 1
        for start in (number * step for number in range(count)):
            try:
                payload, line = self._convert(video, start, count > 1)
            except UnusableError as error:
                misses += 1
                if not start:
                    raise
                yield b"", {"start": start, "why": str(error)}
                if misses == _MOST_MISSES:
                    return
                continue
            misses = 0
            yield payload, {**line, "mark": mark, "file": file}

    def _length(self, path: Path) -> float:
        """Seconds; 0 where a file does not say it, which then is not cut."""
        if path.is_dir():
            return length_of(path, self._config)
        return probe(path, self._config).seconds or 0.0

    def _convert(self, video: str, start: float, is_part: bool) -> Tuple[bytes, Dict[str, Any]]:
        path = self._videos / video
        read = read_frames if path.is_dir() else decode
        clip = read(path, self._config, start)
        label, name = self._layout.label(video), f"{video}#{start:g}" if is_part else video
        payload = serialize(name, label, clip.frames, self._flow(clip.frames), clip.sound, self._config.jpeg_quality)
        line = {
            "id": name,
            "ok": True,
            "split": self._layout.split(video),
            "label": label,
            "frames": len(clip.frames),
            "sound": clip.sound is not None,
        }
        if is_part:
            line.update(source=video, start=start)
        if clip.warning:
            line["warning"] = clip.warning
        return payload, line

    def finished(self, last: bool = False) -> List[Tuple[Path, str, List[Dict[str, Any]]]]:
        """Closes the shards that are full, or all of them: (path, split, lines) of each."""
        closed = []
        for split, (writer, lines) in list(self._open.items()):
            if last or writer.bytes >= self._config.shard_mb * 2**20:
                writer.close()
                del self._open[split]
                closed.append((writer.path, split, lines))
        return closed

    def _write(self, payload: bytes, line: Dict[str, Any]) -> None:
        split = line["split"]
        if split not in self._open:
            self._open[split] = ShardWriter(self._partial / f"{uuid.uuid4().hex}.tfrecord"), []
        writer, lines = self._open[split]
        writer.write(payload)
        lines.append(line)


def convert(
    videos: Path,
    records: Path,
    config: IngestConfig,
    engine: Engine,
    progress: Callable[[int, int], None] = lambda done, count: None,
    say: Callable[[str], None] = lambda line: None,
) -> Conversion:
    """Converts what is not yet converted.

    A converted video is known by its path below `videos`; it is converted again if its file has changed. An unusable
    one is tried again if its file has changed, or if a limit was the cause. The record of a video whose file has
    vanished stays, unless `drop_vanished` is set.

    Args:
      videos: Folder of videos.
      records: Folder of records; made if missing.
      config: Settings.
      engine: Where workers run; they are ended in any case.
      progress: Called with (videos done, videos to do) after each video of this run.
      say: Called, before the work, with each line that the user should read.

    Raises:
      InputError: bad folder or settings, too little disk space, or more than `max_bad_fraction` of the videos unusable.
        Finished shards are kept and the manifest is written in any case.
    """
    videos, records = Path(os.path.abspath(videos)), Path(os.path.abspath(records))
    if config.segment_seconds:
        if config.segment_seconds < _SHORTEST_PART:
            raise InputError(
                f"--segment_seconds={config.segment_seconds:g} is less than a second; 0 does not cut videos"
            )
        config = dataclasses.replace(config, max_seconds=config.segment_seconds)
    check_clip_bytes(config)
    executable()
    found = _survey(videos, config)
    if videos == records or videos in records.parents:
        raise InputError(f"--records={records} lies within --videos={videos}; choose a folder beside it")
    layout = find_layout(found.videos, config, earlier_settings(records))
    config = dataclasses.replace(config, held_out="hash" if layout.depth is None else "folders")
    for name, words in {**describe(layout, found.videos), **({"aside": found.words} if found.words else {})}.items():
        say(f"{name:<9} {words}")
    with Ledger(records, config) as ledger:
        ledger.set_aside = dict(sorted(found.aside.items()))
        changed, vanished = _compare(videos, found.videos, ledger, config)
        sources = ledger.sources()
        if config.drop_vanished and vanished and len(vanished) == len(sources):
            raise InputError(
                f"--drop_vanished would take all {len(vanished)} records in {records} away: none of their videos is in "
                f"--videos={videos}; name the folder that they were made of"
            )
        retired = [*changed, *(vanished if config.drop_vanished else ())]
        ledger.retire({record for video in retired for record in sources[video]})
        ledger.forget_refused(set(found.videos))
        done = ledger.sources()
        todo = [video for video in found.videos if video not in done and _is_due(videos, video, ledger, config)]
        todo.sort(key=lambda video: identity(video)[0])
        for video in todo:
            ledger.refused.pop(video, None)
        _check_space(videos, todo, records, config)
        before = set(ledger.converted)
        ledger.write_manifest(complete=False)
        complete = False
        try:
            with Pool(engine, Converter, (videos, ledger.partial, config, layout), todo) as pool:
                _Intake(ledger, config, len(todo), progress).take(pool)
            complete = True
        except OSError as error:
            raise InputError(
                f"the conversion into {records} stopped: {error.strerror}; remove the cause and give the same command "
                "again, finished shards are kept"
            ) from error
        finally:
            shutil.rmtree(ledger.partial, ignore_errors=True)  # Makes room for the manifest on a full disk.
            manifest = ledger.write_manifest(complete)
        _check_any(videos, manifest)
    added = [line for video, line in ledger.converted.items() if video not in before]
    seconds = sum(line["frames"] for line in added) / config.fps
    count = len({source_of(line) for line in added})
    return Conversion(manifest, count, seconds, len(changed), tuple(vanished), config.drop_vanished)


def _survey(videos: Path, config: IngestConfig) -> Found:
    """What the folder holds; folders of frames are videos where their rate is given."""
    found = survey(videos)
    if config.frames_fps:
        found = found._replace(videos=sorted([*found.videos, *found.frames]), frames=[])
    check_found(videos, found)
    return found


def state_of(videos: Path, video: str, config: IngestConfig) -> Optional[List[float]]:
    """What tells whether a record would be another one now: size and time of the file, and the rate of a folder."""
    state = file_state(videos / video)
    return [*state, config.frames_fps] if state and (videos / video).is_dir() else state


def _compare(videos: Path, found: List[str], ledger: Ledger, config: IngestConfig) -> Tuple[List[str], List[str]]:
    """Converted videos whose files have changed, and those whose files are gone.

    The time of a file alone is no change: copies have others. It is noted, as is that of files of which nothing is
    known, since an earlier version has converted them.
    """
    changed, same, sources = [], {}, ledger.sources()
    for video in found:
        line = ledger.converted[sources[video][0]] if video in sources else None
        state = state_of(videos, video, config) if line else None
        if not state or state == line.get("file"):
            continue
        if _is_same(videos / video, line, state):
            same.update((record, {"file": state}) for record in sources[video])
        else:
            changed.append(video)
    ledger.amend(same)
    present = set(found)
    return changed, [video for video in sources if video not in present]


def _is_same(path: Path, line: Dict[str, Any], state: List[float]) -> bool:
    """Whether a file of another time has the content that was converted."""
    before = line.get("file")
    if before is None:
        return True
    if before[0] != state[0] or before[2:] != state[2:]:
        return False
    try:
        return content_mark(path) == line.get("mark")
    except OSError:
        return True  # It may be readable the next time.


def _is_due(videos: Path, video: str, ledger: Ledger, config: IngestConfig) -> bool:
    line = ledger.refused.get(video)
    return line is None or line["again"] or line["file"] != state_of(videos, video, config)


def _check_any(videos: Path, manifest: Manifest) -> None:
    """Raises `InputError` where what looked as if it might be videos is none."""
    if manifest.aside and not manifest.usable and not manifest.refused:
        raise InputError(f"--videos={videos} holds no videos, but other files: {refusals(manifest.aside)}")


def _mark(path: Path) -> int:
    """`content_mark`, or `UnusableError` where a file cannot be read."""
    try:
        return content_mark(path)
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror.lower()}", again=True) from error


def _defect(error: Exception) -> str:
    """Kind and place of an error that nobody expected, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}elo_tf{os.sep}" in frame.filename] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    words = " ".join(str(error).split())[:_MOST_LETTERS]
    return f"the converter failed on it with {type(error).__name__} in {place}" + (f": {words}" if words else "")


def _check_space(videos: Path, todo: List[str], records: Path, config: IngestConfig) -> None:
    """Refuses to start what will hardly fit. The length of a video is guessed from its size, up to `max_seconds`."""
    seconds = 0.0
    for video in todo:
        state = file_state(videos / video)
        size = state[0] if state else 0
        if config.segment_seconds:
            seconds += size / _USUAL_BYTES_A_SECOND
        else:
            seconds += min(config.max_seconds, size / _SOURCE_BYTES_A_SECOND)
    frame_bytes = _BYTES_A_PIXEL * config.size**2 + 2 * sound_grid(config.fps)[1]
    needed, free = seconds * config.fps * frame_bytes, shutil.disk_usage(records).free
    if needed > free:
        raise InputError(
            f"--records={records} has {free / 2**20:.0f} MiB free, the records need about {needed / 2**20:.0f} MiB; "
            "make room, or lower --size, --fps or --max_seconds"
        )


class _Intake:
    """Enters what the workers answer into the ledger."""

    def __init__(self, ledger: Ledger, config: IngestConfig, count: int, progress: Callable[[int, int], None]):
        self._ledger, self._config, self._progress = ledger, config, progress
        self._earlier = len(ledger.sources()) + sum(not line.get("aside") for line in ledger.refused.values())
        self._done, self._count, self._aside = 0, count, 0

    def take(self, pool: Pool) -> None:
        """Takes all in. However this ends, short of a full disk, the workers first close their shards.

        Raises:
          InputError: more than `max_bad_fraction` of the videos are unusable.
          KeyboardInterrupt: the user ended it.
        """
        try:
            self._check_refused(pool)
            self._empty(pool)
        except KeyboardInterrupt:
            pool.drain()
            self._empty(pool)
            raise
        bad = self._check_refused(pool)
        if bad:
            raise InputError(bad)

    def _empty(self, pool: Pool) -> None:
        for kind, *content in pool.events():
            if kind == "shard":
                self._ledger.commit(*content)
                continue
            self._done += 1
            self._progress(self._done, self._count)
            self._aside += bool(content[0].get("aside"))
            if not content[0]["ok"]:
                self._ledger.refuse(content[0])
                self._check_refused(pool)

    def _check_refused(self, pool: Pool) -> str:
        """Lets the pool run out if too much is unusable, and says so; "" if all is well."""
        refused = [line for line in self._ledger.refused.values() if not line.get("aside")]
        # Judged by all videos, or, so that a hopeless run over millions ends early, by those seen of a fair sample.
        total, seen = (self._earlier + count - self._aside for count in (self._count, self._done))
        base = max(seen, min(total, _FAIR_SAMPLE))
        if len(refused) <= self._config.max_bad_fraction * base:
            return ""
        pool.drain()
        return (
            f"{len(refused)} of {base} videos are unusable, more than "
            f"--max_bad_fraction={self._config.max_bad_fraction:g} allows: {refusals(refused)}; "
            f"{self._ledger.folder / MANIFEST} names them; mend them or raise the limit"
        )
