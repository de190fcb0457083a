"""The confusion matrix as a picture."""

from typing import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elo_tf.decoding.listing import printable
from elo_tf.plots import style

# Up to so many classes, cells have numbers.
_FEW = 25
# Above this many, names would be smaller than print.
_MANY = 150


def draw(confusion: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Draws the matrix, rows in percent: of each class, the share that was taken for each class.

    Args:
      confusion: [K,K] counts, rows the true classes.
      classes: K names.
      title: Above it.
    """
    count = len(classes)
    shares = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)  # %
    font = 8 if count <= _FEW else 5
    # Inches: what a name of this font is high, with room for the names themselves.
    side = min(max(2.4, count * (0.34 if count <= _FEW else 0.085)), 16.0)
    margin = 0.03 + 0.0085 * font * min(max(map(len, classes)), 30)
    figure = style.new_figure(side + margin + 0.6, title, width=side + margin + 1.0)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=100.0, interpolation="nearest")
    if count <= _FEW:
        _number(axes, shares, font)
    if count <= _MANY:
        # Names of folders: of any letters, and no formulas.
        names = [printable(name if len(name) <= 30 else f"{name[:29]}…") for name in classes]
        axes.set_xticks(range(count), names, rotation=90, fontsize=font, parse_math=False)
        axes.set_yticks(range(count), names, fontsize=font, parse_math=False)
        axes.tick_params(length=0)
    axes.set_xlabel("taken for", fontsize=style.LABEL)
    axes.set_ylabel("class", fontsize=style.LABEL)
    style.colour_bar(figure, image, [axes], "% of the class")
    return figure


def _number(axes: Axes, shares: np.ndarray, font: int) -> None:
    """Percentages in the cells, where they round to 1 or more."""
    for row, column in zip(*np.nonzero(shares >= 0.5)):
        share = shares[row, column]
        axes.text(
            column, row, f"{share:.0f}", ha="center", va="center", fontsize=font - 1,
            color="white" if share > 50 else "black",
        )  # fmt: skip
