"""Keeps the measurements of an unfinished evaluation in a file, so that it can resume.

    {"inputs": ...}                      all that the results depend on
    {"entrant": ..., "scores": ...}      a measurement, as it ends; a line without its end is cut off

The file is held by one command at a time, and goes when results.json is there.
"""

import contextlib
import dataclasses
import json
import pathlib
from typing import Any, Dict, Optional, Tuple

import numpy as np

from elo_tf.config import InputError
from elo_tf.evaluate.scores import Scores
from elo_tf.runtime import json_text
from elo_tf.runtime.append_only import AppendOnlyFile
from elo_tf.runtime.provenance import check_same

FILE = "unfinished.jsonl"

# Entrant, protocol, split, label budget and seed: which measurement it is.
Run = Tuple[str, str, str, Optional[int], int]


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What one protocol found of one entrant.

    Attributes:
      entrant, protocol: Names.
      split: Name of the split.
      budget: Number of labelled training videos where it is limited, else None.
      seed: Of all that is random in it.
      train_videos, test_videos: Numbers.
      scores: What was right.
      details: What the protocol says besides, of JSON types.
      seconds: That it took, with the embeddings that it was the first to ask for.
    """

    entrant: str
    protocol: str
    split: str
    budget: Optional[int]
    seed: int
    train_videos: int
    test_videos: int
    scores: Scores
    details: Dict[str, Any]
    seconds: float

    @property
    def run(self) -> Run:
        """Which it is."""
        return self.entrant, self.protocol, self.split, self.budget, self.seed


class Ledger:
    """The measurements of an evaluation; a context manager that closes the file.

    Args:
      folder: Of the results; made where it does not exist.
      inputs: All that the results depend on, of JSON types.

    Raises:
      InputError: another command holds the file, it is damaged, or it is of another evaluation.
      OSError: it cannot be written.
    """

    def __init__(self, folder: pathlib.Path, inputs: Dict[str, Any]):
        self._made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE
        self._inputs = json.loads(json.dumps(inputs))  # As it comes back from the file: no tuples.
        self._found: Dict[Run, Measurement] = {}
        busy = f"{self._path} is in use by another evaluation; wait for its end"
        self._file = AppendOnlyFile(self._path, busy)
        try:
            self._load()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: Any) -> None:
        if not self._found:  # What was refused leaves nothing.
            self.remove()
        self._file.close()
        if self._made and not self._found:
            with contextlib.suppress(OSError):  # Not empty: another evaluation has begun.
                self._path.parent.rmdir()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, run: Run) -> Optional[Measurement]:
        """What is known of it, or None."""
        return self._found.get(run)

    def add(self, found: Measurement) -> None:
        """Notes a measurement; it is on the disk when this returns."""
        entries = [_to_json(found)] if self._found else [{"inputs": self._inputs}, _to_json(found)]
        self._file.append("".join(f"{json.dumps(entry)}\n" for entry in entries).encode())
        self._found[found.run] = found

    def remove(self) -> None:
        """Takes the file away: the results are where they belong."""
        self._path.unlink(missing_ok=True)

    def _load(self) -> None:
        """Reads what there is."""
        lines = self._file.lines()
        if len(lines) < 2:  # Whatever it was begun with, nothing came of it.
            self._file.cut(0)
            return
        inputs: Dict[str, Any] = {}
        for number, line in enumerate(lines, 1):
            try:
                entry = json_text.parse(line)
                if number == 1:
                    inputs = dict(entry["inputs"])
                else:
                    found = _from_json(entry)
                    self._found[found.run] = found
            except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
                raise InputError(f"{self._path}, line {number} is damaged ({error}); remove the file") from None
        remedy = "rerun that command, which has not finished, name another --output, or remove the file"
        check_same(self._path, inputs, self._inputs, remedy)


def _to_json(found: Measurement) -> Dict[str, Any]:
    own = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    scores = {"accuracies": found.scores.accuracies.tolist(), "confusion": found.scores.confusion.tolist()}
    return {**own, "scores": scores}


def _from_json(entry: Dict[str, Any]) -> Measurement:
    scores = Scores(np.array(entry["scores"]["accuracies"]), np.array(entry["scores"]["confusion"], np.int64))
    return Measurement(**{**entry, "scores": scores})
