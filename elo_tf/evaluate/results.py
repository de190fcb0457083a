"""The files of an evaluation: results.json, table.md and a confusion matrix for each entrant and protocol.

results.json appears last: where it is, the rest is.
"""

import json
import os
import pathlib
import platform
from importlib import metadata
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from elo_tf.config import InputError
from elo_tf.evaluate import confusion, table
from elo_tf.evaluate.ledger import Measurement
from elo_tf.evaluate.videos import budget as budgets
from elo_tf.evaluate.videos.split import Split
from elo_tf.plots.files import save
from elo_tf.runtime import json_text, text
from elo_tf.runtime.provenance import check_same
from elo_tf.runtime.storage import write_text

FOLDER = "evaluation"  # in the run directory, unless --output says otherwise
FILE = "results.json"
TABLE = "table.md"
SCHEMA = 1
_PACKAGES = ("tensorflow", "keras", "numpy")


def earlier(folder: pathlib.Path, inputs: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """The results that a folder has of the same evaluation, or None where it has none; makes sure of its place.

    Args:
      folder: Of the results; need not exist.
      inputs: All that the results depend on.

    Raises:
      InputError: it has results of another evaluation, or cannot be written.
    """
    path = folder / FILE
    if path.exists():
        try:
            content = json_text.parse(text.read(path))
            before = {"schema": content["schema"], **content["inputs"]}
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path} is not a file of results; name another --output") from None
        now = {"schema": SCHEMA, **inputs}
        check_same(path, before, json.loads(json.dumps(now)), "name another --output, or remove it")
        return content
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(f"--output={folder}: {place} is not a folder that can be written to; name another folder")
    return None


def write(
    folder: pathlib.Path,
    inputs: Dict[str, Any],
    splits: Sequence[Split],
    results: Sequence[Measurement],
    clips: Dict[str, int],
) -> Dict[str, Any]:
    """Writes all files; returns the content of results.json.

    Args:
      folder: Made where it does not exist.
      inputs: All that the results depend on.
      splits: Of the videos.
      results: What was measured.
      clips: Clips a video, `train` and `test`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    classes = splits[0].classes
    matrices = _matrices(results)
    pictures = {}
    for (entrant, protocol), matrix in matrices.items():
        picture = f"confusion_{entrant}_{protocol}.png"
        accuracy = np.trace(matrix) / matrix.sum()
        save(confusion.draw(matrix, classes, f"{entrant}, {protocol}: {accuracy:.1%} right"), folder / picture)
        pictures[entrant, protocol] = picture
    rows = table.rows(results)
    content: Dict[str, Any] = {
        "schema": SCHEMA,
        "inputs": inputs,
        "packages": {**{name: metadata.version(name) for name in _PACKAGES}, "python": platform.python_version()},
        "classes": list(classes),
        "splits": [_of_split(split, clips) for split in splits],
        "table": rows,
        "comparisons": table.comparisons(results),
        "summary": _summary(results),
        "measurements": [_of_measurement(result, classes, clips) for result in results],
        "confusion": [
            {
                "entrant": entrant,
                "protocol": protocol,
                "picture": pictures[entrant, protocol],
                "counts": matrix.tolist(),
            }
            for (entrant, protocol), matrix in matrices.items()
        ],
    }
    lines = [table.as_markdown(rows), "", *(f"- {line}" for line in content["comparisons"])]
    write_text(folder / TABLE, "\n".join(lines).rstrip() + "\n")
    write_text(folder / FILE, _as_json(content))
    return content


def _matrices(results: Sequence[Measurement]) -> Dict[Any, np.ndarray]:
    """(entrant, protocol) -> counts [K,K] over all runs, splits and seeds, at the largest label budget."""
    largest = results[-1].budget
    found: Dict[Any, np.ndarray] = {}
    for result in results:
        if result.budget == largest:
            key = (result.entrant, result.protocol)
            found[key] = found.get(key, 0) + result.scores.confusion
    return found


def _of_split(split: Split, clips: Dict[str, int]) -> Dict[str, Any]:
    return {
        "name": split.name,
        "train_videos": len(split.train),
        "test_videos": len(split.test),
        "train_clips": len(split.train) * clips["train"],
        "test_clips": len(split.test) * clips["test"],
        "missing": split.missing,
        "too_short": split.short,
        "looped_train_videos": split.looped_train,
        "looped_test_videos": split.looped_test,
        "in_both_lists": split.overlap,
        "duplicates": split.duplicates,
        "unreadable": split.unreadable,
        "first_missing": list(split.first_missing),
    }


def _summary(results: Sequence[Measurement]) -> List[Dict[str, Any]]:
    found = []
    for (entrant, protocol, limit, split), cell in table.cells(results).items():
        found.append(
            {
                "entrant": entrant,
                "protocol": protocol,
                "budget": limit or budgets.ALL,
                "split": "mean" if split is None else split,
                "accuracy": cell.mean,
                "deviation": cell.deviation,
                "runs": cell.runs,
            }
        )
    return found


def _of_measurement(result: Measurement, classes: Sequence[str], clips: Dict[str, int]) -> Dict[str, Any]:
    return {
        "entrant": result.entrant,
        "protocol": result.protocol,
        "split": result.split,
        "budget": result.budget or budgets.ALL,
        "seed": result.seed,
        "train_videos": result.train_videos,
        "test_videos": result.test_videos,
        "train_clips": result.train_videos * clips["train"],
        "test_clips": result.test_videos * clips["test"],
        "accuracy": float(result.scores.accuracies.mean()),
        "accuracies": result.scores.accuracies.tolist(),
        "per_class": dict(zip(classes, result.scores.per_class)),
        "details": result.details,
        "seconds": round(result.seconds, 2),
    }


def _as_json(content: Dict[str, Any]) -> str:
    """One line a measurement and a matrix, so that the file can be looked through and compared."""
    parts = []
    for key, value in content.items():
        if key in ("summary", "measurements", "confusion", "table") and value:
            lines = ",\n".join(json.dumps(entry) for entry in value)
            parts.append(f"{json.dumps(key)}: [\n{lines}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
