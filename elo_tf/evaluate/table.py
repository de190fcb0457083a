"""The results as a table: a row an entrant, a column a protocol, mean ± standard deviation over the runs."""

import dataclasses
import math
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from elo_tf.evaluate.ledger import Measurement
from elo_tf.evaluate.protocols.base import PROTOCOLS
from elo_tf.evaluate.videos import budget as budgets


@dataclasses.dataclass(frozen=True)
class Cell:
    """Accuracy of an entrant under a protocol.

    Attributes:
      mean: Over the runs; a run is a seed and a restart.
      deviation: Standard deviation over them, 0 for one run.
      runs: Their number.
    """

    mean: float
    deviation: float
    runs: int

    def __str__(self) -> str:
        shown = f"{100 * self.mean:.1f}"
        return f"{shown} ± {100 * self.deviation:.1f}" if self.runs > 1 else shown


# (entrant, protocol, budget, split); the split is None for the mean over several.
Key = Tuple[str, str, Optional[int], Optional[str]]


def cells(results: Sequence[Measurement]) -> Dict[Key, Cell]:
    """A cell for each split, and where there are several one for their mean, in which each run is averaged first."""
    runs: Dict[Tuple, Dict[str, List[np.ndarray]]] = {}
    for result in results:
        by_split = runs.setdefault((result.entrant, result.protocol, result.budget), {})
        by_split.setdefault(result.split, []).append(result.scores.accuracies)
    found: Dict[Key, Cell] = {}
    for key, by_split in runs.items():
        joined = {split: np.concatenate(accuracies) for split, accuracies in by_split.items()}
        for split, accuracies in joined.items():
            found[(*key, split)] = _cell(accuracies)
        if len(joined) > 1:
            found[(*key, None)] = _cell(np.mean(list(joined.values()), axis=0))
    return found


def _cell(accuracies: np.ndarray) -> Cell:
    return Cell(float(accuracies.mean()), float(accuracies.std()), len(accuracies))


def rows(results: Sequence[Measurement]) -> List[List[str]]:
    """The table, its head first: accuracy in percent, a dash where a protocol does not apply."""
    found = cells(results)
    protocols = list(dict.fromkeys(result.protocol for result in results))
    splits = list(dict.fromkeys(result.split for result in results))
    limits = list(dict.fromkeys(result.budget for result in results))
    shown: List[Optional[str]] = [splits[0]] if len(splits) == 1 else [*splits[:1], None]
    with_labels = limits != [None]
    head = ["representation", *(["labels"] if with_labels else [])]
    for name in protocols:
        head += [PROTOCOLS[name].title + _of_split(split, splits) for split in shown]
    table = [head]
    for entrant in dict.fromkeys(result.entrant for result in results):
        for limit in limits:
            row = [entrant, *([budgets.ALL if limit is None else str(limit)] if with_labels else [])]
            for name in protocols:
                row += [str(found.get((entrant, name, limit, split), "-")) for split in shown]
            table.append(row)
    return table


def comparisons(results: Sequence[Measurement]) -> List[str]:
    """A line for each entrant but the first: by how much the first is ahead of it, where both were measured.

    A difference of less than two standard errors, as so many test videos of one split have them, is called even. The
    luck of a training is not in it.
    """
    found, limit = cells(results), results[-1].budget
    videos = {result.split: result.test_videos for result in results}
    split = None if len(videos) > 1 else results[0].split
    first, *others = dict.fromkeys(result.entrant for result in results)
    lines = []
    for other in others:
        parts = []
        for name in dict.fromkeys(result.protocol for result in results):
            cell, its_cell = (found.get((entrant, name, limit, split)) for entrant in (first, other))
            if cell and its_cell:
                own, its = cell.mean, its_cell.mean
                error = math.sqrt((own * (1 - own) + its * (1 - its)) / next(iter(videos.values())))
                word = "even" if abs(own - its) <= 2 * error else "better" if own > its else "worse"
                parts.append(f"{PROTOCOLS[name].title} {100 * (own - its):+.1f} ({word})")
        if parts:
            lines.append(f"{first} against {other}, in points: {', '.join(parts)}")
    return lines


def _of_split(split: Optional[str], splits: Sequence[str]) -> str:
    if len(splits) == 1:
        return ""
    return f", mean of {len(splits)} splits" if split is None else f", split {split}"


def as_text(table: Sequence[Sequence[str]]) -> str:
    """Columns of equal width."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table)


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """The table in Markdown."""
    head, *body = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([head, "|" + " --- |" * len(table[0]), *body])
