"""What does the Zipf score see? Its value for features with planted, fully known clusters.

    python -m experiments.planted_clusters
    python -m experiments.planted_clusters --smoke       two strengths, one seed, few videos; no results

    class of each video, as frequent as Zipf says or all equally -> signal * centre of the class + noise -> the scores
    no class: noise of few or many dimensions                                                            -> the scores

Twelve classes, 1000 videos, 64 dimensions as of the tower `tiny`; noise and centres have the same expected length, and
`signal` weighs the centres. What the features know of the classes is measured as the adjusted mutual information of
their clusters with them. A score that tells how well Zipf's law is met should fall with the signal where classes follow
the law, and stay behind where they do not; one that tells classes at all should not move where there are none.

Hardware: 2 cores, a few minutes; no training.
Obtained (K = 25): noise .432, features whose clusters share .10 with the classes .432, .38 with them .427, .80 with
them .335, and noise of two dimensions .296. Classes that are all equally frequent end at .16 to .17, those as frequent
as Zipf says at .19 to .20; with K = 12, the number of the classes, at .212 and .061.
"""

import dataclasses
import math
import os
import pathlib
import platform
import typing
from typing import Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from elo_tf.config import Checked, FitnessConfig, from_flags, setting
from elo_tf.plots.palette import BLUE, GREY, ORANGE
from elo_tf.runtime import command_line
from experiments import markdown, result_files

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES = 12
DIMENSIONS = 64
CLUSTERS = (12, 25, 50)  # K
SIGNALS = (0, 0.125, 0.25, 0.375, 0.5, 0.75, 1, 1.5, 2, 4, 8)
RANKS = (2, 4, 8, 16, 64)  # dimensions of noise without classes
SCORES = ("zipf_scale_free", "zipf", "agreement_adjusted")
# Share of each class among the videos, by the name of the law.
LAWS = {
    "Zipf": (1 / np.arange(1, CLASSES + 1)) / (1 / np.arange(1, CLASSES + 1)).sum(),
    "equal": np.full(CLASSES, 1 / CLASSES),
}


@dataclasses.dataclass(frozen=True)
class PlantedConfig(Checked):
    """The flags of this experiment."""

    videos: int = setting(1000, "N, features that are scored", low=64)
    restarts: int = setting(20, "R, k-means runs averaged", low=1)
    seeds: int = setting(5, "draws of classes, centres and noise", low=1)
    results: str = setting("experiments/results", "folder of the table and the figure", path=True)
    smoke: bool = setting(False, "shows that it runs, writes no results")


class Row(NamedTuple):
    """Scores of one kind of features, [seeds] each: with classes by a law and a signal, or noise of a rank."""

    clusters: int
    law: str
    strength: float
    scores: Dict[str, List[float]]


def plant(
    shares: np.ndarray, signal: float, videos: int, generator: np.random.Generator
) -> Tuple[np.ndarray, np.ndarray]:
    """Features with known classes: [N,D] float32, and the classes [N] int32.

    Args:
      shares: [C], how frequent each class is; sums to 1.
      signal: Weight of the centres, 0 for noise alone.
      videos: N.
      generator: Of classes, centres and noise.
    """
    classes = generator.choice(len(shares), videos, p=shares)
    centres = generator.standard_normal((len(shares), DIMENSIONS)) / math.sqrt(DIMENSIONS)
    noise = generator.standard_normal((videos, DIMENSIONS)) / math.sqrt(DIMENSIONS)
    return (signal * centres[classes] + noise).astype(np.float32), classes.astype(np.int32)


def flat_noise(rank: int, videos: int, generator: np.random.Generator) -> np.ndarray:
    """[N,D] float32, Gaussian within a random subspace of `rank` dimensions: no clusters at all."""
    basis = generator.standard_normal((rank, DIMENSIONS)) / math.sqrt(DIMENSIONS)
    return (generator.standard_normal((videos, rank)) @ basis / math.sqrt(rank)).astype(np.float32)


