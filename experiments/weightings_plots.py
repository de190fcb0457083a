"""The figure of `weightings`: the weights that each method found, relative to its largest."""

from typing import Dict, List, Sequence

import numpy as np
from matplotlib.figure import Figure

from elo_tf.plots import style
from elo_tf.plots.palette import MAP


def weights_found(found: Dict[str, List[List[float]]], names: Sequence[str]) -> Figure:
    """A row a run, grouped by the way; a column a term.

    Args:
      found: Way -> [G] weights of each run; ways without any are left out.
      names: [G], of the terms.
    """
    found = {way: runs for way, runs in found.items() if runs} or {"none": [[0.0] * len(names)]}
    lines = np.array([np.array(run) / max(max(run), 1e-9) for runs in found.values() for run in runs])
    title = "Weights found, mean over the second half of a training"
    figure = style.new_figure(0.2 * len(lines) + 2.0, title, width=max(style.WIDTH, 0.3 * len(names) + 3.0))
    axes = figure.add_subplot()
    image = axes.pcolormesh(
        np.arange(len(names) + 1), np.arange(len(lines) + 1), lines, vmin=0, vmax=1, cmap=MAP, edgecolors="white"
    )
    axes.invert_yaxis()
    begins = np.cumsum([0, *(len(runs) for runs in found.values())])
    axes.set_yticks((begins[1:] + begins[:-1]) / 2, list(found))
    for place in begins[1:-1]:
        axes.axhline(place, color="black", linewidth=0.8)
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0, labelsize=style.TICK)
    axes.spines[:].set_visible(False)
    style.colour_bar(figure, image, [axes], "weight over the greatest")
    return figure
