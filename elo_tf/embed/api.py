"""Computes embeddings from settings: what `python -m elo_tf.embed` does, for programs and notebooks.

result = run(Settings(model="models/elo_rgb", videos="videos", output="embeddings.npz"))
result.table.embeddings              [N,D] float32, of the videos `result.ids`
"""

import dataclasses
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

from elo_tf.config import EmbedConfig, InputError, part, require
from elo_tf.config import EmbedSettings as Settings
from elo_tf.decoding.listing import printable, refusals
from elo_tf.embed import filmstrip
from elo_tf.embed.module import Clips, Module, choose_clips, describe, version_directory
from elo_tf.embed.module import settings as settings_of
from elo_tf.embed.neighbours import Match, nearest_moments, nearest_videos
from elo_tf.embed.pipeline import REPORT, Outcome, Videos, check_output, embed_one, embed_videos, find, ingest_config
from elo_tf.embed.table import Entry, Table, check_settings
from elo_tf.runtime.progress import progress_bar


@dataclasses.dataclass(frozen=True)
class Result:
    """Embeddings, and what is near a query among them.

    Attributes:
      table: Embeddings of all videos, which the output has too.
      notices: A line for each video that is unusable or has a warning: `id`, `ok`, `why`; none of a look-up alone.
      matches: What is nearest to the query, the nearest first; none without a query.
    """

    table: Table
    notices: Tuple[Dict[str, Any], ...] = ()
    matches: Tuple[Match, ...] = ()

    @property
    def ids(self) -> List[str]:
        """[N] paths of the videos below their folder, in the order of `table.embeddings` [N,D]."""
        return [entry.id for entry in self.table.entries]


def run(settings: Settings) -> Result:
    """Embeds the videos that are missing in the output, and looks a query up; prints how it goes.

    Raises:
      InputError: a setting, a file or a folder cannot be used, or too many videos are unusable.
      OSError: a file cannot be read or written.
    """
    _check(settings)
    config, output = part(settings, EmbedConfig), Path(settings.output)
    directory = version_directory(Path(settings.model))
    notices: List[Dict[str, Any]] = []
    if settings.videos:
        check_output(output, Path(settings.videos))
        videos = _find(Path(settings.videos))  # Refused before the module is loaded.
        clips = choose_clips(config, describe(directory), directory)
        module = Module(directory, clips, config.batch_size)
        outcome = _embed(videos, output, module, clips, config)
        table, notices = outcome.table, outcome.lines
    else:
        table = Table.load(output)
        clips = _clips_of(table)
        module = Module(directory, clips, config.batch_size)
        asked = {name: value for name in ("frames", "stride", "size", "fps") if (value := getattr(config, name))}
        check_settings(output, table.settings, {**settings_of(module, clips), **asked})
    matches = _look_up(settings, table, module, clips) if settings.query else []
    return Result(table, tuple(notices), tuple(matches))


def _check(settings: Settings) -> None:
    """Raises `InputError` where a path is missing."""
    require(settings, "model", "output")
    if not settings.videos and not settings.query:
        raise InputError("--videos and --query are both missing; name videos to embed, or one to look up")
    if settings.picture and not settings.query:
        raise InputError(f"--picture={settings.picture} needs --query; name a video")
    if settings.query and not Path(settings.query).is_file():
        raise InputError(f"--query={settings.query} is not a file; name a video")


def _find(place: Path) -> Videos:
    """The videos to embed; prints what lies beside them. Raises `InputError` where there is none."""
    videos = find(place)
    if videos.aside:
        print(f"{'aside':<9} {videos.aside}", flush=True)
    return videos


def _clips_of(table: Table) -> Clips:
    return Clips(**{field.name: table.settings[field.name] for field in dataclasses.fields(Clips)})


def _embed(videos: Videos, output: Path, module: Module, clips: Clips, config: EmbedConfig) -> Outcome:
    """Embeds a set of videos and prints what came of it."""
    start = time.monotonic()
    with progress_bar(0, "video", what="embedding") as bar:

        def show(done: int, count: int) -> None:
            bar.total = count
            bar.update(done - bar.n)

        outcome = embed_videos(videos, output, module, clips, config, show)
    print(summary(outcome, output, clips, time.monotonic() - start))
    return outcome


def summary(outcome: Outcome, output: Path, clips: Clips, elapsed: float) -> str:
    """The table at the end of a run, which took `elapsed` seconds."""
    table = outcome.table
    refused = [line for line in outcome.lines if not line["ok"]]
    warned = len(outcome.lines) - len(refused)
    looped = sum(entry.frames < clips.frames for entry in table.entries)
    report = f"see {output}{REPORT}"
    windows = sum(len(entry.offsets) for entry in table.entries)
    cut = f"{clips.frames} frames of {clips.size} x {clips.size} at {clips.fps:g} fps, every {clips.stride} frames"
    rows = [
        ("videos", f"{len(table.entries)}, embeddings of width {table.embeddings.shape[1]}"),
        ("windows", f"{windows} of {cut}" if windows else f"not stored, of {cut}"),
        ("refused", f"{len(refused)}: {refusals(line['why'] for line in refused)}, {report}" if refused else "0"),
        ("warnings", f"{warned}, {report}" if warned else "0"),
        *([("looped", f"{looped}, shorter than a window")] if looped else []),
        ("speed", f"{outcome.done} videos in {elapsed:.1f} s, {outcome.seconds / elapsed:.0f} x real time"),
        ("where", str(output)),
    ]
    return "\n".join(f"{name:<9} {value}" for name, value in rows)


def _look_up(settings: Settings, table: Table, module: Module, clips: Clips) -> List[Match]:
    """Prints what is nearest to a video, and draws it."""
    path = Path(settings.query)
    query = embed_one(path, module, clips, part(settings, EmbedConfig))
    nearest = nearest_moments if settings.by == "window" else nearest_videos
    matches = nearest(query, table, settings.neighbours, settings.centre)
    lines = [f"{rank:>3}  {match.similarity:7.4f}  {_place(match, clips)}" for rank, match in enumerate(matches, 1)]
    print("\n".join([f"nearest to {printable(str(path))}", *lines]))
    if settings.picture:
        _draw(settings, table, clips, query, matches)
    return matches


def _draw(settings: Settings, table: Table, clips: Clips, query: Entry, matches: List[Match]) -> None:
    """Draws film strips of the query and of its matches, but for the query itself, which may be in the table."""
    path, by_window = Path(settings.query), settings.by == "window"
    place, ingest = Path(table.settings["videos"]), ingest_config(settings, clips)
    root = place if place.is_dir() else place.parent
    offset = matches[0].query_offset
    length = min(clips.frames, query.frames) if by_window else query.frames
    moment = f", {offset / clips.fps:.2f} s" if by_window else ""
    rows = [(f"query: {path}{moment}", filmstrip.frames_of(path, max(0, offset), length, ingest))]
    for rank, match in enumerate(matches, 1):
        video = root / match.entry.id
        if video.resolve() == path.resolve():
            continue
        length = min(clips.frames, match.entry.frames) if by_window else match.entry.frames
        caption = f"{rank}. {_place(match, clips)} (cosine similarity {match.similarity:.3f})"
        rows.append((caption, filmstrip.frames_of(video, max(0, match.offset), length, ingest)))
    filmstrip.draw(rows, Path(settings.picture))


def _place(match: Match, clips: Clips) -> str:
    """The video of a match, and where moments are compared, the moment."""
    place = printable(match.entry.id)
    if match.offset >= 0:
        place += f", {match.offset / clips.fps:.2f} s, as the query at {match.query_offset / clips.fps:.2f} s"
    return place