def measure(config: PlantedConfig, counts: Sequence[int], signals: Sequence[float], ranks: Sequence[int]) -> List[Row]:
    """Scores of all kinds of features, for each K of `counts`."""
    from elo_tf.search.fitness.score import Scorer

    rows = []
    for clusters in counts:
        scorer = Scorer(FitnessConfig(fitness="zipf", clusters=clusters, restarts=config.restarts))
        for law, shares in LAWS.items():
            for signal in signals:
                drawn = [plant(shares, signal, config.videos, each) for each in _generators(config)]
                found = [scorer.score(own, seed, classes).diagnostics for seed, (own, classes) in enumerate(drawn)]
                rows.append(Row(clusters, law, signal, {name: [each[name] for each in found] for name in SCORES}))
        for rank in ranks:
            noise = [flat_noise(rank, config.videos, each) for each in _generators(config)]
            found = [scorer.score(each, seed).diagnostics for seed, each in enumerate(noise)]
            rows.append(Row(clusters, "noise", rank, {name: [each[name] for each in found] for name in SCORES[:2]}))
    return rows


def _generators(config: PlantedConfig) -> List[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(config.seeds)]


def table(rows: Sequence[Row]) -> str:
    """Markdown: a table for the planted classes, with a row a signal, and one for noise."""
    lines = []
    for clusters in sorted({row.clusters for row in rows}):
        own = [row for row in rows if row.clusters == clusters]
        head = [f"{law}: {name}" for law in LAWS for name in ("known (AMI)", "scale-free", "as printed")]
        found = {(row.law, row.strength): row.scores for row in own}
        planted = [
            [f"{signal:g}", *(_cell(found[law, signal][name]) for law in LAWS for name in (SCORES[2], *SCORES[:2]))]
            for signal in sorted({row.strength for row in own if row.law in LAWS})
        ]
        noise = [
            [f"{row.strength:g}", *(_cell(row.scores[name]) for name in SCORES[:2])]
            for row in own
            if row.law == "noise"
        ]
        lines += [f"## K = {clusters}", "", *markdown.table(["signal", *head], planted), ""]
        lines += [*markdown.table(["noise of dimensions", "scale-free", "as printed"], noise), ""]
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


def plot(rows: Sequence[Row]) -> "Figure":
    """Score free of scale against what the features know, a panel for each K; noise at the left of it."""
    from elo_tf.plots import style

    counts = sorted({row.clusters for row in rows})
    figure = style.new_figure(3.4, width=max(style.WIDTH, 2.6 * len(counts) + 0.7))
    panels = figure.subplots(1, len(counts), squeeze=False, sharey=True)[0]
    for axes, clusters in zip(panels, counts):
        for law, colour in zip(LAWS, (BLUE, ORANGE)):
            own = [row for row in rows if (row.clusters, row.law) == (clusters, law)]
            known, value = (np.array([row.scores[name] for row in own]) for name in ("agreement_adjusted", SCORES[0]))
            axes.errorbar(
                known.mean(1), value.mean(1), value.std(1), color=colour, marker="o", markersize=3, capsize=2,
                linewidth=1.4,
                label={"Zipf": "class sizes by Zipf's law", "equal": "classes of one size"}[law],
            )  # fmt: skip
        noise = [row for row in rows if (row.clusters, row.law) == (clusters, "noise")]
        heights = [float(np.mean(row.scores[SCORES[0]])) for row in noise]
        label = f"noise of {', '.join(f'{row.strength:g}' for row in noise)} dimensions, the fewest lowest"
        axes.plot([-0.1] * len(noise), heights, color=GREY, marker="_", markersize=14, linestyle="", label=label)
        style.tidy(axes, "agreement with the classes (AMI)", title=f"K = {clusters}")
    panels[0].set_ylabel("Zipf score, free of scale\n(nats, less is better)", fontsize=style.LABEL)
    handles, labels = panels[0].get_legend_handles_labels()
    style.legend_below(figure, dict(zip(labels, handles)), columns=3)
    return figure


def main() -> None:
    from elo_tf.plots.files import save

    config = from_flags(PlantedConfig)
    if config.smoke:
        small = dataclasses.replace(config, videos=64, restarts=2, seeds=1)
        print(table(measure(small, counts=(3,), signals=(0, 4), ranks=(2,))))
        return
    rows = measure(config, CLUSTERS, SIGNALS, RANKS)
    text = table(rows)
    print(text)
    stem = pathlib.Path(config.results, "planted_clusters")
    about = {
        "command": "python -m experiments.planted_clusters",
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
        "draws": f"{config.seeds} of each kind of {config.videos} features, {config.restarts} runs of k-means each",
    }
    result_files.write(stem, "What the Zipf score sees", about, text, {"rows": [row._asdict() for row in rows]})
    save(plot(rows), stem.with_suffix(".png"))


if __name__ == "__main__":
    command_line.run(main, __doc__, [PlantedConfig])
