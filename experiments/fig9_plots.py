"""The plots of Fig. 9: each fitness against accuracy, by value and by rank."""

import math
from typing import List

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import rank_statistics
from experiments.fig9_analysis import FITNESSES, TARGETS, World, pearson, spearman

# Colour and marker of a kind of loss; colours of Okabe and Ito, told apart with any colour vision.
KINDS = {"uniform": ("#0072b2", "o"), "sparse": ("#d55e00", "^"), "single": ("#009e73", "s"), "ones": ("#000000", "*")}
LABELS = {
    "gain": "predictability (gain in R²)",
    "zipf": "Zipf, literal (nats, less is better)",
    "zipf_scale_free": "Zipf, scale-free (nats, less is better)",
    "agreement": "agreement (NMI)",
    "agreement_adjusted": "agreement, adjusted (AMI)",
    "weak": "ELo-weak (accuracy)",
    "true/kmeans": "k-means accuracy",
    "true/linear": "1-layer accuracy",
}
_GREY = "#8a8a8a"


def scatter(world: World) -> Figure:
    """A column a fitness, a row what it is held against; the good end of every axis is right or top."""
    figure = Figure(figsize=(2.5 * len(world.fitnesses) + 0.6, 2.5 * len(TARGETS) + 1.0), layout="constrained")
    panels = figure.subplots(len(TARGETS), len(world.fitnesses), squeeze=False, sharex="col", sharey="row")
    for row, target in enumerate(TARGETS):
        for column, score in enumerate(world.fitnesses):
            axes = panels[row, column]
            if score == target:
                axes.text(0.5, 0.5, "the same", transform=axes.transAxes, ha="center", va="center", color=_GREY)
            else:
                _points(axes, world, score, target)
                _note(axes, world, score, target)
            if FITNESSES[score] < 0 and row == 0:
                axes.invert_xaxis()  # Shared by the column.
            if column == 0:
                axes.set_ylabel(LABELS[target])
            if row == len(TARGETS) - 1:
                axes.set_xlabel(LABELS[score])
            _untrained(axes, world, score, target)
    _finish(figure, f"Fitness of losses against labels, world {world.name}", with_untrained=True)
    return figure


def rankings(world: World) -> Figure:
    """Rank by each fitness against rank by 1-layer accuracy; a fitness that orders as labels do gives the diagonal."""
    figure = Figure(figsize=(2.5 * len(world.fitnesses) + 0.6, 3.6), layout="constrained")
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
        axes.plot([0, limit], [0, limit], color=_GREY, linewidth=0.8, linestyle="--", zorder=1)
        axes.set(xlim=(1.03 * limit, -0.03 * limit), ylim=(1.03 * limit, -0.03 * limit), aspect="equal")
        axes.set_xlabel(f"rank by {LABELS[score].split(' (')[0]}")
        axes.spines[["top", "right"]].set_visible(False)
        found = spearman(own, score, "true/linear")
        axes.set_title("ρ = {:.2f} [{:.2f}, {:.2f}]".format(*found), fontsize=9)
    panels[0].set_ylabel("rank by 1-layer accuracy")
    _finish(figure, f"Order of losses by fitness and by labels (1 is best), world {world.name}", with_untrained=False)
    return figure


def _points(axes: Axes, world: World, score: str, target: str) -> None:
    for kind, (colour, marker) in KINDS.items():
        for hollow in (False, True):
            own = [each for each in world.first if each.kind == kind and bool(each.reason) == hollow]
            values = [[abs(each.goodness(name)) if name in FITNESSES and FITNESSES[name] < 0 else each.goodness(name)
                       for each in own] for name in (score, target)]  # fmt: skip
            _marks(axes, values[0], values[1], colour, marker, hollow)
    axes.spines[["top", "right"]].set_visible(False)


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
            draw(world.untrained[name], color=_GREY, linewidth=0.8, linestyle=":", zorder=1)


def _note(axes: Axes, world: World, score: str, target: str) -> None:
    values = {"r": pearson(world.first, score, target)[0], "ρ": spearman(world.first, score, target)[0]}
    axes.set_title(",  ".join(f"{symbol} = {value:.2f}" for symbol, value in values.items()), fontsize=9)


def _finish(figure: Figure, title: str, with_untrained: bool) -> None:
    from matplotlib.lines import Line2D

    handles: List[Line2D] = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=kind)
        for kind, (colour, marker) in KINDS.items()
    ]
    handles.append(
        Line2D(
            [], [], linestyle="", marker="o", markerfacecolor="none", markeredgecolor=_GREY, label="stopped by the gate"
        )
    )
    if with_untrained:
        handles.append(Line2D([], [], linestyle=":", color=_GREY, label="untrained tower"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=12)
