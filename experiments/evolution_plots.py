"""The pictures of `evolution_figures`: weights over the rounds of several searches, and their final losses."""

from typing import Mapping

import numpy as np
from matplotlib.figure import Figure

from elo_tf.plots import style
from elo_tf.plots.palette import MAP, SERIES
from experiments.evolution_figures import Course


def over_rounds(courses: Mapping[str, Course]) -> Figure:
    """A panel a term, a line a search: mean weight of each round (Fig. 7; as a map Fig. 3)."""
    names = next(iter(courses.values())).names
    height = -(-len(names) // 5)
    columns = -(-len(names) // height)
    figure = style.new_figure(1.4 * height + 1.0, "Weights over the rounds", width=max(style.WIDTH, 1.8 * columns))
    panels = figure.subplots(height, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for place, axes in enumerate(panels):
        axes.set_visible(place < len(names))
        if place >= len(names):
            continue
        for number, (name, each) in enumerate(courses.items()):
            # Once the colours are used up, lines are dashed.
            dashes = ("-", "--", ":")[number // len(SERIES) % 3]
            colour = SERIES[number % len(SERIES)]
            axes.plot(each.means[:, place], linewidth=1.2, alpha=0.8, label=name, color=colour, linestyle=dashes)
        style.tidy(axes, title=names[place])
    panels[0].set_ylim(0, 1)
    for axes in panels[len(names) - columns : len(names)]:  # The lowest of each column.
        axes.set_xlabel("round", fontsize=style.LABEL)
        axes.tick_params(labelbottom=True)
    figure.supylabel("mean λ of the candidates", fontsize=style.LABEL)
    handles, labels = panels[0].get_legend_handles_labels()
    style.legend_below(figure, dict(zip(labels, handles)), columns=4)
    return figure


def final_losses(courses: Mapping[str, Course]) -> Figure:
    """A row a term, a column a search: weights of the loss that it names (Fig. 8)."""
    names = next(iter(courses.values())).names
    grid = np.array([each.final for each in courses.values()]).T  # [G, searches]
    title = "Weights of the loss that each search names"
    figure = style.new_figure(0.22 * len(names) + 1.9, title, width=max(style.WIDTH, 0.5 * len(courses) + 2.6))
    axes = figure.add_subplot()
    image = axes.imshow(grid, vmin=0, vmax=1, cmap=MAP, aspect="auto")
    for (row, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=style.TICK - 1,
                      color="white" if value < 0.6 else "black")  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(range(len(courses)), list(courses), rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0, labelsize=style.TICK)
    axes.spines[:].set_visible(False)
    style.colour_bar(figure, image, [axes], "λ")
    return figure
