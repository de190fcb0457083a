"""Converts a folder of videos into records for training.

    python -m elo_tf.prepare --videos=DIR --records=DIR [--labels=folders] [--workers=local:2]
    python -m elo_tf.prepare --world=800 --records=DIR   renders a world of 800 videos first, and converts it
    python -m elo_tf.prepare --validate --records=DIR    reads records back and checks them

All videos below --videos that are not hidden are taken, in any format that ffmpeg decodes. One that cannot be used
costs one line in RECORDS/manifest.json, which says why. Descriptions, subtitles, pictures and other files beside them
are set aside and counted, unfinished downloads too. --frames_fps reads folders of numbered images as videos.

The command may be ended at any time and given again: it converts what is missing, and what has changed. The record of
a video whose file is gone stays, and the output says so; --drop_vanished takes it away.

Where folders are called train and val or test, at any depth, they say what is held out. Else it is a quarter of the
videos (--holdout_fraction), chosen by a hash of their path. What is held out goes into shards of its own and is never
trained on. With --labels=folders the folder that holds a video is its class; --label_level names another.

A video is kept up to --max_seconds. With --segment_seconds a longer one is cut into records of that length instead;
their ids are VIDEO#START.

A rendered world lies in VIDEOS/unlabelled and VIDEOS/labelled, its records in RECORDS/unlabelled and RECORDS/labelled,
half of the labelled ones held out as a test set.
"""

import dataclasses
import time
from pathlib import Path
from typing import List, Tuple

from absl import flags

from elo_tf.config import IngestConfig, InputError, WorkersConfig, WorldConfig, define_path, from_flags
from elo_tf.data.records import MANIFEST, SPLITS, Manifest, check_records, source_of
from elo_tf.decoding.listing import printable, refusals
from elo_tf.prepare.convert import Conversion, convert
from elo_tf.prepare.ledger import lock
from elo_tf.runtime import command_line
from elo_tf.runtime.progress import progress_bar
from elo_tf.runtime.workers.base import Engine
from elo_tf.runtime.workers.local import LocalEngine, cores
from elo_tf.runtime.workers.select import parse

_VIDEOS = define_path("videos", None, "folder of videos; with --world, where to render (RECORDS/../videos)")
_RECORDS = define_path("records", None, "folder of records")
_VALIDATE = flags.DEFINE_bool("validate", False, "read finished records back and check them, convert nothing")

_PARTS = ("unlabelled", "labelled")
_LABELLED_HOLDOUT = 0.5  # train and test set of the labelled part


def main() -> None:
    config, world = from_flags(IngestConfig), from_flags(WorldConfig)
    if not _RECORDS.value:
        raise InputError("--records is missing; name the folder of records")
    records = Path(_RECORDS.value)
    if _VALIDATE.value:
        return validate(records)
    where = from_flags(WorkersConfig)
    engine = parse(where.workers, where.ray_address)
    if world.world:
        return prepare_world(config, world, records, engine)
    if not _VIDEOS.value:
        raise InputError("--videos is missing; name the folder of videos, or render some with --world=1000")
    prepare(config, Path(_VIDEOS.value), records, engine)


def prepare_world(config: IngestConfig, world: WorldConfig, records: Path, engine: Engine) -> None:
    """Renders a world and converts its unlabelled and its labelled videos, with their classes as labels."""
    # Rendering needs packages of its own, which converting does not.
    from elo_tf.prepare.world.render import render_world

    videos = Path(_VIDEOS.value) if _VIDEOS.value else records.parent / "videos"
    render_world(world, videos, engine.count if isinstance(engine, LocalEngine) else cores())
    for part in _PARTS:
        if not (videos / part).is_dir():
            continue  # --labelled_per_class=0
        holdout = _LABELLED_HOLDOUT if part == "labelled" else config.holdout_fraction
        labelled = dataclasses.replace(config, labels="folders", holdout_fraction=holdout)
        prepare(labelled, videos / part, records / part, engine)


