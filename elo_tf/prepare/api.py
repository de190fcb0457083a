"""Makes records from settings: what `python -m elo_tf.prepare` does, for programs and notebooks.

result = run(Settings(videos="videos", records="records", size=64))
result.manifest.counts               how many videos are for training, held out, refused
"""

import dataclasses
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from elo_tf.config import IngestConfig, InputError, WorldConfig, part
from elo_tf.config import PrepareSettings as Settings
from elo_tf.data.records import MANIFEST, SPLITS, Manifest, check_records
from elo_tf.data.video_entry import UnusableVideo
from elo_tf.decoding.listing import printable, refusals
from elo_tf.prepare.convert import Conversion, convert
from elo_tf.prepare.ledger import lock
from elo_tf.runtime.progress import progress_bar
from elo_tf.runtime.workers.base import Engine
from elo_tf.runtime.workers.local import LocalEngine, cores
from elo_tf.runtime.workers.select import parse

_PARTS = ("unlabelled", "labelled")
_LABELLED_HOLDOUT = 0.5  # train and test set of the labelled part


@dataclasses.dataclass(frozen=True)
class Result:
    """What lies in the folder of records.

    Attributes:
      manifest: Of the records; of a world, of its unlabelled ones.
      labelled: Manifest of the labelled records of a world; None where there are none.
    """

    manifest: Manifest
    labelled: Optional[Manifest] = None


def run(settings: Settings) -> Result:
    """Converts the videos that have no records yet, of a world that it renders first if asked to; prints how it goes.

    Raises:
      InputError: a setting, a file or a folder cannot be used, or too many videos are unusable.
      OSError: a file cannot be read or written.
    """
    if not settings.records:
        raise InputError("--records is missing; name the folder of records")
    engine = parse(settings.workers, settings.ray_address)
    engine.start_minutes = settings.start_minutes
    config, records = part(settings, IngestConfig), Path(settings.records)
    if settings.world:
        videos = Path(settings.videos) if settings.videos else records.parent / "videos"
        made = _prepare_world(config, part(settings, WorldConfig), videos, records, engine)
        return Result(made[_PARTS[0]], made.get(_PARTS[1]))
    if not settings.videos:
        raise InputError("--videos is missing; name the folder of videos, or render some with --world=1000")
    return Result(_prepare(config, Path(settings.videos), records, engine))


def _prepare_world(
    config: IngestConfig, world: WorldConfig, videos: Path, records: Path, engine: Engine
) -> Dict[str, Manifest]:
    """Renders a world and converts its unlabelled and its labelled videos, with their classes as labels."""
    # Rendering needs packages of its own, which converting does not.
    from elo_tf.prepare.world.render import render_world

    render_world(world, videos, engine.count if isinstance(engine, LocalEngine) else cores())
    made = {}
    for name in _PARTS:
        if not (videos / name).is_dir():
            continue  # --labelled_per_class=0
        holdout = _LABELLED_HOLDOUT if name == "labelled" else config.holdout_fraction
        labelled = dataclasses.replace(config, labels="folders", holdout_fraction=holdout)
        made[name] = _prepare(labelled, videos / name, records / name, engine)
    return made


def _prepare(config: IngestConfig, videos: Path, records: Path, engine: Engine) -> Manifest:
    """Converts one folder and prints what came of it."""
    start = time.monotonic()
    with progress_bar(0, "video", what=f"converting {videos.name}") as bar:

        def show(done: int, count: int) -> None:
            bar.total = count
            bar.update(done - bar.n)

        conversion = convert(videos, records, config, engine, show, _say)
    print(summary(conversion, config.fps, time.monotonic() - start))
    return conversion.manifest


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
    seconds = manifest.usable.frames.sum() / fps
    warned = sum(bool(video.warning) for video in manifest.usable)
    rows = [
        ("videos", f"{counts['train']} for training, {counts['holdout']} held out, {counts['sound']} with sound"),
        *_parts(manifest),
        *_changes(conversion),
        ("refused", f"{counts['refused']}" + (f": {_reasons(manifest.refused)}" if manifest.refused else "")),
        ("warnings", f"{warned}, see {MANIFEST}" if warned else "0"),
        ("length", f"{seconds:.0f} s of video, {size / 2**20:.1f} MiB of records"),
        ("speed", f"{conversion.converted} videos in {elapsed:.1f} s, {conversion.seconds / elapsed:.0f} x real time"),
        ("where", str(folder)),
    ]
    if manifest.aside:
        rows.insert(-1, ("aside", f"{len(manifest.aside)} files of other kinds: {_reasons(manifest.aside)}"))
    return "\n".join(f"{name:<9} {value}" for name, value in rows)


def _reasons(videos: List[UnusableVideo]) -> str:
    return refusals(video.why for video in videos)


def _parts(manifest: Manifest) -> List[Tuple[str, str]]:
    """What was cut into parts."""
    sources = {video.video for video in manifest.usable}
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
        state = "complete" if manifest.complete else "unfinished, rerun the command to continue"
        print(f"{folder}: {counts['train']} + {counts['holdout']} videos, {len(found)} damaged shards, {state}")
        damaged += found
    if damaged:
        raise InputError(
            f"{len(damaged)} damaged shard(s) in {records}: {'; '.join(damaged)}; "
            "delete them and rerun the conversion, which makes only these again"
        )
