"""The style of all figures: one width, three sizes of letters, no frame around what is drawn."""

import math
from typing import Mapping, Optional, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

WIDTH = 6.0  # inches; figures of many panels may take more
TITLE, LABEL, TICK = 11, 9, 8  # points
_MARGIN = 0.06  # inches, around panels


def new_figure(height: float, title: Optional[str] = None, width: float = WIDTH) -> Figure:
    """An empty figure whose parts find their room themselves.

    Args:
      height: Inches.
      title: Above it; None for none.
      width: Inches.
    """
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=_MARGIN, h_pad=_MARGIN))
    if title:
        figure.suptitle(title, fontsize=TITLE, parse_math=False)  # It may name a run.
    return figure


def tidy(axes: Axes, across: Optional[str] = None, up: Optional[str] = None, title: Optional[str] = None) -> None:
    """Leaves the left and the lower edge of a panel alone, and labels it.

    Args:
      axes: The panel.
      across, up: Labels of its edges; None for none.
      title: Above it; None for none.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TICK)
    if across:
        axes.set_xlabel(across, fontsize=LABEL)
    if up:
        axes.set_ylabel(up, fontsize=LABEL)
    if title:
        axes.set_title(title, fontsize=LABEL)


def colour_bar(figure: Figure, drawn: ScalarMappable, panels: Sequence[Axes], label: str) -> None:
    """The scale of the colours, as high as the panels.

    Args:
      figure: What it belongs to.
      drawn: What has these colours.
      panels: Beside which it stands.
      label: Of the scale.
    """
    bar = figure.colorbar(drawn, ax=panels, fraction=0.05, pad=0.02, aspect=30)
    bar.set_label(label, fontsize=LABEL, rotation=0 if len(label) == 1 else 90)
    bar.ax.tick_params(labelsize=TICK, length=2)
    bar.outline.set_visible(False)


def legend_below(figure: Figure, entries: Mapping[str, Artist], columns: int) -> None:
    """One legend for all panels, below them.

    Args:
      figure: What it belongs to.
      entries: Label -> what is drawn so.
      columns: Of the legend, at most; fewer where its rows are as many without them.
    """
    rows = math.ceil(len(entries) / columns)
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=math.ceil(len(entries) / rows),
        frameon=False, fontsize=LABEL,
    )  # fmt: skip
