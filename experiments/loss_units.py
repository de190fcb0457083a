"""Which terms can λ in [0,1] select, if it weighs values, and if it weighs gradients (`--loss_units=gradient`)?

    python -m experiments.loss_units --world=second:31:0 --seeds=3 --folder=DIR
    python -m experiments.loss_units --smoke             one small world, one seed, less than a minute; no results

At the initial weights, for each term: its value, the norm of its gradient in the RGB tower, and the share of that
gradient that it holds in losses with λ drawn uniformly from [0,1] (2000 a seed), in both units. A term whose share
stays near zero whatever its λ cannot be chosen by the search, only ignored; one that always holds most cannot be left
out but by a λ near 0. A few batches are measured, so the first videos of a world are enough.

Hardware: 2 cores (AVX-512), a few minutes besides the rendering.
Obtained with three seeds (results/version_0.1/loss_units.md): gradients differ 18-fold. In units of the value the
largest share is .13 in the median loss, in units of the gradient .07; in neither do terms stay below 1 % in 95 % of the
losses. Before deep_cluster and local_aggregation were scaled down (experiments/clustering_terms.py) gradients differed
143-fold, deep_cluster held .44 of the RGB gradient in the median loss, and align of grey and of flow stayed below 1 %.
"""

import dataclasses
import os
import pathlib
import platform
import tempfile
from typing import Dict, List, Sequence

import numpy as np

from elo_tf.config import Checked, InputError, from_flags, setting
from elo_tf.runtime import command_line
from experiments import markdown, result_files, training, worlds


@dataclasses.dataclass(frozen=True)
class UnitsConfig(Checked):
    """The flags of this experiment."""

    world: str = setting("second:31:0", "world to measure on, LIST:SEED:NUISANCE")
    seeds: int = setting(3, "first weights to measure at", low=1)
    videos: int = setting(200, "unlabelled videos of the world", low=16)
    folder: str = setting("", "folder of the world; a rerun reuses it", path=True)
    results: str = setting("experiments/results", "folder of the table", path=True)
    smoke: bool = setting(False, "a few videos and terms, one seed; writes no results")


DRAWS = 2000
BATCHES = 4


def measure(records: str, seed: int, patterns: Sequence[str] = ("*",)) -> Dict[str, Dict[str, float]]:
    """name -> `value` and `gradient`, its norm in the RGB tower, at the weights of a seed; means over a few batches."""
    import tensorflow as tf

    from elo_tf.data.reader import Reader, clip_sizes
    from elo_tf.data.records import Manifest
    from elo_tf.model.elo_model import EloModel
    from elo_tf.model.gradients import GradientNorms

    tf.keras.utils.set_random_seed(seed)
    manifest = Manifest.load(records)
    model = EloModel(training.select(patterns), clip_sizes(manifest, training.DATA), training.BACKBONE)
    batches = list(Reader.of(manifest, "train", model.needs, training.DATA).training(seed).take(BATCHES))
    losses = tf.function(lambda clips: model.compute_losses(clips, training=True), autograph=False)
    model.compute_losses(batches[0])
    values = [losses(clips) for clips in batches]
    norms = GradientNorms(model)
    gradients = [norms.measure(clips) for clips in batches]
    return {
        name: {
            "value": float(np.mean([each[name] for each in values])),
            "gradient": float(np.mean([each[name]["rgb"] for each in gradients])),
        }
        for name in model.objective.names
    }


def shares(gradients: np.ndarray, seed: int) -> Dict[str, np.ndarray]:
    """Shares of the terms in the RGB gradient of random losses, [DRAWS,G] for each kind of unit.

    Args:
      gradients: [G] norms, 0 for terms that do not reach the RGB tower.
      seed: Of the lambdas.
    """
    lambdas = np.random.default_rng(seed).random((DRAWS, len(gradients)))
    pulls = {"value": lambdas * gradients, "gradient": lambdas * (gradients > 0)}
    return {unit: pull / pull.sum(axis=1, keepdims=True) for unit, pull in pulls.items()}


def table(measured: List[Dict[str, Dict[str, float]]]) -> str:
    """A Markdown table of the terms that reach the RGB tower, and what follows from it."""
    names = [name for name in measured[0] if measured[0][name]["gradient"] > 0]
    gradients = np.array([[each[name]["gradient"] for name in names] for each in measured])  # [seeds, G]
    values = np.array([[each[name]["value"] for name in names] for each in measured])
    drawn = [shares(row, seed) for seed, row in enumerate(gradients)]
    of_unit = {unit: np.concatenate([each[unit] for each in drawn]) for unit in ("value", "gradient")}
    shown = [f"share, {unit} units: median, 95 %" for unit in of_unit]
    lines = markdown.head(["term", "value", "gradient in RGB", *shown])
    for index, name in enumerate(names):
        cells = [
            f"{np.quantile(of_unit[unit][:, index], 0.5):.3f}, {np.quantile(of_unit[unit][:, index], 0.95):.3f}"
            for unit in ("value", "gradient")
        ]
        gradient = f"{gradients[:, index].mean():.3g} ± {gradients[:, index].std(ddof=len(gradients) > 1):.2g}"
        lines.append(markdown.row([name, f"{values[:, index].mean():.2f}", gradient, *cells]))
    ratio = gradients.mean(0).max() / gradients.mean(0).min()
    facts = [f"Largest over smallest gradient: {ratio:.0f}."]
    for unit, part in of_unit.items():
        silent = [name for name, high in zip(names, np.quantile(part, 0.95, axis=0)) if high < 0.01]
        facts.append(
            f"In units of the {unit}: the largest share is {np.median(part.max(1)):.2f} in the median loss; "
            f"{len(silent)} of {len(names)} terms stay below 1 % in 95 % of the losses"
            + (f" ({', '.join(silent)})." if silent else ".")
        )
    return "\n".join([*lines, "", *facts]) + "\n"


def write_results(text: str, measured: List[Dict[str, Dict[str, float]]], config: UnitsConfig) -> None:
    """The table and its numbers, with the command that made them."""
    about = {
        "command": f"python -m experiments.loss_units --world={config.world} --seeds={config.seeds} --folder=DIR",
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
        "batches": f"{BATCHES} of {training.DATA.batch_size} clips a seed",
        "losses": f"{DRAWS} a seed",
    }
    stem = pathlib.Path(config.results, "loss_units")
    result_files.write(stem, "Units of the losses", about, text, {"seeds": measured})


def main() -> None:
    config = from_flags(UnitsConfig)
    if not config.smoke and not config.folder:
        raise InputError("--folder is missing; name a folder where the world is kept")
    videos = 48 if config.smoke else config.videos
    world = worlds.settings(config.world, world=videos, labelled_per_class=2)  # Labels are not read.
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary if config.smoke else config.folder) / worlds.slug(world)
        records = worlds.prepare(world, folder, os.cpu_count(), ["unlabelled"])
        patterns, seeds = (["rgb/*"], 1) if config.smoke else (["*"], config.seeds)
        measured = [measure(str(records / "unlabelled"), seed, patterns) for seed in range(seeds)]
    text = table(measured)
    print(text)
    if not config.smoke:
        write_results(text, measured, config)


if __name__ == "__main__":
    command_line.run(main, __doc__, [UnitsConfig])