def prepare(config: IngestConfig, videos: Path, records: Path, engine: Engine) -> None:
    """Converts one folder and prints what came of it."""
    start = time.monotonic()
    with progress_bar(0, "video", what=f"converting {videos.name}") as bar:

        def show(done: int, count: int) -> None:
            bar.total = count
            bar.update(done - bar.n)

        conversion = convert(videos, records, config, engine, show, _say)
    print(summary(conversion, config.fps, time.monotonic() - start))


def _say(line: str) -> None:
    print(line, flush=True)


def summary(conversion: Conversion, fps: float, elapsed: float) -> str:
    """The table at the end of a run.

    Args:
      conversion: What was done.
      fps: Frames a second of the records.
      elapsed: Seconds that this run took.
    """
    manifest = conversion.manifest
    folder, counts = Path(manifest.folder), manifest.counts
    size = sum(Path(shard).stat().st_size for split in SPLITS for shard in manifest.shards(split))
    seconds = sum(video["frames"] for video in manifest.usable) / fps
    warned = sum("warning" in video for video in manifest.usable)
    rows = [
        ("videos", f"{counts['train']} for training, {counts['holdout']} held out, {counts['sound']} with sound"),
        *_parts(manifest),
        *_changes(conversion),
        ("refused", f"{counts['refused']}" + (f": {refusals(manifest.refused)}" if manifest.refused else "")),
        ("warnings", f"{warned}, see {MANIFEST}" if warned else "0"),
        ("length", f"{seconds:.0f} s of video, {size / 2**20:.1f} MiB of records"),
        ("speed", f"{conversion.converted} videos in {elapsed:.1f} s, {conversion.seconds / elapsed:.0f} x real time"),
        ("where", str(folder)),
    ]
    if manifest.aside:
        rows.insert(-1, ("aside", f"{len(manifest.aside)} files of other kinds: {refusals(manifest.aside)}"))
    return "\n".join(f"{name:<9} {value}" for name, value in rows)


def _parts(manifest: Manifest) -> List[Tuple[str, str]]:
    """What was cut into parts."""
    sources = {source_of(video) for video in manifest.usable}
    cut = len(manifest.usable) - len(sources)
    return [("parts", f"these are {len(manifest.usable)} parts of {len(sources)} videos")] if cut else []


def _changes(conversion: Conversion) -> List[Tuple[str, str]]:
    """What has become of videos that were there before."""
    rows = []
    if conversion.changed:
        rows.append(("changed", f"{conversion.changed} videos, whose old records are gone"))
    if conversion.vanished:
        first = printable(conversion.vanished[0])
        fate = "their records are gone" if conversion.dropped else "their records stay (see --drop_vanished)"
        rows.append(("vanished", f"{len(conversion.vanished)} videos, such as {first}: {fate}"))
    return rows


def validate(records: Path) -> None:
    """Checks all records in a folder, or those of a world in its two parts.

    Raises:
      InputError: there are none, or shards are damaged; it names them.
    """
    folders = [folder for folder in (records, *(records / part for part in _PARTS)) if (folder / MANIFEST).exists()]
    damaged = []
    for folder in folders or [records]:
        manifest = Manifest.load(str(folder))
        with lock(folder):
            found = [f"{shard}: {error}" for shard, error in check_records(manifest)]
        counts = manifest.counts
        state = "complete" if manifest.complete else "unfinished, give the same command again to go on"
        print(f"{folder}: {counts['train']} + {counts['holdout']} videos, {len(found)} damaged shards, {state}")
        damaged += found
    if damaged:
        raise InputError(
            f"{len(damaged)} damaged shard(s) in {records}: {'; '.join(damaged)}; "
            "delete them and convert again, which makes only what is missing"
        )


if __name__ == "__main__":
    command_line.run(main, __doc__, [IngestConfig, WorldConfig, WorkersConfig])
