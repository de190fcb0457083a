"""The figures of the tables: bars of accuracies and curves over label budgets or videos, the paper's beside ours."""

from typing import Dict, Mapping, Optional, Sequence, Tuple

import numpy as np
from matplotlib.figure import Figure

from elo_tf.plots import style
from elo_tf.plots.palette import BLUE, GREEN, GREY, INK, ORANGE, PINK, SKY
from experiments.contrasts import Estimate, Run, estimate
from experiments.table_text import COLUMNS
from experiments.tables import Row

COLOURS = (GREY, ORANGE, GREEN, BLUE, PINK, SKY)
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
    figure = style.new_figure(0.3 * len(shown) + 1.2, width=max(style.WIDTH, 2.4 + 1.8 * len(columns)))
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
        style.tidy(axes, "% right", title=titles[column])
    panels[0].set_yticks(places, [row.name for row in shown])
    handles = [
        panels[0].plot([], [], "s", color=BLUE, label="here, ± 2 s.e.; dots are runs")[0],
        panels[0].plot([], [], "D", color=ORANGE, fillstyle="none", label="paper, HMDB51")[0],
    ]
    style.legend_below(figure, {each.get_label(): each for each in handles}, columns=2)
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
    figure = style.new_figure(3.9, title)
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
    axes.set_xticks(sorted(ticks), [f"{tick:g}" for tick in sorted(ticks)])
    axes.minorticks_off()
    style.tidy(axes, of_axis, "% right")
    axes.legend(frameon=False, fontsize=style.LABEL)
    return figure
