"""The figure of `learning_speed`: accuracy over clips, a panel a row, a line a run."""

import math
from typing import Any, Dict, List

from matplotlib import ticker
from matplotlib.figure import Figure

from elo_tf.plots import style
from elo_tf.plots.palette import GREY, SERIES

COLUMNS = 4


def courses(rows: Dict[str, List[Any]]) -> Figure:
    """Held-out 1-layer accuracy of each run over the clips it has seen; runs of a world share a colour.

    Args:
      rows: Name -> runs (`learning_speed.Run`).
    """
    height = math.ceil(len(rows) / COLUMNS)
    columns = math.ceil(len(rows) / height)  # As even as can be: six panels are two rows of three.
    figure = style.new_figure(2.3 * height + 0.5, width=max(style.WIDTH, 2.4 * columns))
    panels = figure.subplots(height, columns, squeeze=False, sharey=True).ravel()
    worlds = sorted({run.world for runs in rows.values() for run in runs})
    colours = {world: SERIES[place % len(SERIES)] for place, world in enumerate(worlds)}
    for axes, (name, runs) in zip(panels, rows.items()):
        for run in runs:
            clips, accuracy = [0, *run.clips], [100 * each for each in (run.untrained, *run.linear)]
            axes.plot(clips, accuracy, color=colours[run.world], linewidth=1.2, alpha=0.8)
        untrained = axes.axhline(100 * sum(run.untrained for run in runs) / len(runs), color=GREY, linestyle=":")
        style.tidy(axes, "clips, thousands", title=name)
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda clips, _: f"{clips / 1000:g}"))
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel("1-layer accuracy, %", fontsize=style.LABEL)
    panels[0].set_ylim(0, None)
    entries = {f"world {world}": panels[0].plot([], [], color=colour)[0] for world, colour in colours.items()}
    style.legend_below(figure, {**entries, "untrained": untrained}, columns=4)
    return figure
