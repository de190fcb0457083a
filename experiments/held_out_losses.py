"""What does each term learn on your own videos? Its value on held-out clips before and after training.

    python -m experiments.held_out_losses --records=DIR [--tasks=rgb/* --clips=9600 --seeds=3]
    python -m experiments.held_out_losses --smoke --records=DIR            a few steps; no results

All terms chosen are trained together with weight 1, under the default settings and under those of version 0.1, with as
many clips. A value is the mean over held-out clips, 16 a batch, the same before and after; the table shows what is left
of it after training, so that a number below 1 says that something was learned which holds for other videos. No labels
are needed. Records need videos of 3 seconds and a held-out part of 16 (--holdout_fraction).

Hardware: 2 cores. Figures on 81 real clips: results/held_out_losses.md.
"""

import dataclasses
import pathlib
import tempfile
from typing import Any, Dict, List, Tuple

import numpy as np

from elo_tf.config import Checked, DataConfig, InputError, TaskConfig, TrainConfig, from_flags, setting
from elo_tf.runtime import command_line
from experiments import jobs, learning_speed, markdown, result_files, search_flags, training

SETTINGS = (learning_speed.DEFAULTS, learning_speed.BEFORE)
BATCH = 16  # Of held-out clips.
BATCHES = 8
# Terms that cluster the videos they have seen say nothing of others.
WITHOUT = ("deep_cluster", "local_aggregation")


@dataclasses.dataclass(frozen=True)
class HeldOutConfig(Checked):
    """The flags of this experiment."""

    records: str = setting("", "folder of records with a held-out part")
    tasks: Tuple[str, ...] = setting(("*",), "terms to train: names or patterns")
    clips: int = setting(9600, "clips of a training", low=64)
    seeds: int = setting(3, "trainings under each settings", low=1)
    folder: str = setting("", "folder of finished runs; a rerun reuses them", path=True)
    results: str = setting("experiments/results", "folder of the table and the numbers", path=True)
    processes: int = setting(2, "trainings at a time", low=1)
    smoke: bool = setting(False, "a few steps of two terms; shows that it runs, writes no results")


def make_job(change: learning_speed.Change, seed: int, config: HeldOutConfig) -> training.Job:
    """A training of all terms under the settings of a change."""
    data = dataclasses.replace(DataConfig(crop_size=24, audio_steps=4, mel_bins=16), **dict(change.data))
    steps = max(1, config.clips // data.batch_size)
    terms = tuple(
        term.name for term in training.select(config.tasks) if term.name.rpartition("/")[2] not in WITHOUT
    )  # fmt: skip
    if not terms:
        raise InputError(f"--tasks={','.join(config.tasks)} leaves only terms that cluster the videos they have seen")
    return training.Job(
        config.records, change.name, terms, False, seed, 0, 0, TrainConfig(**{"steps": steps, **dict(change.train)}),
        TaskConfig(**dict(change.task)), data, change.backbone,
    )  # fmt: skip


def run(job: training.Job) -> Dict[str, Any]:
    """Trains; returns the held-out values `before` and `after` by term, or the `reason` of a run that diverged."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(job.seed)
    model, batches = training.build_model(job.world, job)
    before = held_out(model, job)
    try:
        training.train(model, batches, job.train.steps)
    except training.DivergedError as error:
        return {"reason": str(error)}
    return {"before": before, "after": held_out(model, job)}


def held_out(model, job: training.Job) -> Dict[str, float]:
    """The mean of each term over held-out clips, in inference mode."""
    import tensorflow as tf

    from elo_tf.data.reader import Reader

    data = dataclasses.replace(job.data, batch_size=BATCH)
    clips = Reader.open(job.world, "holdout", model.needs, data).training(0).take(BATCHES)
    losses = tf.function(lambda batch: model.compute_losses(batch, training=False), autograph=False)
    values = [{name: float(value) for name, value in losses(batch).items()} for batch in clips]
    return {name: float(np.mean([value[name] for value in values])) for name in values[0]}


def table(results: Dict[str, List[Dict[str, Any]]]) -> str:
    """A Markdown table, a line a term: what is left of its held-out value, mean and range over the seeds."""
    names = list(results)
    whole = {name: [each for each in results[name] if "after" in each] for name in names}
    lines = markdown.head(["term", *names])
    terms = next((runs[0]["before"] for runs in whole.values() if runs), {})
    for term in terms:
        cells = []
        for name in names:
            left = [each["after"][term] / each["before"][term] for each in whole[name]]
            spread = f" ({min(left):.2f} to {max(left):.2f})" if len(left) > 1 else ""
            cells.append(f"{np.mean(left):.2f}{spread}" if left else "diverged")
        lines.append(markdown.row([term, *cells]))
    return "\n".join(lines) + "\n"


def main() -> None:
    config = from_flags(HeldOutConfig)
    if not config.records:
        raise InputError("--records is missing; name a folder of records (python -m elo_tf.prepare)")
    if config.smoke:
        config = dataclasses.replace(config, tasks=("rgb/shuffle", "rgb-flow/embed"), clips=128, seeds=1)
    todo = [make_job(change, seed, config) for seed in range(config.seeds) for change in SETTINGS]
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(config.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        record = jobs.Record(folder / "held_out_losses.jsonl")
        for _ in jobs.run(todo, run, record, config.processes):
            pass
        results = {change.name: [record[job] for job in todo if job.row == change.name] for change in SETTINGS}
    text = table(results)
    print(text)
    if not config.smoke:
        about = {**search_flags.head("held_out_losses"), "budget": f"{config.clips} clips a training"}
        stem = pathlib.Path(config.results, "held_out_losses")
        result_files.write(stem, "What each term learns on real clips", about, text, {"runs": results})


if __name__ == "__main__":
    command_line.run(main, __doc__, [HeldOutConfig])
