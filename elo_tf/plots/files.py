"""Writes figures to files."""

import io
import pathlib

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from elo_tf.runtime import storage

DOTS_PER_INCH = 150


def save(figure: Figure, path: pathlib.Path) -> pathlib.Path:
    """Writes a figure as PNG, which appears whole; returns its path."""
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(content, format="png", dpi=DOTS_PER_INCH)
    storage.write_bytes(path, content.getvalue())
    return path
