"""An export of an untrained tower, for tests of what serves it, and what is asked of it there."""

import functools
import pathlib
import shutil
import tempfile
from typing import Tuple

import numpy as np

from elo_tf.networks.tower import Tower
from export.grpc_transport import GrpcTransport
from export.rest import RestTransport
from export.saved_model import write
from export.transport import Endpoint, Transport
from tests import towers

NAME = "elo_rgb"


@functools.cache
def export() -> Tuple[pathlib.Path, Tower]:
    """BASE/elo_rgb with versions 1 and 2 of one tower, and that tower; made once a process, and not to be changed."""
    folder = pathlib.Path(_folder().name)
    towers.make_run(folder / "run")
    tower = Tower.load(folder / "run")
    first = write(tower, folder / "base" / NAME)
    shutil.copytree(first, first.with_name("2"))
    return first.parent, tower


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    """Removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="served-")


def reach(kind: str, running, **changes) -> Transport:
    """A transport of kind "rest" or "grpc" to a `Server` of tests; `changes` are fields of its endpoint."""
    address = getattr(running, kind)
    fields = {"server": address, "model": NAME, "deadline": 20.0, "max_bytes": 64 << 20, "connections": 4, **changes}
    return {"rest": RestTransport, "grpc": GrpcTransport}[kind](Endpoint(**fields))


def noise(seed: int, *shape: int) -> np.ndarray:
    """uint8 of a shape [...,H,W,3], H and W multiples of 8, smooth enough that JPEG keeps most of it."""
    coarse = np.random.default_rng(seed).integers(0, 256, [*shape[:-3], shape[-3] // 8, shape[-2] // 8, 3])
    return coarse.repeat(8, -3).repeat(8, -2).astype(np.uint8)
