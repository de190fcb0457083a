"""A rendered world by its short name, `LIST:SEED` or `LIST:SEED:NUISANCE`, such as `main:0` or `third:21:0.2`."""

import pathlib
from typing import Sequence

from elo_tf.config import IngestConfig, InputError, WorldConfig

LABELLED_PER_CLASS = 120
# The unlabelled part is all for training; of the labelled one, half is held out.
INGEST = {
    "unlabelled": IngestConfig(size=36, holdout_fraction=0.0),
    "labelled": IngestConfig(size=36, labels="folders", holdout_fraction=0.5),
    # The unlabelled part for a search, which scores on a quarter of it.
    "searched": IngestConfig(size=36, holdout_fraction=0.25),
    # Labelled videos that all train, for towers that are to be measured in other worlds.
    "pretraining": IngestConfig(size=36, labels="folders", holdout_fraction=0.0),
}
_VIDEOS = {"searched": "unlabelled", "pretraining": "labelled"}  # Of which videos, where the names differ.
PARTS = ("unlabelled", "labelled")


def settings(name: str, **counts: int) -> WorldConfig:
    """The world that a name means.

    Args:
      name: `LIST:SEED[:NUISANCE]`; the nuisance is 1 where none is given.
      **counts: How many videos of which kind, as in `WorldConfig`.

    Raises:
      InputError: the name has another form.
    """
    classes, seed, nuisance = (name.split(":") + ["1.0"])[:3] if name.count(":") in (1, 2) else ("", "", "")
    try:
        return WorldConfig(world_classes=classes, world_seed=int(seed), world_nuisance=float(nuisance), **counts)
    except ValueError:
        raise InputError(f"--worlds: {name!r} is not LIST:SEED or LIST:SEED:NUISANCE, such as main:0") from None


def slug(config: WorldConfig) -> str:
    """Its name as a part of a path: `main-0`, `third-21-0.2`."""
    nuisance = "" if config.world_nuisance == 1 else f"-{config.world_nuisance:g}"
    return f"{config.world_classes}-{config.world_seed}{nuisance}"


def prepare(config: WorldConfig, folder: pathlib.Path, processes: int, parts: Sequence[str] = PARTS) -> pathlib.Path:
    """Renders and converts what the folder lacks of a world; returns its records, a folder for each of the parts."""
    from elo_tf.prepare.convert import convert
    from elo_tf.prepare.world.render import render_world
    from elo_tf.runtime.workers.local import LocalEngine

    render_world(config, folder / "videos", processes)
    for part in parts:
        videos = folder / "videos" / _VIDEOS.get(part, part)
        convert(videos, folder / "records" / part, INGEST[part], LocalEngine(processes))
    return folder / "records"
