"""Embeds videos by an exported module, and finds what is near a video among them.

    python -m elo_tf.embed --model=BASE/elo_rgb --videos=DIR --output=FILE.npz        or FILE.tfrecord
    python -m elo_tf.embed --model=BASE/elo_rgb --output=FILE.npz --query=VIDEO [--by=window] [--picture=FILE.png]

--model is all that is needed of a training: a version that python -m export.saved_model wrote, or the directory of its
versions, whose newest is meant. --videos is a folder, with all videos below it that are not hidden, or one file. Each
video is cut into windows of --frames frames, --stride apart; if frames are left over, one more window ends with the
last frame. The output has the embedding of each window and of each video, the mean of its windows
(elo_tf/embed/table.py names the fields). A video shorter than a window, or otherwise unusable, costs a line in
OUTPUT.report.jsonl.

Frames take the same memory however long a video is. Embeddings of windows are kept, 4 D bytes each (8 KB for D = 2048),
those of a video until it is finished and all of them when the output is written; a video with nearly 2 GiB of them is
refused. --nostore_windows keeps means only. The command may be ended at any time and given again: it embeds what is
missing, also when videos were added, and the result is that of an uninterrupted run.
"""

import dataclasses
import time
from pathlib import Path

from absl import flags

from elo_tf.config import EmbedConfig, InputError, define_path, from_flags
from elo_tf.decoding.listing import printable, refusals, survey
from elo_tf.embed import filmstrip
from elo_tf.embed.module import Clips, Module, choose_clips, describe, settings, version_directory
from elo_tf.embed.neighbours import Match, nearest_moments, nearest_videos
from elo_tf.embed.pipeline import REPORT, Outcome, check_output, embed_one, embed_videos, find, ingest_config
from elo_tf.embed.table import Table, check_settings
from elo_tf.runtime import command_line
from elo_tf.runtime.progress import progress_bar

_MODEL = define_path("model", None, "directory of an exported module, or of its versions")
_VIDEOS = define_path("videos", None, "folder of videos, or a video")
_OUTPUT = define_path("output", None, "file of embeddings, .npz or .tfrecord; looked up in by --query")
_QUERY = define_path("query", None, "a video; prints the videos of --output that are nearest to it")
_NEIGHBOURS = flags.DEFINE_integer("neighbours", 5, "how many videos --query prints", lower_bound=1)
_BY = flags.DEFINE_enum("by", "video", ["video", "window"], "--query compares whole videos, or their best moments")
_CENTRE = flags.DEFINE_bool("centre", False, "--query compares what differs from the mean of --output")
_PICTURE = define_path("picture", None, "PNG file for film strips of the query and what is nearest to it")


def main() -> None:
    config = from_flags(EmbedConfig)
    for name, value in (("model", _MODEL.value), ("output", _OUTPUT.value)):
        if not value:
            raise InputError(f"--{name} is missing; see --help")
    if not _VIDEOS.value and not _QUERY.value:
        raise InputError("--videos and --query are both missing; name videos to embed, or one to look up")
    if _PICTURE.value and not _QUERY.value:
        raise InputError(f"--picture={_PICTURE.value} shows what is near a --query, which is missing")
    if _QUERY.value and not Path(_QUERY.value).is_file():
        raise InputError(f"--query={_QUERY.value} is no file; name a video")
    directory, output = version_directory(Path(_MODEL.value)), Path(_OUTPUT.value)
    if _VIDEOS.value:
        check_output(output, Path(_VIDEOS.value))
        find(Path(_VIDEOS.value))  # Refused before the module is loaded.
        beside = survey(Path(_VIDEOS.value)).words if Path(_VIDEOS.value).is_dir() else ""
        if beside:
            print(f"{'aside':<9} {beside}", flush=True)
        clips = choose_clips(config, describe(directory), directory)
        module = Module(directory, clips, config.batch_size)
        table = _embed(Path(_VIDEOS.value), output, module, clips, config)
    else:
        table = Table.load(output)
        clips = _clips_of(table)
        module = Module(directory, clips, config.batch_size)
        asked = {name: value for name in ("frames", "stride", "size", "fps") if (value := getattr(config, name))}
        check_settings(output, table.settings, {**settings(module, clips), **asked})
    if _QUERY.value:
        _look_up(Path(_QUERY.value), table, module, clips, config)


