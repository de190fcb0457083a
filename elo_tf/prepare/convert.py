"""A folder of videos -> a folder of records, by several worker processes.

    ids, in the order of their hash -+-> worker: decode, flow, serialise, own shards -+-> ledger -> manifest.json
                                     +-> worker: ...                                 -+

The parent deals out ids and puts finished shards in place; pixels never leave a worker. Thanks to the order, a shard
mixes folders, and the videos seen so far are a fair sample of all.
"""

import os
import shutil
import uuid
from pathlib import Path, PurePosixPath
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import cv2

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import MANIFEST, Manifest, identity, serialize, split_of
from elo_tf.data.tfrecord import ShardWriter
from elo_tf.decoding.decode import UnusableError, check_clip_bytes, decode, sound_grid
from elo_tf.decoding.listing import file_state, list_videos, refusals
from elo_tf.prepare.flow import FlowEstimator
from elo_tf.prepare.ledger import Ledger
from elo_tf.prepare.pool import Pool
from elo_tf.runtime import interruption
from elo_tf.runtime.workers.base import Engine

# For the estimate of disk space: measured at 64 pixels and JPEG quality 92; few sources are leaner than 80 kbit/s.
_BYTES_A_PIXEL = 0.75
_SOURCE_BYTES_A_SECOND = 10_000
# A sample that is large enough to judge the rest of the folder by.
_FAIR_SAMPLE = 1000
# What an interrupted conversion has for the videos under way and their shards: half of the grace of a command.
_LAST_SECONDS = interruption.GRACE_SECONDS / 2


class Conversion(NamedTuple):
    """The manifest of the folder; of this run, the number of videos converted and their length in seconds."""

    manifest: Manifest
    converted: int
    seconds: float


class Converter:
    """One worker's part: turns videos into records, in shards of its own."""

    def __init__(self, videos: Path, partial: Path, config: IngestConfig):
        cv2.setNumThreads(1)  # Workers are the parallelism.
        self._videos, self._partial, self._config = videos, partial, config
        self._flow = FlowEstimator(config)
        self._open: Dict[str, Tuple[ShardWriter, List[Dict[str, Any]]]] = {}

    def add(self, video: str) -> Dict[str, Any]:
        """Converts a video into the open shard of its split.

        Returns:
          Its line of the manifest, without the shard's name.
        """
        path = self._videos / video
        try:
            clip = decode(path, self._config)
        except UnusableError as error:
            return {"id": video, "ok": False, "why": str(error), "again": error.again, "file": file_state(path)}
        label = PurePosixPath(video).parent.name if self._config.labels == "folders" else ""
        payload = serialize(video, label, clip.frames, self._flow(clip.frames), clip.sound, self._config.jpeg_quality)
        line = {
            "id": video,
            "ok": True,
            "split": split_of(video, self._config.holdout_fraction),
            "label": label,
            "frames": len(clip.frames),
            "sound": clip.sound is not None,
        }
        if clip.warning:
            line["warning"] = clip.warning
        self._write(payload, line)
        return line

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
) -> Conversion:
    """Converts what is not yet converted.

    A converted video is known by its path below `videos` and is not read again. An unusable one is tried again if its
    file has changed, or if a limit was the cause.

    Args:
      videos: Folder of videos.
      records: Folder of records; made if missing.
      config: Settings.
      engine: Where workers run; they are ended in any case.
      progress: Called with (videos done, videos to do) after each video of this run.

    Raises:
      InputError: bad folder or settings, too little disk space, or more than `max_bad_fraction` of the videos unusable.
        Finished shards are kept and the manifest is written in any case.
    """
    videos, records = Path(os.path.abspath(videos)), Path(os.path.abspath(records))
    check_clip_bytes(config)
    found = list_videos(videos)
    if videos == records or videos in records.parents:
        raise InputError(f"--records={records} lies within --videos={videos}; choose a folder beside it")
    with Ledger(records, config) as ledger:
        ledger.forget_refused(set(found))
        todo = [video for video in found if _is_due(videos, video, ledger)]
        todo.sort(key=lambda video: identity(video)[0])
        for video in todo:
            ledger.refused.pop(video, None)
        _check_space(videos, todo, records, config)
        before = set(ledger.converted)
        ledger.write_manifest(complete=False)
        complete = False
        try:
            with Pool(engine, Converter, (videos, ledger.partial, config), todo, config.video_minutes) as pool:
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
    added = [line for video, line in ledger.converted.items() if video not in before]
    return Conversion(manifest, len(added), sum(line["frames"] for line in added) / config.fps)


def _is_due(videos: Path, video: str, ledger: Ledger) -> bool:
    if video in ledger.converted:
        return False
    line = ledger.refused.get(video)
    return line is None or line["again"] or line["file"] != file_state(videos / video)


def _check_space(videos: Path, todo: List[str], records: Path, config: IngestConfig) -> None:
    """Refuses to start what will hardly fit. The length of a video is guessed from its size, up to `max_seconds`."""
    seconds = 0.0
    for video in todo:
        state = file_state(videos / video)
        seconds += min(config.max_seconds, (state[0] if state else 0) / _SOURCE_BYTES_A_SECOND)
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
        self._earlier, self._done, self._count = len(ledger.converted) + len(ledger.refused), 0, count

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
            pool.drain(_LAST_SECONDS)
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
            if not content[0]["ok"]:
                self._ledger.refuse(content[0])
                self._check_refused(pool)

    def _check_refused(self, pool: Pool) -> str:
        """Lets the pool run out if too much is unusable, and says so; "" if all is well."""
        refused = self._ledger.refused.values()
        # Judged by all videos, or, so that a hopeless run over millions ends early, by those seen of a fair sample.
        base = max(self._earlier + self._done, min(self._earlier + self._count, _FAIR_SAMPLE))
        if len(refused) <= self._config.max_bad_fraction * base:
            return ""
        pool.drain()
        return (
            f"{len(refused)} of {base} videos are unusable, more than "
            f"--max_bad_fraction={self._config.max_bad_fraction:g} allows: {refusals(refused)}; "
            f"{self._ledger.folder / MANIFEST} names them; mend them or raise the limit"
        )
