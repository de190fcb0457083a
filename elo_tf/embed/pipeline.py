"""A set of videos -> its table of embeddings; resumes an interrupted run.

    videos that OUTPUT and OUTPUT.partial lack ─> Feed ─> embed ─> OUTPUT.partial, a record a video
                                                                   OUTPUT, sorted, when all are done
                                                  unusable ones ─> OUTPUT.report.jsonl

An embedding is a function of the file, the module and the settings, and the output is sorted: it is the same whether
the run was interrupted, in which order videos were finished, and by how many decoders.
"""

import json
import os
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Union

import numpy as np

from elo_tf.config import EmbedConfig, IngestConfig, InputError
from elo_tf.decoding.listing import check_found, file_state, is_named_video, refusals, survey
from elo_tf.embed.feed import Bad, End, Feed
from elo_tf.embed.module import Clips, Module, settings
from elo_tf.embed.partial import Partial
from elo_tf.embed.pooling import Pooled, embed
from elo_tf.embed.table import SUFFIXES, Entry, Table, check_settings
from elo_tf.runtime import storage
from elo_tf.runtime.workers.local import cores

REPORT = ".report.jsonl"  # behind the name of the output
LOOP = "loop"  # of --short_videos
# Slides of a lecture may stand for minutes; a camera that was off for a day would be a million equal frames.
_MAX_GAP_SECONDS = 600.0
_GONE = [0, 0]  # the state of a file that cannot be looked at


class Outcome(NamedTuple):
    """What a run has done.

    Attributes:
      table: Of all videos, also those of earlier runs.
      done: Videos embedded by this run.
      seconds: Of video that they have.
      lines: One for each video that is unusable or has a warning: `id`, `ok`, `why`.
    """

    table: Table
    done: int
    seconds: float
    lines: List[Dict[str, Any]]


class Videos(NamedTuple):
    """The videos to embed.

    Attributes:
      place: Their folder, or a file.
      ids: Paths below the folder, sorted; of a file its name.
      aside: What lies beside them, in a user's words; "" if nothing does.
    """

    place: Path
    ids: List[str]
    aside: str = ""

    @property
    def root(self) -> Path:
        """The folder that the ids are paths below."""
        return self.place if self.place.is_dir() else self.place.parent


def find(place: Path) -> Videos:
    """The videos in a folder; of a file, itself.

    Raises:
      InputError: there is none.
      OSError: a folder cannot be read.
    """
    if place.is_dir():
        found = survey(place)
        check_found(place, found)
        return Videos(place, found.videos, found.words)
    if not os.path.lexists(place):
        raise InputError(f"--videos={place} does not exist; name a folder of videos or a video")
    return Videos(place, [place.name])


def ingest_config(config: EmbedConfig, clips: Clips) -> IngestConfig:
    """How videos are decoded.

    Raises:
      InputError: the size or the rate is out of range.
    """
    return IngestConfig(
        size=clips.stored_size,
        fps=clips.fps,
        max_seconds=config.max_seconds,
        max_gap_seconds=_MAX_GAP_SECONDS,
        decode_seconds=config.decode_seconds,
        decode_memory_mb=config.decode_memory_mb,
    )


def check_output(output: Path, place: Path) -> None:
    """Refuses, before any work, what cannot become an output.

    Raises:
      InputError: its suffix is unknown, it is a folder, or it lies among the videos.
    """
    if output.suffix not in SUFFIXES:
        raise InputError(
            f"--output={output} ends in neither {' nor '.join(SUFFIXES)}; choose the format by one of these endings"
        )
    if output.is_dir() or not output.parent.is_dir():
        what = "is a folder" if output.is_dir() else "is not in an existing folder"
        raise InputError(f"--output={output} {what}; name a file in a folder that exists")
    if place.is_dir() and place.resolve() in output.resolve().parents:
        raise InputError(f"--output={output} is inside --videos={place}; choose a place beside it")


