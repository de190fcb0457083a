"""Embeddings kept until a search ends, so that the winner's clusters need no further training.

trial, scored ─ embeddings ──> RUN_DIR/best_embeddings/CANDIDATE-STEPS-SEED.npz ──> cluster samples of the winner
                               of those that may be the winner, no others
"""

import contextlib
import dataclasses
import io
import pathlib
from typing import Collection, NamedTuple, Optional

import numpy as np

from elo_tf.runtime.storage import write_bytes

# In the run directory; `embeddings` is what experiments keep of all candidates.
FOLDER = "best_embeddings"


class Run(NamedTuple):
    """A training: number of its candidate, its steps and its seed."""

    candidate: int
    steps: int
    seed: int


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """What a trained RGB tower makes of the scoring clips.

    Attributes:
      lambdas: [G] float32, the loss that has trained the tower.
      features: [N,D] float32.
      names: [N] strings, ids of the videos that the clips are of.
      seed: Of the k-means starts that they were scored with.
    """

    lambdas: np.ndarray
    features: np.ndarray
    names: np.ndarray
    seed: int


class KeptEmbeddings:
    """A folder of embeddings, each of a training.

    It spares a training and is needed for nothing else: where it cannot be written to or read, it has less in it.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder

    def save(self, run: Run, embeddings: Embeddings) -> None:
        """Writes a file, whole or not at all."""
        content = io.BytesIO()
        np.savez(content, **vars(embeddings))
        with contextlib.suppress(OSError):  # A full disk.
            self._folder.mkdir(exist_ok=True)
            write_bytes(self._path(run), content.getvalue())

    def load(self, run: Run, lambdas: np.ndarray) -> Optional[Embeddings]:
        """Those of a training with these [G] λ; None where they were not kept, are damaged or of other λ."""
        try:
            with np.load(self._path(run), allow_pickle=False) as file:
                values = {field.name: file[field.name] for field in dataclasses.fields(Embeddings)}
            embeddings = Embeddings(**{**values, "seed": int(values["seed"])})
        except Exception:  # NumPy parses parts of a damaged file as Python, and raises whatever comes of that.
            return None
        fits = len(embeddings.features) == len(embeddings.names)
        return embeddings if fits and np.array_equal(embeddings.lambdas, np.asarray(lambdas, np.float32)) else None

    def keep_only(self, runs: Collection[Run]) -> None:
        """Removes all others."""
        wanted = {self._path(run) for run in runs}
        with contextlib.suppress(OSError):
            for path in self._folder.glob("*.npz"):
                if path not in wanted:
                    path.unlink()

    def _path(self, run: Run) -> pathlib.Path:
        return self._folder / f"{run.candidate:05d}-{run.steps}-{run.seed}.npz"
