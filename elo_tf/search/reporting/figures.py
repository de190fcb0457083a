"""The figures of a search, drawn from its journal alone.

lambdas.png    λ over the rounds, as Fig. 3 of the paper
fitness.png    fitness over the rounds
best_loss.png  λ of the best candidate, modality by task, as Fig. 8
descents.png   λ over the steps of the first descent, with --strategy=gradient
"""

import math
import pathlib
from typing import Any, List, Mapping, Optional, Sequence, Union

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elo_tf.data.clips import MODALITIES
from elo_tf.plots import style
from elo_tf.plots.files import save
from elo_tf.plots.lambda_map import lambda_map
from elo_tf.plots.palette import BLUE, GREY, INK, MAP, ORANGE
from elo_tf.search.journal import notes
from elo_tf.search.journal.generation import Generation
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.reporting.findings import Standing, ties, winner
from elo_tf.search.reporting.quantity import quantity_of

# Up to here single rounds can be told apart on paper, and get gaps, error bars and numbers.
_FEW_ROUNDS = 60
# Up to so many tasks a field of the best loss has room for its code.
_WIDE_FIELDS = 8
# Drawn only of a search with --strategy=gradient.
FIRST_DESCENT = "descents.png"


def draw_all(
    journal: Union[Journal, str, pathlib.Path], directory: Union[str, pathlib.Path], codes: Mapping[str, str]
) -> List[pathlib.Path]:
    """Draws all figures of a search; each replaces its file at once.

    Args:
      journal: Of the search, or its path.
      directory: Where the figures go; made where it does not exist.
      codes: Short form of each λ's name, such as `{"rgb/shuffle": "R-S"}`; a name without one stands for itself.

    Returns:
      The files; none before the first generation has been asked for.
    """
    if not isinstance(journal, Journal):
        journal = Journal.read(str(journal))
    generations, names = journal.generations(), journal.names
    if not generations:
        return []
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    codes = {name: codes.get(name, name) for name in names}
    figures = {
        "lambdas.png": lambdas_over_rounds(generations, names, codes),
        "fitness.png": fitness_over_rounds(generations, quantity_of(journal.header).title),
        "best_loss.png": best_loss(winner(journal), names, codes),
    }
    learned = notes.descents(journal.notes)
    if learned:
        figures[FIRST_DESCENT] = lambdas_over_steps(learned[0], names, codes)
    return [save(figure, directory / name) for name, figure in figures.items()]


def lambdas_over_rounds(generations: Sequence[Generation], names: Sequence[str], codes: Mapping[str, str]) -> Figure:
    """Mean λ of each round's candidates, a row a λ, rows grouped by modality (Fig. 3)."""
    means = np.array([generation.lambdas.mean(axis=0) for generation in generations]).T  # [G, rounds]
    figure = lambda_map(
        means,
        np.arange(means.shape[1] + 1) - 0.5,
        names,
        codes,
        tuple(MODALITIES),
        "mean λ",
        "round (generation)",
        "Evolution of the loss weights",
    )
    # Shared by all panels.
    figure.axes[0].xaxis.set_major_locator(ticker.MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    return figure


def lambdas_over_steps(descent: Mapping[str, Any], names: Sequence[str], codes: Mapping[str, str]) -> Figure:
    """λ over the steps of a training that learned them (`--strategy=gradient`), as Fig. 3."""
    steps, values, _ = zip(*descent["path"])
    edges = np.append(steps, descent["steps"])
    title, across = "Loss weights while they are learned", "step of the first descent"
    return lambda_map(np.array(values).T, edges, names, codes, tuple(MODALITIES), "λ", across, title)


def fitness_over_rounds(generations: Sequence[Generation], title: str) -> Figure:
    """Every candidate trained in full a dot with its standard error, the best so far a line, mean and s.d. of a round.

    Candidates of one round are spread sideways, so that equal values stay visible side by side. Those that cannot be
    told from the best have a ring. Infeasible ones have no value: a strip along the top edge has their number.

    Args:
      generations: Of the search.
      title: Of the values.
    """
    full = [[result for result in generation.full_results if result] for generation in generations]
    feasible = [[result for result in results if result.value is not None] for results in full]
    failed = [sum(each is not None and each.value is None for each in generation.results) for generation in generations]
    figure = style.new_figure(4.6, "Fitness of the candidates (lower is better)")
    if any(failed):
        strip, axes = figure.subplots(2, 1, sharex=True, height_ratios=[1, 8])
        _draw_infeasible(strip, failed)
    else:
        axes = figure.add_subplot()
    if any(feasible):
        _draw_candidates(axes, feasible)
        _draw_summary(axes, [np.array([result.value for result in results]) for results in feasible])
        handles, labels = axes.get_legend_handles_labels()
        style.legend_below(figure, dict(zip(labels, handles)), columns=2)
    else:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no candidate has a value so far", transform=axes.transAxes, ha="center", color=GREY,
                  fontsize=style.LABEL)  # fmt: skip
    axes.set_xlim(-0.7, len(generations) - 0.3)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
    style.tidy(axes, "round (generation)", title)
    return figure


