"""Which videos of a table are nearest to a query, by the cosine of their embeddings.

    query [D], videos [N,D]       similarity of whole videos: of the means of their windows
    query [V,D], windows [W,D]    similarity of moments: that of a video is the best of all pairs of windows

What a rectified network puts out has a large part that is the same for all videos, so that all cosines are near 1. With
`centre` the mean of the table is taken off first: what counts is in which direction a video differs from the average.
"""

import dataclasses
from typing import List

import numpy as np

from elo_tf.config import InputError
from elo_tf.embed.table import Entry, Table

# Bounds the memory of a comparison of windows: so many of the table at a time.
_WINDOWS_AT_A_TIME = 65536


@dataclasses.dataclass(frozen=True)
class Match:
    """A video near the query.

    Attributes:
      entry: The video.
      similarity: Cosine, -1..1; 0 where an embedding is zero.
      offset, query_offset: First frames of the pair of windows that are most alike; -1 where whole videos are compared.
    """

    entry: Entry
    similarity: float
    offset: int = -1
    query_offset: int = -1


def nearest_videos(query: Entry, table: Table, count: int, centre: bool = False) -> List[Match]:
    """The `count` videos whose means are nearest that of the query, the nearest first; of equal ones, by id.

    Raises:
      InputError: there are fewer.
    """
    _check_count(table, count)
    mean = _mean(table, centre)
    similarity = _unit(table.embeddings - mean) @ _unit(query.embedding - mean)  # [N]
    best = np.argsort(-similarity, kind="stable")[:count]
    return [Match(table.entries[place], float(similarity[place])) for place in best]


def nearest_moments(query: Entry, table: Table, count: int, centre: bool = False) -> List[Match]:
    """The `count` videos that have a window nearest to any of the query, the nearest first, each with that window.

    Raises:
      InputError: there are fewer, or the table has no windows.
    """
    _check_count(table, count)
    if not all(len(entry.offsets) for entry in table.entries):
        raise InputError("--by=window needs embeddings of windows; make the file again without --nostore_windows")
    mean = _mean(table, centre)
    ours, matches = _unit(query.windows - mean), []
    for entry in table.entries:
        pairs = []
        for first in range(0, len(entry.windows), _WINDOWS_AT_A_TIME):
            similarity = _unit(entry.windows[first : first + _WINDOWS_AT_A_TIME] - mean) @ ours.T  # [W,V]
            row, column = np.unravel_index(np.argmax(similarity), similarity.shape)
            pairs.append((float(similarity[row, column]), first + int(row), int(column)))
        best, window, own = max(pairs, key=lambda pair: pair[0])
        matches.append(Match(entry, best, int(entry.offsets[window]), int(query.offsets[own])))
    return sorted(matches, key=lambda match: -match.similarity)[:count]


def _check_count(table: Table, count: int) -> None:
    if count > len(table.entries):
        raise InputError(f"--neighbours={count} is more than the {len(table.entries)} videos in the file; lower it")


def _mean(table: Table, centre: bool) -> np.ndarray:
    """[D] float64, what is taken off all embeddings."""
    return table.embeddings.mean(axis=0, dtype=np.float64) * centre


def _unit(rows: np.ndarray) -> np.ndarray:
    """[...,D] float64 of length 1; zero stays zero."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(length > 0, length, 1)
