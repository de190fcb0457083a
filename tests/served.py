"""An export of an untrained tower, for tests of what serves it, and what is asked of it there."""

import pathlib
from typing import Tuple

import numpy as np

from elo_tf.tower import Tower
from export.grpc_transport import GrpcTransport
from export.rest import RestTransport
from export.saved_model import write
from export.transport import Endpoint, Transport
from tests import towers

NAME = "elo_rgb"


def make(folder: pathlib.Path, versions: int = 1) -> Tuple[pathlib.Path, Tower]:
    """Exports so many towers of different weights; returns BASE/elo_rgb and the last of them."""
    for seed in range(versions):
        towers.make_run(folder / f"run{seed}", seed)
        tower = Tower.load(folder / f"run{seed}")
        write(tower, folder / "base" / NAME)
    return folder / "base" / NAME, tower


def reach(kind: str, server, **changes) -> Transport:
    """A transport of kind "rest" or "grpc" to a test server; `changes` are fields of its endpoint."""
    address = getattr(server, kind)
    fields = {"server": address, "model": NAME, "deadline": 20.0, "max_bytes": 64 << 20, "connections": 4, **changes}
    return {"rest": RestTransport, "grpc": GrpcTransport}[kind](Endpoint(**fields))


def noise(seed: int, *shape: int) -> np.ndarray:
    """uint8 of a shape [...,H,W,3], smooth enough that JPEG keeps it."""
    coarse = np.random.default_rng(seed).integers(0, 256, [*shape[:-3], shape[-3] // 8, shape[-2] // 8, 3])
    return coarse.repeat(8, -3).repeat(8, -2).astype(np.uint8)
