"""Figures of what lies behind a fitness: the health of the features, and the sizes of their clusters.

health.png    what the health gate sees, and what is measured besides, over the rounds
clusters.png  sizes of the clusters of the winner, against Zipf's law
"""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from matplotlib import ticker
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elo_tf.plots import style
from elo_tf.plots.palette import BLUE, GREY, INK, ORANGE
from elo_tf.search.journal.generation import Generation

# Name in `TrialResult.diagnostics` -> title of its panel.
MEASURES = {
    "feature_deviation": "mean s.d. of the features",
    "effective_rank": "effective rank of the features",
    "gain": "gain in R² over untrained",
    "agreement_adjusted": "agreement beyond chance (AMI)",
}

# What became of a candidate -> how it is drawn.
_MARKS: Dict[str, Dict[str, Any]] = {
    "feasible": {"color": GREY, "alpha": 0.6, "linewidths": 0},
    "feasible, trained shorter": {"edgecolors": GREY, "facecolors": "none", "alpha": 0.6, "linewidths": 0.7},
    "infeasible": {"color": ORANGE, "marker": "x", "linewidths": 1},
}


def health_over_rounds(
    generations: Sequence[Generation], untrained: Mapping[str, float], gate: Mapping[str, float]
) -> Figure:
    """Diagnostics of every candidate, a panel each: feasible ones a dot, infeasible ones a cross, medians a line.

    With rungs, feasible ones that were trained shorter are circles, and medians are of those trained in full: what a
    tower shows depends on how long it was trained.

    Args:
      generations: Of the search.
      untrained: Diagnostics of the untrained tower, by name; a level that is not there is not drawn.
      gate: Least value that the health gate asks for, by name of the diagnostic.
    """
    figure = style.new_figure(5.0, "Health of the features")
    panels = figure.subplots(2, 2, sharex=True).ravel()
    for axes, (name, title) in zip(panels, MEASURES.items()):
        style.tidy(axes, title=title)
        if _draw_measure(axes, generations, name):
            _draw_levels(axes, name, untrained, gate)
        else:
            axes.set_yticks([])
            axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=GREY, fontsize=style.LABEL)
    panels[0].set_xlim(-0.7, len(generations) - 0.3)
    for axes in panels[2:]:
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, nbins=8))
        axes.set_xlabel("round (generation)", fontsize=style.LABEL)
    entries: Dict[str, Artist] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        entries.update(zip(labels, handles))
    if entries:
        style.legend_below(figure, entries, columns=3)
    return figure


def sizes_of_clusters(sizes: np.ndarray, deviations: np.ndarray, exponent: float) -> Figure:
    """Share of the clips in each cluster by rank, against Zipf's law, both axes logarithmic.

    Args:
      sizes: [K], descending, mean over the restarts.
      deviations: [K], standard deviation over the restarts.
      exponent: s of Zipf's law, Eq. 5.
    """
    ranks, law = np.arange(1, len(sizes) + 1), zipf_shares(len(sizes), exponent)
    figure = style.new_figure(3.9, "Sizes of the clusters of the winner")
    axes = figure.add_subplot()
    # A logarithmic axis has no place for 0: the band ends at the least size that is drawn.
    floor = 0.5 * min(sizes[sizes > 0].min(), law.min())
    axes.fill_between(
        ranks, np.maximum(sizes - deviations, floor), sizes + deviations, color=BLUE, alpha=0.2, linewidth=0
    )
    axes.plot(ranks, sizes, color=BLUE, marker="o", markersize=3, linewidth=1.4, label="clusters, mean ± s.d.")
    axes.plot(ranks, law, color=INK, linestyle="--", linewidth=1.2, label=f"Zipf's law, exponent {exponent:g}")
    axes.axhline(1 / len(sizes), color=GREY, linestyle=":", linewidth=1.2, label="all equal (a collapsed tower)")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(floor, None)
    marks = [rank for rank in (1, 2, 3, 5, 10, 20, 50, 100, 200, 400, 1000) if rank <= len(sizes)]
    axes.set_xticks(marks, [str(rank) for rank in marks])
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    # 1, 2 and 5 of each power of ten.
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    style.tidy(axes, "rank of the cluster", "share of the clips")
    axes.legend(frameon=False, fontsize=style.LABEL)
    return figure


def zipf_shares(clusters: int, exponent: float) -> np.ndarray:
    """[K], the share of each of K clusters by Zipf's law with exponent s (Eq. 5), the biggest first."""
    weights = np.arange(1, clusters + 1) ** -float(exponent)
    return weights / weights.sum()


def trained_in_full(generation: Generation, name: str) -> List[float]:
    """A diagnostic of the candidates of a round whose longest training was the full one, feasible or not."""
    full = generation.rungs.steps[-1]
    return [
        result.diagnostics[name]
        for result in generation.results
        if result is not None and result.steps == full and name in result.diagnostics
    ]


def _draw_measure(axes: Axes, generations: Sequence[Generation], name: str) -> bool:
    """One diagnostic of every candidate; returns whether any has it."""
    found: Dict[str, List[Tuple[float, float]]] = {label: [] for label in _MARKS}
    rounds, medians = [], []
    for generation in generations:
        offsets = np.linspace(-0.3, 0.3, len(generation.results)) if len(generation.results) > 1 else [0.0]
        results = zip(offsets, generation.results)
        told = [(offset, each) for offset, each in results if each is not None and name in each.diagnostics]
        full = generation.rungs.steps[-1]
        for offset, result in told:
            feasible = "feasible" if result.steps == full else "feasible, trained shorter"
            label = "infeasible" if result.value is None else feasible
            found[label].append((generation.index + offset, result.diagnostics[name]))
        in_full = trained_in_full(generation, name)
        if in_full:
            rounds.append(generation.index)
            medians.append(np.median(in_full))
    size = np.clip(400 / len(generations), 4, 18)
    for label, points in found.items():
        if points:
            places, values = zip(*points)
            axes.scatter(places, values, s=size, label=label, **_MARKS[label])
    if rounds:
        axes.plot(rounds, medians, color=BLUE, linewidth=1.4, label="median of the round")
    return any(found.values())


def _draw_levels(axes: Axes, name: str, untrained: Mapping[str, float], gate: Mapping[str, float]) -> None:
    if name in untrained:
        axes.axhline(untrained[name], color=INK, linestyle="--", linewidth=1.2, label="untrained tower")
    if name in gate:
        axes.axhline(gate[name], color=ORANGE, linestyle=":", linewidth=1.5, label="health gate")
