"""The accuracies of a tower from the results of an evaluation, for its model card.

    results.json: the checkpoint whose weights are those of the tower ─> its rows of `summary` ─> Markdown table

A tower is known by its weights, not by a path: an evaluation may lie anywhere, and compare several checkpoints.
"""

import pathlib
from typing import Any, Dict, List

from elo_tf.config import InputError
from elo_tf.evaluate import entrants, results, table
from elo_tf.networks.backbone import Backbone
from elo_tf.runtime import json_text, text

_HEAD = ["protocol", "split", "labels", "accuracy, %", "runs", "seeds", "training videos", "test videos"]


def read(path: pathlib.Path, network: Backbone) -> str:
    """What a file of results says of a tower, as Markdown.

    Args:
      path: The results.json of `elo_tf.evaluate`.
      network: The tower, built.

    Raises:
      InputError: it is missing or something else, or this tower is not among those that were evaluated.
    """
    try:
        content = json_text.parse(text.read(path))
        found = _find(content, entrants.weights_digest(network))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name a results.json of elo_tf.evaluate") from None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        raise InputError(f"{path} is not a file of results; name a results.json of elo_tf.evaluate") from None
    if not found:
        raise InputError(f"{path} has no results of this checkpoint; evaluate it, or name another file")
    return found


def _find(content: Dict[str, Any], digest: str) -> str:
    """The table of the tower with these weights; empty if it is not among the checkpoints."""
    if content["schema"] != results.SCHEMA:
        raise ValueError(f"schema {content['schema']}")
    digests = [one["weights"] for one in content["inputs"]["checkpoints"]]
    return _describe(content, digests.index(digest)) if digest in digests else ""


def _describe(content: Dict[str, Any], place: int) -> str:
    """The checkpoint at this place; the checkpoints come first among those compared, in their order."""
    name = list(dict.fromkeys(row["entrant"] for row in content["summary"]))[place]
    own = [one for one in content["measurements"] if one["entrant"] == name]
    rows = [_row(row, own) for row in content["summary"] if row["entrant"] == name]
    return (
        f"Accuracy in percent on test videos of {len(content['classes'])} classes, ± standard deviation over the runs "
        f"(seeds and restarts), on records {content['inputs']['records']['fingerprint']}.\n\n"
        f"{table.as_markdown([_HEAD, *rows])}"
    )


def _row(row: Dict[str, Any], measurements: List[Dict[str, Any]]) -> List[str]:
    kind = row["protocol"], row["budget"]
    behind = [one for one in measurements if (one["protocol"], one["budget"]) == kind]
    if row["split"] != "mean":
        behind = [one for one in behind if one["split"] == row["split"]]

    def all_of(field: str) -> str:
        return ", ".join(dict.fromkeys(str(one[field]) for one in behind))

    accuracy = table.Cell(row["accuracy"], row["deviation"], row["runs"])
    described = [row["protocol"], row["split"], str(row["budget"]), str(accuracy), str(row["runs"])]
    return [*described, all_of("seed"), all_of("train_videos"), all_of("test_videos")]
