"""Evolve the weights of the loss, learn them by gradient, balance them by a rule, or leave them equal?

    python -m experiments.weightings --folder=DIR [--worlds=main:301,second:302 --seeds=3 --clips=20000]
    python -m experiments.weightings --folder=DIR --evolved=SEARCH/evolved_loss.json     with losses of searches
    python -m experiments.weightings --smoke                                             two short runs; no results

Every row trains the same towers from the same first weights by the ten `fast` terms (`learning_speed`), for the same
number of clips of the same videos, and differs in the weights of the terms alone:

- *equal*: 1 each. *random*: a loss a seed, uniform in [0,1].
- *rlw*, *uncertainty*, *dwa*, *gradnorm*, *pcgrad*: weights that a published rule sets while the towers train.
- *λ by gradient*: learned in one training by the slope of an objective on held-out clips, averaged over its second
  half, then fixed in a second training from fresh weights: that one is measured. *While learning* is the first.
- *evolved*: λ of loss files, fixed.

Accuracy is measured on labelled videos as in `learning_speed`. A quarter of the unlabelled videos is held out, for all
rows, of which λ by gradient alone makes use. What finding λ takes is stated in trainings of this length.

Hardware: 2 cores, a run a core. Hours and figures: results/weightings_*.md.
"""

import dataclasses
import functools
import math
import pathlib
import tempfile
import zlib
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from elo_tf.config import Checked, DataConfig, InputError, TrainConfig, WeightingConfig, from_flags, setting
from elo_tf.runtime import command_line
from experiments import jobs, markdown, result_files, search_flags, training, weighted_training, worlds
from experiments.learning_speed import FAST
from experiments.rows import matching
from experiments.weighted_training import Job

UNTRAINED, LABELS, EQUAL, RANDOM, EVOLVED = "untrained", "labels", "equal", "random", "evolved"
DATA = dataclasses.replace(training.DATA, frames=DataConfig().frames)
RULES = ("rlw", "uncertainty", "dwa", "gradnorm", "pcgrad")
LEARNED = {
    "λ by gradient, predictability": WeightingConfig(learn_lambdas="lookahead"),
    "λ by gradient, zipf": WeightingConfig(learn_lambdas="lookahead", lambda_objective="zipf"),
    "λ by gradient, flow alone": WeightingConfig(learn_lambdas="lookahead", lambda_targets=("flow",)),
}
# Row -> how its terms are weighed; None where weights are fixed.
ROWS: Dict[str, Optional[WeightingConfig]] = {
    UNTRAINED: None,
    LABELS: None,
    EQUAL: None,
    RANDOM: None,
    **{name: WeightingConfig(weighting=name, lambda_every=10) for name in RULES},
    **LEARNED,
}


