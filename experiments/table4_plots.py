"""The curves of Table 4: the best loss of each searcher after a number of training steps, and its accuracy."""

from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from elo_tf.plots import style
from elo_tf.plots.palette import BLUE, GREEN, GREY, ORANGE, PINK
from experiments.courses import QUANTITIES, Course

# A line style each, too: told apart in grey.
STYLES = {
    "cma_es": (BLUE, "-"),
    "cma_es_rungs": (ORANGE, "--"),
    "tournament": (GREEN, "-."),
    "grid": (PINK, (0, (1, 1))),
    "random": ("#000000", (0, (4, 1, 1, 1, 1, 1))),
}
LABELS = {"cma_es": "CMA-ES", "cma_es_rungs": "CMA-ES with rungs"}
ROWS = {
    "fitness": "best fitness\nso far",
    "true/kmeans": "k-means accuracy\nof the best",
    "true/linear": "1-layer accuracy\nof the best",
}
_POINTS = 200


def curves(found: Dict[Tuple[str, str], Sequence[Course]], untrained: Mapping[str, float], world: str) -> Figure:
    """A column a fitness that was searched by, a row a quantity, a line a searcher: mean over its seeds.

    Bars to the right of the lines reach from the least to the greatest of the seeds at the end of the search.

    Args:
      found: (searcher, fitness) -> the courses of its seeds.
      untrained: Diagnostics of an untrained tower, for its accuracies.
      world: Its name.
    """
    fitnesses = list(dict.fromkeys(fitness for _, fitness in found))
    figure = style.new_figure(7.0, _title(found, world), width=max(style.WIDTH, 2.7 * len(fitnesses) + 0.8))
    panels = figure.subplots(len(QUANTITIES), len(fitnesses), squeeze=False, sharex=True)
    end = max(course.steps[-1] for own in found.values() for course in own)
    grid = np.linspace(0, end, _POINTS)
    for (searcher, fitness), own in found.items():
        column = panels[:, fitnesses.index(fitness)]
        for axes, values in zip(column, _over_seeds(own, grid)):
            _draw(axes, grid, values, searcher)
    for column, fitness in zip(panels.T, fitnesses):
        column[0].set_title(f"search by {fitness.replace('_', ' ')}", fontsize=style.LABEL)
        column[-1].set_xlabel("training steps", fontsize=style.LABEL)
        column[-1].xaxis.set_major_locator(MaxNLocator(4))
    _finish(figure, panels, found, untrained)
    return figure


def _title(found: Mapping[Tuple[str, str], Sequence[Course]], world: str) -> str:
    fewest, most = (end(map(len, found.values())) for end in (min, max))
    seeds = str(most) if fewest == most else f"{fewest} to {most}"
    return f"Searches on world {world}: {f'mean and range of {seeds} seeds' if most > 1 else 'one seed'}"


def _over_seeds(own: Sequence[Course], grid: np.ndarray) -> List[np.ndarray]:
    """For each quantity [seeds, points], NaN where a seed has found nothing yet, or has ended: it is not continued."""
    values = np.array([course.at(grid) for course in own])  # [seeds, points, 3]
    for row, course in zip(values, own):
        row[grid > course.steps[-1] + grid[-1] / _POINTS] = np.nan
    return list(np.moveaxis(values, 2, 0))


def _draw(axes: Axes, grid: np.ndarray, values: np.ndarray, searcher: str) -> None:
    """The mean where all seeds have a value, and the range at its end."""
    known = np.isfinite(values).all(axis=0)
    colour, dashes = STYLES[searcher]
    across, own = grid[known], values[:, known]
    axes.step(across, own.mean(axis=0), where="post", color=colour, linestyle=dashes, linewidth=1.6)
    if len(own) > 1 and known.any():
        place = grid[-1] * (1.03 + 0.025 * list(STYLES).index(searcher))
        axes.plot([place] * 2, [own[:, -1].min(), own[:, -1].max()], color=colour, linewidth=2.5, alpha=0.8)


def _finish(figure: Figure, panels: np.ndarray, found, untrained: Mapping[str, float]) -> None:
    from matplotlib.lines import Line2D

    for row, name in enumerate(QUANTITIES):
        panels[row, 0].set_ylabel(ROWS[name], fontsize=style.LABEL)
        for axes in panels[row]:
            style.tidy(axes)
            axes.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
            if name in untrained:
                axes.axhline(untrained[name], color=GREY, linewidth=1, linestyle=":")
        if row:  # Accuracies compare between columns; values of different fitnesses do not.
            low, high = np.array([axes.get_ylim() for axes in panels[row]]).T
            room = 0.04 * (high.max() - low.min())  # Else the level of the untrained tower lies on the edge.
            for axes in panels[row]:
                axes.set_ylim(low.min() - room, high.max())
    shown = [name for name in STYLES if any(searcher == name for searcher, _ in found)]
    handles = [
        Line2D([], [], color=STYLES[name][0], linestyle=STYLES[name][1], linewidth=1.8, label=LABELS.get(name, name))
        for name in shown
    ]
    handles.append(Line2D([], [], color=GREY, linestyle=":", label="untrained tower"))
    if max(map(len, found.values())) > 1:
        handles.append(Line2D([], [], color=GREY, linewidth=2.5, label="range of the seeds at the end"))
    style.legend_below(figure, {str(each.get_label()): each for each in handles}, columns=3)
