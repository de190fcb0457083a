"""The figure of `learning_speed`: accuracy over clips, a panel a row, a line a run."""

import math
from typing import Any, Dict, List

from matplotlib.figure import Figure

from elo_tf.plots.palette import BLUE, GREY, INK, ORANGE

COLUMNS = 4
_COLOURS = (BLUE, ORANGE, "#009e73", "#cc79a7", "#56b4e9")


def courses(rows: Dict[str, List[Any]]) -> Figure:
    """Held-out 1-layer accuracy of each run over the clips it has seen; runs of a world share a colour.

    Args:
      rows: Name -> runs (`learning_speed.Run`).
    """
    columns = min(COLUMNS, len(rows))
    height = math.ceil(len(rows) / columns)
    figure = Figure(figsize=(3.1 * columns, 2.5 * height + 0.5), layout="constrained")
    panels = figure.subplots(height, columns, squeeze=False, sharey=True).ravel()
    worlds = sorted({run.world for runs in rows.values() for run in runs})
    colours = {world: _COLOURS[place % len(_COLOURS)] for place, world in enumerate(worlds)}
    for axes, (name, runs) in zip(panels, rows.items()):
        for run in runs:
            axes.plot([0, *run.clips], [run.untrained, *run.linear], color=colours[run.world], linewidth=1, alpha=0.7)
        axes.axhline(sum(run.untrained for run in runs) / len(runs), color=GREY, linewidth=0.8, linestyle=":")
        axes.set_title(name, fontsize=9, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    for axes in panels[: len(rows)]:
        axes.set_xlabel("clips", fontsize=8)
    for axes in panels[::columns]:
        axes.set_ylabel("1-layer accuracy", fontsize=8)
    panels[0].set_ylim(0, None)
    handles = [panels[0].plot([], [], color=colour, label=world)[0] for world, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8)
    return figure