def embed_videos(
    videos: Videos,
    output: Path,
    module: Module,
    clips: Clips,
    config: EmbedConfig,
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> Outcome:
    """Embeds what is missing and writes the output and its report.

    Args:
      videos: Those to embed.
      output: File to write; if it exists, its videos are not embedded again unless their files have changed, and those
        that have left the folder are left out.
      module: Embeds.
      clips: How windows are cut.
      config: The other settings.
      progress: Called with (videos done, videos to do) after each video of this run.

    Raises:
      InputError: bad paths, an earlier output or part with other settings, more than `max_bad_fraction` of the videos
        unusable; in the last case what was embedded is kept for the next run.
      OSError: the output cannot be written.
    """
    check_output(output, videos.place)
    facts, loop = run_settings(module, clips, config, videos.place), config.short_videos == LOOP
    known: Dict[str, Entry] = {}
    if output.exists():
        table = Table.load(output)
        check_settings(output, table.settings, facts)
        known = {entry.id: entry for entry in table.entries}
    with Partial(output.with_name(f"{output.name}.partial"), facts) as partial:
        known.update((entry.id, entry) for entry in partial.kept)
        files: Dict[str, Sequence[int]] = {video: file_state(videos.root / video) or _GONE for video in videos.ids}
        least = 0 if loop else clips.frames
        known = {
            video: entry for video, entry in known.items() if files.get(video) == entry.file and entry.frames >= least
        }
        todo = [video for video in videos.ids if video not in known]
        intake = _Intake(videos.place, output, known, files, config, partial)
        ingest, decoders = ingest_config(config, clips), config.decoders or cores()
        try:
            with Feed(videos.root, todo, clips, ingest, decoders, config.batch_size, loop) as feed:
                for number, (event, pooled) in enumerate(embed(feed, module, clips, config.store_windows), 1):
                    intake.take(event, pooled)
                    progress(number, len(todo))
        finally:
            intake.report()
        intake.check()
        table = Table(facts, [known[video] for video in videos.ids if video in known])
        table.save(output)
        partial.remove()
    done = [known[video] for video in todo if video in known]
    return Outcome(table, len(done), sum(entry.frames for entry in done) / clips.fps, intake.lines())


def run_settings(module: Module, clips: Clips, config: EmbedConfig, place: Path) -> Dict[str, Any]:
    """All that an output depends on besides the files, by name; of JSON types."""
    return {
        **settings(module, clips),
        "batch_size": config.batch_size,
        "max_seconds": config.max_seconds,
        "store_windows": config.store_windows,
        "videos": os.path.abspath(place),
    }


def embed_one(path: Path, module: Module, clips: Clips, config: EmbedConfig) -> Entry:
    """One video, with its windows, apart from any output.

    Raises:
      InputError: it cannot be used.
    """
    loop = config.short_videos == LOOP
    with Feed(path.parent, [path.name], clips, ingest_config(config, clips), 1, config.batch_size, loop) as feed:
        ((event, pooled),) = embed(feed, module, clips, keep=True)
    if isinstance(event, Bad):
        raise InputError(f"{path}: {event.why}")
    return _entry(event, pooled, file_state(path) or _GONE)


def _entry(event: End, pooled: Pooled, file: Sequence[int]) -> Entry:
    offsets = np.array(pooled.offsets, np.int64)
    return Entry(event.video, pooled.mean, event.frames, file, event.warning, pooled.windows, offsets)


class _Intake:
    """Takes in what becomes of the videos."""

    def __init__(
        self,
        place: Path,
        output: Path,
        known: Dict[str, Entry],
        files: Dict[str, Sequence[int]],
        config: EmbedConfig,
        partial: Partial,
    ):
        self._place, self._known, self._files, self._partial = place, known, files, partial
        self._report = output.with_name(f"{output.name}{REPORT}")
        self._most = config.max_bad_fraction
        self._bad: Dict[str, str] = {}

    def take(self, event: Union[End, Bad], pooled: Pooled) -> None:
        """Keeps a finished video on disk, or notes an unusable one.

        Raises:
          InputError: there are too many of those.
        """
        if isinstance(event, Bad):
            self._bad[event.video] = event.why
            self._check_bad()
            return
        entry = _entry(event, pooled, self._files[event.video])
        self._partial.add(entry)
        self._known[event.video] = entry

    def lines(self) -> List[Dict[str, Any]]:
        """Of unusable videos and of those with a warning, sorted by id."""
        lines = [{"id": video, "ok": False, "why": why} for video, why in self._bad.items()]
        lines += [{"id": video, "ok": True, "why": of.warning} for video, of in self._known.items() if of.warning]
        return sorted(lines, key=lambda line: line["id"])

    def report(self) -> None:
        """Writes the lines beside the output; no file if there are none."""
        lines = self.lines()
        if lines:
            storage.write_text(self._report, "".join(f"{json.dumps(line)}\n" for line in lines))
        else:
            self._report.unlink(missing_ok=True)

    def check(self) -> None:
        """
        Raises:
          InputError: no video can be used.
        """
        if not self._known:
            raise InputError(f"no video of --videos={self._place} can be used: {self._reasons()}")

    def _check_bad(self) -> None:
        if not self._place.is_dir():
            raise InputError(f"{self._place}: {self._bad[self._place.name]}")
        # A file that is called otherwise than a video and cannot be decoded is no damaged video.
        count = sum(is_named_video(video) for video in self._bad)
        of = len(self._files) - (len(self._bad) - count)
        if count > self._most * of:
            raise InputError(
                f"{count} of {of} videos are unusable, more than --max_bad_fraction={self._most:g} allows: "
                f"{self._reasons()}; {self._report} names them; repair them or raise the limit"
            )

    def _reasons(self) -> str:
        return refusals(self._bad.values())