@dataclasses.dataclass(frozen=True)
class WeightingsConfig(Checked):
    """The flags of this experiment."""

    worlds: Tuple[str, ...] = setting(("main:301", "second:302"), "LIST:SEED or LIST:SEED:NUISANCE")
    rows: Tuple[str, ...] = setting(("*",), "rows to run: names or patterns")
    tasks: Tuple[str, ...] = setting(FAST, "terms of the loss, names or patterns")
    evolved: Tuple[str, ...] = setting((), "loss files of searches over the same terms, a row each", path=True)
    seeds: int = setting(3, "runs of each row on each world", low=1)
    clips: int = setting(20000, "clips of a training", low=1000)
    videos: int = setting(2000, "unlabelled videos of a world, a quarter of them held out", low=32)
    lambda_clips: int = setting(256, "held-out clips of an update of learned λ", low=8)
    title: str = setting("", "end of the names of the results; empty is the worlds'")
    folder: str = setting("", "folder of worlds and finished runs; a rerun reuses them", path=True)
    results: str = setting("experiments/results", "folder of the table, the numbers and the figure", path=True)
    processes: int = setting(2, "runs at a time", low=1)
    smoke: bool = setting(False, "a few videos and steps; shows that it runs, writes no results")


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
      name: Of the row.
      weighting: How its terms are weighed; None where weights are fixed.
      lambdas: Fixed weights by name, of a loss file; None without.
      trainings: What finding λ has taken, in trainings of the experiment's length; NaN where it is measured.
    """

    name: str
    weighting: Optional[WeightingConfig] = None
    lambdas: Optional[Dict[str, float]] = None
    trainings: float = 0.0


def make_rows(config: WeightingsConfig, names: Sequence[str]) -> List[Row]:
    """The rows asked for, in the order of the table.

    Raises:
      InputError: a pattern matches none, or a loss file is of other terms.
    """
    rows = []
    for name, weighting in ROWS.items():
        if weighting and weighting.learn_lambdas:
            weighting = dataclasses.replace(weighting, lambda_clips=config.lambda_clips)
        rows.append(Row(name, weighting, trainings=math.nan if name in LEARNED else 0.0))
    rows += [_evolved(path, names, config.clips) for path in config.evolved]
    wanted = matching([row.name for row in rows], config.rows)
    return [row for row in rows if row.name in wanted]


def _evolved(path: str, names: Sequence[str], clips: int) -> Row:
    from elo_tf.model.objective import load_loss, read_loss

    loss, content = load_loss(pathlib.Path(path), names), read_loss(pathlib.Path(path)).content
    if loss.units is not None:
        raise InputError(f"--evolved={path} has lambdas for --loss_units=gradient; give one for values")
    steps = content.get("training_steps", math.nan)
    name = f"{EVOLVED}, {pathlib.Path(path).parent.name}"
    return Row(name, None, dict(zip(names, loss.lambdas.tolist())), steps * DATA.batch_size / clips)


def make_job(row: Row, names: Sequence[str], seed: int, world: str, config: WeightingsConfig) -> Job:
    """The run of a row."""
    lambdas: Tuple[float, ...] = ()
    if row.lambdas:
        lambdas = tuple(row.lambdas[name] for name in names)
    elif row.name == RANDOM:
        lambdas = tuple(np.random.default_rng([seed, zlib.crc32(world.encode())]).random(len(names)).tolist())
    return Job(
        world,
        row.name,
        () if row.name in (UNTRAINED, LABELS) else tuple(names),
        row.name == LABELS,
        seed,
        config.videos,
        worlds.LABELLED_PER_CLASS,
        TrainConfig(steps=1 if row.name == UNTRAINED else config.clips // DATA.batch_size),
        # Few labelled videos are learned by their colours, unless these vary (`learning_speed.OWN`).
        data=dataclasses.replace(DATA, color_jitter=0.4) if row.name == LABELS else DATA,
        lambdas=lambdas,
        weighting=row.weighting,
    )


def table(rows: Sequence[Row], results: Dict[str, List[Dict[str, Any]]]) -> str:
    """A Markdown table, a line a row; results by the name of the row."""
    head = ["", "runs", "1-layer", "k-means", "1-layer while learning", "a step, of a plain one", "trainings to find λ"]
    lines = markdown.head(head)
    for row in rows:
        runs = [result for result in results.get(row.name, []) if "linear" in result]
        if not runs:
            continue
        costs = [run["cost"] for run in runs if math.isfinite(run.get("cost", math.nan))]
        cost = float(np.mean(costs)) if costs else 1.0  # Rules that look at values alone cost next to nothing.
        found = cost if row.name in LEARNED else row.trainings
        cells = [row.name, str(len(runs)), _spread(runs, "linear"), _spread(runs, "kmeans"),
                 _spread(runs, "while_learning"), f"{cost:.2f}", f"{found:.3g}"]  # fmt: skip
        lines.append(markdown.row(cells))
    return "\n".join([*lines, "", "± is the standard error over runs."]) + "\n"


def _spread(runs: Sequence[Dict[str, Any]], measure: str) -> str:
    values = [run[measure] for run in runs if measure in run]
    if not values:
        return ""
    error = f" ± {np.std(values, ddof=1) / math.sqrt(len(values)):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{error}"


def publish(config: WeightingsConfig, record: jobs.Record, rows: Sequence[Row], names: Sequence[str]) -> str:
    """Writes the table, numbers and figure of what is recorded; returns the table."""
    from experiments import weightings_plots

    results: Dict[str, List[Dict[str, Any]]] = {}
    for row in rows:
        for world in config.worlds:
            for seed in range(config.seeds):
                job = make_job(row, names, seed, world, config)
                if job in record:
                    facts = {"world": world, "seed": seed, **record[job]}
                    results.setdefault(row.name, []).append(facts)
    text = table(rows, results)
    if config.smoke or not results:
        return text
    stem = pathlib.Path(config.results, f"weightings_{config.title or '_'.join(config.worlds).replace(':', '-')}")
    every = [result for runs in results.values() for result in runs]
    about = {
        **search_flags.head("weightings"),
        "worlds": ", ".join(config.worlds),
        "terms": ", ".join(names),
        "budget": f"{config.clips} clips a training",
        "cost": f"{sum(result['seconds'] for result in every) / 3600:.1f} core-hours, {len(every)} runs",
    }
    result_files.write(stem, "Evolve, descend, balance, or leave equal?", about, text, {"rows": results})
    learned = {name: [run["lambdas"] for run in runs if "lambdas" in run] for name, runs in results.items()}
    weightings_plots.weights_found(learned, names).savefig(f"{stem}.png", dpi=110)
    return text


def main() -> None:
    config = from_flags(WeightingsConfig)
    if config.smoke:
        config = dataclasses.replace(
            config, worlds=("third:21:0.2",), rows=(EQUAL, "λ by gradient, predictability"), seeds=1, clips=1000,
            videos=48, lambda_clips=16, tasks=("rgb/shuffle", "rgb-flow/embed"),
        )  # fmt: skip
    elif not config.folder:
        raise InputError("--folder is missing; name a folder where worlds and finished runs are kept")
    names = [term.name for term in training.select(config.tasks)]
    rows = make_rows(config, names)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(config.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        record = jobs.Record(folder / "weightings.jsonl")
        labelled = 10 if config.smoke else worlds.LABELLED_PER_CLASS
        records = {}
        for name in config.worlds:
            world = worlds.settings(name, world=config.videos, labelled_per_class=labelled)
            place = folder / f"{worlds.slug(world)}-{config.videos}"
            records[name] = worlds.prepare(world, place, config.processes, (weighted_training.SEARCHED, "labelled"))
        # All rows at the first seed, then at the next: what is interrupted has some of everything.
        todo = [
            make_job(row, names, seed, world, config)
            for seed in range(config.seeds)
            for row in rows
            for world in config.worlds
        ]
        for _ in jobs.run(todo, functools.partial(_work, records), record, config.processes):
            publish(config, record, rows, names)
        print(publish(config, record, rows, names))


def _work(records: Dict[str, pathlib.Path], job: Job) -> jobs.Result:
    return weighted_training.run(records[job.world], job)


if __name__ == "__main__":
    command_line.run(main, __doc__, [WeightingsConfig])
