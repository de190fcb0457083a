"""The pictures of `evolution_figures`: weights over the rounds of several searches, and their final losses."""

from typing import Mapping

import numpy as np
from matplotlib.figure import Figure

from elo_tf.plots.palette import INK, MAP
from experiments.evolution_figures import Course


def over_rounds(courses: Mapping[str, Course]) -> Figure:
    """A panel a term, a line a search: mean weight of each round (Fig. 7; as a map Fig. 3)."""
    names = next(iter(courses.values())).names
    columns = min(5, len(names))
    height = -(-len(names) // columns)
    figure = Figure(figsize=(2.0 * columns, 1.5 * height + 0.6), layout="constrained")
    panels = figure.subplots(height, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for place, axes in enumerate(panels):
        axes.set_visible(place < len(names))
        if place >= len(names):
            continue
        for name, each in courses.items():
            axes.plot(each.means[:, place], linewidth=1.1, alpha=0.8, label=name)
        axes.set_title(names[place], fontsize=7, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
    panels[0].set_ylim(0, 1)
    figure.supxlabel("round", fontsize=8)
    figure.supylabel("mean λ of the candidates", fontsize=8)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=7
    )
    return figure


def final_losses(courses: Mapping[str, Course]) -> Figure:
    """A row a term, a column a search: weights of the loss that it names (Fig. 8)."""
    names = next(iter(courses.values())).names
    grid = np.array([each.final for each in courses.values()]).T  # [G, searches]
    figure = Figure(figsize=(0.55 * len(courses) + 3.0, 0.24 * len(names) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(grid, vmin=0, vmax=1, cmap=MAP, aspect="auto")
    for (row, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6,
                      color="white" if value < 0.6 else "black")  # fmt: skip
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_xticks(range(len(courses)), list(courses), rotation=45, ha="right", rotation_mode="anchor", fontsize=7)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="λ")
    return figure
