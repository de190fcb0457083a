"""The figures of the tables: bars of accuracies and curves over label budgets or videos, the paper's beside ours."""

from typing import Dict, Mapping, Optional, Sequence, Tuple

import numpy as np
from matplotlib.figure import Figure

from elo_tf.plots.palette import BLUE, GREY, INK, ORANGE
from experiments.contrasts import Estimate, Run, estimate
from experiments.table_text import COLUMNS
from experiments.tables import Row

COLOURS = (GREY, ORANGE, "#009e73", BLUE, "#cc79a7", "#56b4e9")
_ERRORS = 2.0  # Standard errors that a bar of error shows.


def bars(
    rows: Sequence[Row],
    found: Mapping[str, Mapping[str, Mapping[Run, float]]],
    titles: Mapping[str, str] = COLUMNS,
) -> Figure:
    """A panel a column, a bar a row with its runs as dots and two standard errors; the paper's as hollow diamonds.

    Args:
      rows: In the order of the table.
      found: Column -> row -> run -> accuracy in [0,1] (`table_text.values`).
      titles: Column -> what it is called, in the order of the panels.
    """
    columns = [column for column in titles if column in found]
    shown = [row for row in rows if any(row.name in found[column] for column in columns)]
    places = np.arange(len(shown))[::-1]
    figure = Figure(figsize=(3.2 + 2.4 * len(columns), 0.34 * len(shown) + 1.2), layout="constrained")
    panels = figure.subplots(1, max(1, len(columns)), squeeze=False, sharey=True)[0]
    for axes, column in zip(panels, columns):
        for place, row in zip(places, shown):
            own = list(found[column].get(row.name, {}).values())
            mean = estimate(own)
            if own:
                error = 0 if np.isnan(mean.error) else 100 * _ERRORS * mean.error
                axes.barh(place, 100 * mean.mean, xerr=error, color=BLUE, alpha=0.7, ecolor=INK, capsize=2, height=0.65)
                axes.plot(100 * np.array(own), [place] * len(own), ".", color=INK, markersize=3, zorder=3)
            if column in row.paper:
                axes.plot(row.paper[column], place, "D", color=ORANGE, fillstyle="none", markersize=5, zorder=4)
        axes.set_title(titles[column], fontsize=10, color=INK)
        axes.set_xlabel("% right", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    panels[0].set_yticks(places, [row.name for row in shown], fontsize=8)
    handles = [
        panels[0].plot([], [], "s", color=BLUE, label="here, ± 2 s.e.; dots are runs")[0],
        panels[0].plot([], [], "D", color=ORANGE, fillstyle="none", label="paper, HMDB51")[0],
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def curves(
    title: str, of_axis: str, lines: Mapping[str, Mapping[float, Estimate]], level: Optional[Tuple[str, float]] = None
) -> Figure:
    """Accuracy over an amount, on a logarithmic axis; a line a row with two standard errors.

    Args:
      title: Of the figure.
      of_axis: What the amount is.
      lines: Row -> amount -> accuracy in [0,1].
      level: Name and value in [0,1] of an accuracy that is drawn as a dotted line.
    """
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for place, (name, points) in enumerate(lines.items()):
        colour = COLOURS[place % len(COLOURS)]
        amounts, means = list(points), np.array([each.mean for each in points.values()])
        errors = np.nan_to_num([each.error for each in points.values()])
        axes.errorbar(amounts, 100 * means, 100 * _ERRORS * errors, color=colour, marker="o", markersize=3,
                      linewidth=1.4, elinewidth=0.8, capsize=2, label=name)  # fmt: skip
    if level:
        axes.axhline(100 * level[1], color=INK, linewidth=0.8, linestyle=":", label=level[0])
    axes.set_xscale("log")
    ticks: Dict[float, None] = {amount: None for points in lines.values() for amount in points}
    axes.set_xticks(sorted(ticks), [f"{tick:g}" for tick in sorted(ticks)], fontsize=8)
    axes.minorticks_off()
    axes.set_xlabel(of_axis, fontsize=9)
    axes.set_ylabel("% right", fontsize=9)
    axes.set_title(title, fontsize=10, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=8)
    return figure
