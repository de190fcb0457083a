"""The plots of Fig. 9: each fitness against accuracy, by value and by rank."""

import math
from typing import List

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elo_tf.plots import style
from elo_tf.plots.palette import BLUE, GREEN, GREY, ORANGE
from experiments import rank_statistics
from experiments.fig9_analysis import FITNESSES, TARGETS, World, pearson, spearman

# Colour and marker of a kind of loss.
KINDS = {"uniform": (BLUE, "o"), "sparse": (ORANGE, "^"), "single": (GREEN, "s"), "ones": ("#000000", "*")}
LABELS = {
    "gain": "predictability\n(gain in R²)",
    "zipf": "Zipf, literal\n(nats, less is better)",
    "zipf_scale_free": "Zipf, scale-free\n(nats, less is better)",
    "agreement": "agreement\n(NMI)",
    "agreement_adjusted": "agreement, adjusted\n(AMI)",
    "weak": "ELo-weak\n(accuracy)",
    "true/kmeans": "k-means accuracy",
    "true/linear": "1-layer accuracy",
}


def scatter(world: World) -> Figure:
    """A column a fitness, a row what it is held against; the good end of every axis is right or top."""
    title = f"Fitness of losses against labels, world {world.name}"
    figure = style.new_figure(2.1 * len(TARGETS) + 1.2, title, width=2.1 * len(world.fitnesses) + 0.6)
    panels = figure.subplots(len(TARGETS), len(world.fitnesses), squeeze=False, sharex="col", sharey="row")
    for row, target in enumerate(TARGETS):
        for column, score in enumerate(world.fitnesses):
            axes = panels[row, column]
            style.tidy(axes)
            if score == target:
                axes.text(0.5, 0.5, "the same", transform=axes.transAxes, ha="center", va="center", color=GREY,
                          fontsize=style.LABEL)  # fmt: skip
            else:
                _points(axes, world, score, target)
                _note(axes, world, score, target)
            if FITNESSES[score] < 0 and row == 0:
                axes.invert_xaxis()  # Shared by the column.
            if column == 0:
                axes.set_ylabel(LABELS[target], fontsize=style.LABEL)
            if row == len(TARGETS) - 1:
                axes.set_xlabel(LABELS[score], fontsize=style.LABEL)
            _untrained(axes, world, score, target)
    _finish(figure, with_untrained=True)
    return figure


def rankings(world: World) -> Figure:
    """Rank by each fitness against rank by 1-layer accuracy; a fitness that orders as labels do gives the diagonal."""
    title = f"Order of losses by fitness and by labels (1 is best), world {world.name}"
    figure = style.new_figure(3.3, title, width=2.1 * len(world.fitnesses) + 0.6)
    panels = figure.subplots(1, len(world.fitnesses), squeeze=False, sharey=True)[0]
    for axes, score in zip(panels, world.fitnesses):
        own = [each for each in world.first if math.isfinite(each.goodness(score))]
        # The best has rank 1.
        places = [
            rank_statistics.ranks(np.array([-each.goodness(name) for each in own])) for name in (score, "true/linear")
        ]
        for kind, (colour, marker) in KINDS.items():
            for hollow in (False, True):
                chosen = [i for i, each in enumerate(own) if each.kind == kind and bool(each.reason) == hollow]
                _marks(axes, places[0][chosen], places[1][chosen], colour, marker, hollow)
        limit = len(own) + 1
        axes.plot([0, limit], [0, limit], color=GREY, linewidth=0.8, linestyle="--", zorder=1)
        axes.set(xlim=(1.03 * limit, -0.03 * limit), ylim=(1.03 * limit, -0.03 * limit), aspect="equal")
        found = spearman(own, score, "true/linear")
        name = LABELS[score].splitlines()[0]
        style.tidy(axes, f"rank by {name}", title="ρ = {:.2f} [{:.2f}, {:.2f}]".format(*found))
    panels[0].set_ylabel("rank by 1-layer accuracy", fontsize=style.LABEL)
    _finish(figure, with_untrained=False)
    return figure


def _points(axes: Axes, world: World, score: str, target: str) -> None:
    for kind, (colour, marker) in KINDS.items():
        for hollow in (False, True):
            own = [each for each in world.first if each.kind == kind and bool(each.reason) == hollow]
            values = [[abs(each.goodness(name)) if name in FITNESSES and FITNESSES[name] < 0 else each.goodness(name)
                       for each in own] for name in (score, target)]  # fmt: skip
            _marks(axes, values[0], values[1], colour, marker, hollow)


def _marks(axes: Axes, across, up, colour: str, marker: str, hollow: bool) -> None:
    size = 70 if marker == "*" else 22
    axes.scatter(
        across, up, s=size, marker=marker, facecolors="none" if hollow else colour, edgecolors=colour,
        linewidths=0.9, alpha=0.8, zorder=4 if marker == "*" else 3,
    )  # fmt: skip


def _untrained(axes: Axes, world: World, score: str, target: str) -> None:
    """Dotted lines at the untrained tower."""
    if score == target:
        return
    for draw, name in ((axes.axvline, score), (axes.axhline, target)):
        if name in world.untrained:
            draw(world.untrained[name], color=GREY, linewidth=0.8, linestyle=":", zorder=1)


def _note(axes: Axes, world: World, score: str, target: str) -> None:
    values = {"r": pearson(world.first, score, target)[0], "ρ": spearman(world.first, score, target)[0]}
    axes.set_title(",  ".join(f"{symbol} = {value:.2f}" for symbol, value in values.items()), fontsize=style.LABEL)


def _finish(figure: Figure, with_untrained: bool) -> None:
    from matplotlib.lines import Line2D

    handles: List[Line2D] = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=kind)
        for kind, (colour, marker) in KINDS.items()
    ]
    handles.append(
        Line2D(
            [], [], linestyle="", marker="o", markerfacecolor="none", markeredgecolor=GREY, label="stopped by the gate"
        )
    )
    if with_untrained:
        handles.append(Line2D([], [], linestyle=":", color=GREY, label="untrained tower"))
    style.legend_below(figure, {str(each.get_label()): each for each in handles}, columns=len(handles))