def _clips_of(table: Table) -> Clips:
    return Clips(**{field.name: table.settings[field.name] for field in dataclasses.fields(Clips)})


def _embed(place: Path, output: Path, module: Module, clips: Clips, config: EmbedConfig) -> Table:
    """Embeds a set of videos and prints what came of it."""
    start = time.monotonic()
    with progress_bar(0, "video", what="embedding") as bar:

        def show(done: int, count: int) -> None:
            bar.total = count
            bar.update(done - bar.n)

        outcome = embed_videos(place, output, module, clips, config, show)
    print(summary(outcome, output, clips, time.monotonic() - start))
    return outcome.table


def summary(outcome: Outcome, output: Path, clips: Clips, elapsed: float) -> str:
    """The table at the end of a run, which took `elapsed` seconds."""
    table = outcome.table
    refused = [line for line in outcome.lines if not line["ok"]]
    warned = len(outcome.lines) - len(refused)
    report = f"see {output}{REPORT}"
    windows = sum(len(entry.offsets) for entry in table.entries)
    cut = f"{clips.frames} frames of {clips.size} x {clips.size} at {clips.fps:g} fps, every {clips.stride} frames"
    rows = [
        ("videos", f"{len(table.entries)}, embeddings of width {table.embeddings.shape[1]}"),
        ("windows", f"{windows} of {cut}" if windows else f"not stored, of {cut}"),
        ("refused", f"{len(refused)}: {refusals(refused)}, {report}" if refused else "0"),
        ("warnings", f"{warned}, {report}" if warned else "0"),
        ("speed", f"{outcome.done} videos in {elapsed:.1f} s, {outcome.seconds / elapsed:.0f} x real time"),
        ("where", str(output)),
    ]
    return "\n".join(f"{name:<9} {value}" for name, value in rows)


def _look_up(path: Path, table: Table, module: Module, clips: Clips, config: EmbedConfig) -> None:
    """Prints what is nearest to a video, and draws it."""
    query = embed_one(path, module, clips, config)
    by_window = _BY.value == "window"
    nearest = nearest_moments if by_window else nearest_videos
    matches = nearest(query, table, _NEIGHBOURS.value, _CENTRE.value)
    captions = [_caption(rank, match, clips) for rank, match in enumerate(matches, 1)]
    print("\n".join([f"nearest to {printable(str(path))}", *captions]))
    if not _PICTURE.value:
        return
    place, ingest = Path(table.settings["videos"]), ingest_config(config, clips)
    root = place if place.is_dir() else place.parent
    length = clips.frames if by_window else query.frames
    moment = f", {matches[0].query_offset / clips.fps:.2f} s" if by_window else ""
    rows = [(f"query: {path}{moment}", filmstrip.frames_of(path, max(0, matches[0].query_offset), length, ingest))]
    for caption, match in zip(captions, matches):
        length = clips.frames if by_window else match.entry.frames
        rows.append((caption, filmstrip.frames_of(root / match.entry.id, max(0, match.offset), length, ingest)))
    filmstrip.draw(rows, Path(_PICTURE.value))


def _caption(rank: int, match: Match, clips: Clips) -> str:
    """A line on one match."""
    line = f"{rank:>3}  {match.similarity:7.4f}  {printable(match.entry.id)}"
    if match.offset >= 0:
        line += f", {match.offset / clips.fps:.2f} s, as the query at {match.query_offset / clips.fps:.2f} s"
    return line


if __name__ == "__main__":
    command_line.run(main, __doc__, [EmbedConfig])
