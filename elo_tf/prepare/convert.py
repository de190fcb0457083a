"""A folder of videos -> a folder of records, with several worker processes.

    ids, in the order of their hash -+-> worker: decode, flow, serialise, own shards -+-> ledger -> manifest.json
                                     +-> worker: ...                                 -+

The parent deals out ids and puts finished shards in place; pixels never leave a worker. Thanks to the order, a shard
mixes folders, and the videos seen so far are a fair sample of all.
"""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Tuple

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import MANIFEST, Manifest, identity
from elo_tf.data.video_entry import FileState, UnusableVideo, VideoEntry
from elo_tf.decoding.decode import check_clip_bytes, sound_grid
from elo_tf.decoding.ffmpeg import executable
from elo_tf.decoding.listing import Found, check_found, content_mark, file_state, refusals, survey
from elo_tf.prepare.converter import SHORTEST_PART, Converter, state_of
from elo_tf.prepare.layout import describe, find_layout
from elo_tf.prepare.ledger import Ledger, earlier_settings
from elo_tf.prepare.pool import Pool
from elo_tf.runtime import interruption
from elo_tf.runtime.workers.base import Engine

# For the estimate of disk space: measured at 64 pixels and JPEG quality 92; few sources are leaner than 80 kbit/s.
_BYTES_A_PIXEL = 0.75
_SOURCE_BYTES_A_SECOND = 10_000
_USUAL_BYTES_A_SECOND = 100_000  # Where the length of a video is not bounded, the leanest would be a bad guide.
# A sample that is large enough to judge the rest of the folder by.
_FAIR_SAMPLE = 1000
# What an interrupted conversion has for the videos under way and their shards: half of the grace of a command.
_LAST_SECONDS = interruption.GRACE_SECONDS / 2


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
    config = _with_length(config)
    executable()
    found = _survey(videos, config)
    real_videos, real_records = Path(os.path.realpath(videos)), Path(os.path.realpath(records))  # Past links.
    if real_videos == real_records or real_videos in real_records.parents:
        raise InputError(f"--records={records} is inside --videos={videos}; choose a folder beside it")
    layout = find_layout(found.videos, config, earlier_settings(records))
    config = dataclasses.replace(config, held_out="hash" if layout.depth is None else "folders")
    for name, words in {**describe(layout, found.videos), "aside": found.words}.items():
        if words:
            say(f"{name:<9} {words}")
    with Ledger(records, config) as ledger:
        ledger.set_aside = dict(sorted(found.aside.items()))
        changed, vanished = _compare(videos, found.videos, ledger, config)
        _retire(videos, changed, vanished, ledger, config)
        todo = _take_due(videos, found.videos, ledger, config)
        _check_space(videos, todo, records, config)
        before = set(ledger.converted)
        ledger.write_manifest(complete=False)
        complete = False
        try:
            arguments = (videos, ledger.partial, config, layout)
            with Pool(engine, Converter, arguments, todo, config.video_minutes) as pool:
                _Intake(ledger, config, len(todo), progress).take(pool)
            complete = True
        except OSError as error:
            raise InputError(
                f"the conversion into {records} stopped: {error.strerror}; finished shards are kept: remove the cause "
                "and rerun the command"
            ) from error
        finally:
            shutil.rmtree(ledger.partial, ignore_errors=True)  # Makes room for the manifest on a full disk.
            manifest = ledger.write_manifest(complete)
    if manifest.aside and not manifest.usable and not manifest.refused:
        what = refusals(video.why for video in manifest.aside)
        raise InputError(f"--videos={videos} has no videos, but other files: {what}")
    added = [entry for record, entry in ledger.converted.items() if record not in before]
    count, seconds = len({entry.video for entry in added}), sum(entry.frames for entry in added) / config.fps
    return Conversion(manifest, count, seconds, len(changed), tuple(vanished), config.drop_vanished)


def _with_length(config: IngestConfig) -> IngestConfig:
    """The settings with the length of a record as `max_seconds`.

    Raises:
      InputError: parts are too short, or records too large.
    """
    if config.segment_seconds:
        if config.segment_seconds < SHORTEST_PART:
            raise InputError(
                f"--segment_seconds={config.segment_seconds:g} is less than a second; use more, or 0 to cut no videos"
            )
        config = dataclasses.replace(config, max_seconds=config.segment_seconds)
    check_clip_bytes(config)
    return config


