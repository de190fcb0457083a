"""Records of small labelled videos, for tests of what learns or measures classes."""

import itertools
import pathlib
from typing import List

import numpy as np

from elo_tf.config import IngestConfig
from elo_tf.data.records import split_of
from elo_tf.prepare.convert import convert
from elo_tf.runtime.workers.local import LocalEngine
from tests import videos

CLASSES = ("blue", "green", "red")
SIZE = 32
_HOLDOUT = 0.5


def make_records(folder: pathlib.Path, per_class: int = 6, frames: int = 12) -> str:
    """Videos of noise with one strong colour channel, the class; returns the folder of the records.

    Half of the videos of each class are held out.
    """
    random = np.random.default_rng(0)
    for channel, name in enumerate(CLASSES[::-1]):
        for video in _ids(name, per_class):
            shown = random.integers(20, 70, [frames, SIZE // 4, SIZE // 4, 3]).repeat(4, axis=1).repeat(4, axis=2)
            shown[..., channel] += 90
            videos.write(folder / "videos" / video, shown.astype(np.uint8))
    config = IngestConfig(size=SIZE, labels="folders", holdout_fraction=_HOLDOUT)
    convert(folder / "videos", folder / "records", config, LocalEngine(1))
    return str(folder / "records")


def _ids(name: str, count: int) -> List[str]:
    """Ids of a class: as many that are held out as not, which their names decide."""
    candidates = [f"{name}/{name}_{index}.mp4" for index in range(10 * count)]
    parts = ([one for one in candidates if split_of(one, _HOLDOUT) == part] for part in ("train", "holdout"))
    return list(itertools.chain.from_iterable(part[: count // 2] for part in parts))