def best_loss(best: Optional[Standing], names: Sequence[str], codes: Mapping[str, str]) -> Figure:
    """λ of the winner so far, a modality a row and a task a column (Fig. 8)."""
    parts = [name.partition("/")[::2] for name in names]
    rows = list(dict.fromkeys(modality for modality, _ in parts))
    columns = sorted({task for _, task in parts})
    title = (
        f"Best loss: candidate {best.candidate}, fitness {best.value:.4g}" if best else "No feasible candidate so far"
    )
    wide = len(columns) <= _WIDE_FIELDS
    figure = style.new_figure((0.42 if wide else 0.26) * len(rows) + 1.9, title)
    axes = figure.add_subplot()
    grid = np.full((len(rows), len(columns)), np.nan)
    for index, (modality, task) in enumerate(parts):
        row, column = rows.index(modality), columns.index(task)
        text, colour = codes[names[index]] if wide else "", "black"
        if best:
            grid[row, column] = best.lambdas[index]
            text = f"{text}\n{best.lambdas[index]:.2f}".strip()
            colour = "white" if best.lambdas[index] < 0.6 else "black"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=style.TICK if wide else style.TICK - 1,
            color=colour,
            linespacing=1.1,
        )
    edges = np.arange(len(columns) + 1) - 0.5, np.arange(len(rows) + 1) - 0.5
    image = axes.pcolormesh(*edges, grid, vmin=0.0, vmax=1.0, cmap=MAP, edgecolors="white", linewidth=1.5)
    axes.invert_yaxis()
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor", fontsize=style.TICK)
    axes.set_yticks(range(len(rows)), rows, fontsize=style.TICK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("task", fontsize=style.LABEL)
    axes.set_ylabel("modality", fontsize=style.LABEL)
    style.colour_bar(figure, image, [axes], "λ")
    return figure


def _draw_candidates(axes: Axes, feasible: Sequence[Sequence[TrialResult]]) -> None:
    """A dot a candidate, in the order of the round and spread over 0.6 of its width."""
    sideways = [np.linspace(-0.3, 0.3, len(own)) if len(own) > 1 else np.zeros(len(own)) for own in feasible]
    rounds = np.concatenate([index + offset for index, offset in enumerate(sideways)])
    results = [result for own in feasible for result in own]
    values = np.array([result.value for result in results])
    size, few = np.clip(2000 / len(results), 4, 26), len(feasible) <= _FEW_ROUNDS
    label = "candidate ± s.e." if few else "candidate"
    axes.scatter(rounds, values, s=size, label=label, color=GREY, alpha=0.6, linewidths=0, zorder=2)
    if few:
        errors = [math.nan if result.error is None else result.error for result in results]  # NaN has no bar.
        axes.errorbar(rounds, values, errors, fmt="none", ecolor=GREY, elinewidth=0.8, alpha=0.6, zorder=2)
    tied = ties(results)
    axes.scatter(
        rounds[tied], values[tied], s=2.5 * size, label="the best and its ties",
        facecolors="none", edgecolors=ORANGE, linewidths=1.2, zorder=5,
    )  # fmt: skip


def _draw_summary(axes: Axes, values: Sequence[np.ndarray]) -> None:
    """Mean ± standard deviation of the rounds that have values, and the best value so far."""
    rounds = [index for index, own in enumerate(values) if len(own)]
    means, deviations = (np.array([measure(values[index]) for index in rounds]) for measure in (np.mean, np.std))
    best = np.minimum.accumulate([values[index].min() for index in rounds])
    if len(values) <= _FEW_ROUNDS:
        axes.errorbar(
            rounds, means, deviations, label="mean ± s.d. of the round", zorder=3,
            marker="o", markersize=3, linewidth=1.2, elinewidth=0.8, capsize=2, color=BLUE,
        )  # fmt: skip
    else:
        axes.fill_between(rounds, means - deviations, means + deviations, color=BLUE, alpha=0.25, linewidth=0)
        axes.plot(rounds, means, color=BLUE, linewidth=1.2, label="mean ± s.d. of the round", zorder=3)
    axes.step(rounds, best, where="post", color=ORANGE, linewidth=1.8, label="best so far", zorder=4)


def _draw_infeasible(axes: Axes, failed: Sequence[int]) -> None:
    """A bar a round, as high as it has infeasible candidates; with the number where there is room for it."""
    few = len(failed) <= _FEW_ROUNDS
    bars = axes.bar(range(len(failed)), failed, width=0.6 if few else 1.0, color=INK)
    axes.set_ylim(0, max(failed) * (1.9 if few else 1.05))
    if few:
        axes.bar_label(bars, [str(count or "") for count in failed], fontsize=7, padding=1)
    axes.set_yticks([] if few else [0, max(failed)])
    axes.tick_params(labelbottom=False, bottom=False, labelsize=style.TICK)
    axes.set_ylabel("infeasible", rotation=0, ha="right", va="center", fontsize=style.TICK)
    axes.spines[["top", "right"] + (["left"] if few else [])].set_visible(False)
