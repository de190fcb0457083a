"""The curves of Table 4: the best loss of each searcher after a number of training steps, and its accuracy."""

from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.courses import QUANTITIES, Course

# Colours of Okabe and Ito and a line style each: told apart with any colour vision, and in grey.
STYLES = {
    "cma_es": ("#0072b2", "-"),
    "cma_es_rungs": ("#d55e00", "--"),
    "tournament": ("#009e73", "-."),
    "grid": ("#cc79a7", (0, (1, 1))),
    "random": ("#000000", (0, (4, 1, 1, 1, 1, 1))),
}
LABELS = {"cma_es": "CMA-ES", "cma_es_rungs": "CMA-ES with rungs"}
ROWS = {
    "fitness": "best fitness\nso far",
    "true/kmeans": "k-means accuracy\nof the best",
    "true/linear": "1-layer accuracy\nof the best",
}
_GREY = "#8a8a8a"
_POINTS = 200


def curves(found: Dict[Tuple[str, str], Sequence[Course]], untrained: Mapping[str, float], world: str) -> Figure:
    """A column a fitness that was searched by, a row a quantity, a line a searcher: mean over seeds, least to greatest.

    Args:
      found: (searcher, fitness) -> the courses of its seeds.
      untrained: Diagnostics of an untrained tower, for its accuracies.
      world: Its name.
    """
    fitnesses = list(dict.fromkeys(fitness for _, fitness in found))
    figure = Figure(figsize=(max(5.5, 3.2 * len(fitnesses) + 0.8), 7.2), layout="constrained")
    panels = figure.subplots(len(QUANTITIES), len(fitnesses), squeeze=False, sharex=True)
    end = max(course.steps[-1] for own in found.values() for course in own)
    grid = np.linspace(0, end, _POINTS)
    for (searcher, fitness), own in found.items():
        column = panels[:, fitnesses.index(fitness)]
        for axes, values in zip(column, _over_seeds(own, grid)):
            _draw(axes, grid, values, searcher)
    for column, fitness in zip(panels.T, fitnesses):
        column[0].set_title(f"search by {fitness.replace('_', ' ')}", fontsize=10)
        column[-1].set_xlabel("training steps")
        column[-1].xaxis.set_major_locator(MaxNLocator(4))
    _finish(figure, panels, found, untrained, world)
    return figure


def _over_seeds(own: Sequence[Course], grid: np.ndarray) -> List[np.ndarray]:
    """For each quantity [seeds, points], NaN where a seed has found nothing yet, or has ended: it is not continued."""
    values = np.array([course.at(grid) for course in own])  # [seeds, points, 3]
    for row, course in zip(values, own):
        row[grid > course.steps[-1] + grid[-1] / _POINTS] = np.nan
    return list(np.moveaxis(values, 2, 0))


def _draw(axes: Axes, grid: np.ndarray, values: np.ndarray, searcher: str) -> None:
    """Mean and range where all seeds have a value."""
    known = np.isfinite(values).all(axis=0)
    colour, style = STYLES[searcher]
    across, own = grid[known], values[:, known]
    if len(own) > 1:
        axes.fill_between(across, own.min(axis=0), own.max(axis=0), color=colour, alpha=0.13, linewidth=0, step="post")
    axes.step(across, own.mean(axis=0), where="post", color=colour, linestyle=style, linewidth=1.8)


def _finish(figure: Figure, panels: np.ndarray, found, untrained: Mapping[str, float], world: str) -> None:
    from matplotlib.lines import Line2D

    for row, name in enumerate(QUANTITIES):
        panels[row, 0].set_ylabel(ROWS[name])
        for axes in panels[row]:
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color=_GREY, alpha=0.25, linewidth=0.6)
            if name in untrained:
                axes.axhline(untrained[name], color=_GREY, linewidth=1, linestyle=":")
        if row:  # Accuracies compare between columns; values of different fitnesses do not.
            low, high = np.array([axes.get_ylim() for axes in panels[row]]).T
            for axes in panels[row]:
                axes.set_ylim(low.min(), high.max())
    shown = [name for name in STYLES if any(searcher == name for searcher, _ in found)]
    handles = [
        Line2D([], [], color=STYLES[name][0], linestyle=STYLES[name][1], linewidth=1.8, label=LABELS.get(name, name))
        for name in shown
    ]
    handles.append(Line2D([], [], color=_GREY, linestyle=":", label="untrained tower"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    fewest, most = (end(map(len, found.values())) for end in (min, max))
    seeds = str(most) if fewest == most else f"{fewest} to {most}"
    figure.suptitle(
        f"Searches on world {world}: {f'mean and range of {seeds} seeds' if most > 1 else 'one seed'}", fontsize=11
    )