def _survey(videos: Path, config: IngestConfig) -> Found:
    """What the folder holds; folders of frames are videos where their rate is given."""
    found = survey(videos)
    if config.frames_fps:
        found = found._replace(videos=sorted([*found.videos, *found.frames]), frames=[])
    check_found(videos, found)
    return found


def _compare(videos: Path, found: List[str], ledger: Ledger, config: IngestConfig) -> Tuple[List[str], List[str]]:
    """Converted videos whose files have changed, and those whose files are gone.

    The time of a file alone is no change: copies have others. It is noted, as is that of files of which nothing is
    known, since an earlier version has converted them.
    """
    changed: List[str] = []
    same: Dict[str, FileState] = {}
    sources = ledger.sources()
    for video in found:
        if video not in sources:
            continue
        entry, state = ledger.converted[sources[video][0]], state_of(videos, video, config)
        if not state or state == entry.file:
            continue
        if _is_same(videos / video, entry, state):
            same.update((record, state) for record in sources[video])
        else:
            changed.append(video)
    ledger.note_files(same)
    present = set(found)
    return changed, [video for video in sources if video not in present]


def _is_same(path: Path, entry: VideoEntry, state: FileState) -> bool:
    """Whether a file of another time has the content that was converted."""
    before = entry.file
    if before is None:
        return True
    if before[0] != state[0] or before[2:] != state[2:]:
        return False
    try:
        return content_mark(path) == entry.mark
    except OSError:
        return True  # It may be readable the next time.


def _retire(videos: Path, changed: List[str], vanished: List[str], ledger: Ledger, config: IngestConfig) -> None:
    """Takes the records of videos away that have changed and, if asked, that have vanished.

    Raises:
      InputError: none would be left, since the folder of videos is another one.
    """
    sources = ledger.sources()
    if config.drop_vanished and vanished and len(vanished) == len(sources):
        raise InputError(
            f"--drop_vanished would remove all {len(vanished)} records in {ledger.folder}: none of their videos is in "
            f"--videos={videos}; name the folder that they were made from"
        )
    retired = [*changed, *(vanished if config.drop_vanished else ())]
    ledger.retire({record for video in retired for record in sources[video]})


def _take_due(videos: Path, found: List[str], ledger: Ledger, config: IngestConfig) -> List[str]:
    """Videos to convert, in the order of their hash; what is known of unusable ones among them is forgotten."""

    def is_due(video: str) -> bool:
        before = ledger.refused.get(video)
        return before is None or before.again or before.file != state_of(videos, video, config)

    ledger.forget_refused(set(found))
    done = ledger.sources()
    todo = sorted((video for video in found if video not in done and is_due(video)), key=lambda each: identity(each)[0])
    for video in todo:
        ledger.refused.pop(video, None)
    return todo


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
        self._bad = sum(not video.aside for video in ledger.refused.values())
        self._earlier = len(ledger.sources()) + self._bad
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
            (entry,) = content
            if isinstance(entry, UnusableVideo):
                self._aside, self._bad = self._aside + entry.aside, self._bad + (not entry.aside)
                self._ledger.refuse(entry)
                self._check_refused(pool)

    def _check_refused(self, pool: Pool) -> str:
        """Lets the pool run out if too much is unusable, and says so; "" if all is well."""
        # Judged by all videos, or, so that a hopeless run over millions ends early, by those seen of a fair sample.
        total, seen = (self._earlier + count - self._aside for count in (self._count, self._done))
        base = max(seen, min(total, _FAIR_SAMPLE))
        if self._bad <= self._config.max_bad_fraction * base:
            return ""
        pool.drain()
        refused = [video.why for video in self._ledger.refused.values() if not video.aside]
        return (
            f"{self._bad} of {base} videos are unusable, more than "
            f"--max_bad_fraction={self._config.max_bad_fraction:g} allows: {refusals(refused)}; "
            f"{self._ledger.folder / MANIFEST} names them; repair them or raise the limit"
        )
