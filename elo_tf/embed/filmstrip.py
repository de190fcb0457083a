"""A picture of a query and its neighbours, a film strip each.

query.mp4
[frame][frame][frame][frame][frame][frame]
2. cats/3.mp4, 12.80 s, as the query at 3.20 s (cosine similarity 0.930)
[frame][frame][frame][frame][frame][frame]
"""

import dataclasses
import io
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.figure import Figure

from elo_tf.config import IngestConfig
from elo_tf.decoding.decode import UnusableError
from elo_tf.decoding.listing import printable
from elo_tf.decoding.stream import FrameStream
from elo_tf.plots.film_strip import film_strip
from elo_tf.runtime.storage import write_bytes

FRAMES = 8
SIDE = 112  # pixels
_DOTS_PER_INCH = 150
_CAPTION = 30  # pixels above each strip
_MARGIN = 12
_LETTERS = 110  # longest caption


def frames_of(path: Path, first: int, count: int, ingest: IngestConfig) -> Optional[np.ndarray]:
    """uint8 [8,112,112,3], evenly spread over `count` frames from `first` on; None if they cannot be had.

    Args:
      path: Of the video.
      first, count: At the rate of `ingest`.
      ingest: How the video has been decoded; its size does not matter.
    """
    wanted = np.linspace(first, first + count - 1, FRAMES).round().astype(int)
    found, frames = {}, iter(FrameStream(path, dataclasses.replace(ingest, size=SIDE)))
    try:
        for place, frame in zip(range(wanted[-1] + 1), frames):
            if place in wanted:
                found[place] = frame
    except UnusableError:
        return None
    finally:
        frames.close()
    return np.stack([found[place] for place in wanted]) if wanted[-1] in found else None


def draw(rows: Sequence[Tuple[str, Optional[np.ndarray]]], path: Path) -> None:
    """Writes the picture as PNG, which appears whole.

    Args:
      rows: Caption and frames uint8 [f,H,W,3] of the query and of each match; without frames, a line says so.
      path: Of the picture.
    """
    strips: List[Optional[np.ndarray]] = [None if frames is None else film_strip(frames, SIDE) for _, frames in rows]
    width = FRAMES * (SIDE + 1) + 2 * _MARGIN
    height = len(rows) * (_CAPTION + SIDE) + 2 * _MARGIN
    figure = Figure(figsize=(width / _DOTS_PER_INCH, height / _DOTS_PER_INCH), facecolor="white")
    top = height - _MARGIN
    for number, ((caption, _), strip) in enumerate(zip(rows, strips)):
        top -= _CAPTION
        weight = "normal" if number else "bold"
        figure.text(_MARGIN / width, (top + 8) / height, _short(caption), fontsize=7, weight=weight, parse_math=False)
        top -= SIDE
        if strip is None:
            figure.text(_MARGIN / width, (top + SIDE / 2) / height, "its frames cannot be read any more", fontsize=7)
        else:
            figure.figimage(strip, _MARGIN, top)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DOTS_PER_INCH)
    write_bytes(path, content.getvalue())


def _short(caption: str) -> str:
    """One line that fits; its middle is left out where it is longer."""
    caption, half = printable(caption), (_LETTERS - 3) // 2
    return caption if len(caption) <= _LETTERS else f"{caption[:half]}...{caption[-half:]}"
