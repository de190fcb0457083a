"""How many clips does the RGB tower need to learn something, and what keeps it from learning?

    python -m experiments.learning_speed --part=choose --folder=DIR    one change at a time, where defaults were chosen
    python -m experiments.learning_speed --part=report --folder=DIR    losses, where nothing was chosen
    python -m experiments.learning_speed --smoke                       two short runs; no results

Towers are trained by a loss under the default settings, or with one of them changed (`CHANGES`). While they train, one
layer on the frozen RGB tower is fitted to labelled videos and judged by others. A run has *learned* from the first
measurement on that is at least twice the accuracy of the untrained tower and more than two standard errors above it;
the standard error is that of the difference of two proportions of the held-out videos. Runs that never get there within
the budget count as infinitely long in the median. Random losses are a loss a seed; everything else is the same loss at
each seed, from other first weights and with its clips in another order. Each world has --videos unlabelled videos, and
60 labelled ones a class for the layer, 60 to judge it by.

Hardware: 2 cores, a run a core. Hours and figures: results/learning_speed_*.md.
"""

import dataclasses
import functools
import math
import pathlib
import tempfile
import zlib
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from elo_tf.config import Checked, DataConfig, InputError, TaskConfig, TrainConfig, from_flags, setting
from elo_tf.runtime import command_line
from experiments import jobs, markdown, result_files, search_flags, training, worlds
from experiments.fig9 import draw_losses
from experiments.rows import matching

UNTRAINED, LABELS, EMBED = "untrained", "labels", "rgb-flow/embed"
FAST = (
    "rgb/shuffle", "rgb/backward", "rgb-flow/embed", "rgb-audio/embed", "rgb-flow/align", "rgb-audio/align",
    "flow/distill/stage[34]", "audio/distill/stage[34]",
)  # fmt: skip
RANDOM = "random losses over fast"
ALL = "all 45 terms at 1, 12 frames"
DATA = dataclasses.replace(training.DATA, frames=DataConfig().frames)
# Name -> patterns of the terms, each at lambda 1 but for the random losses; in the order of the tables.
SUBJECTS: Dict[str, Tuple[str, ...]] = {
    UNTRAINED: (),
    LABELS: (),
    EMBED: (EMBED,),
    "rgb/shuffle": ("rgb/shuffle",),
    "flow distilled, teacher learns": ("flow/distill/stage[34]", "flow/shuffle", "flow-audio/embed"),
    "fast, all at 1": FAST,
    RANDOM: FAST,
    ALL: ("*",),
}
# Worlds of each part. Those to report on have seeds that nothing was chosen on.
PARTS = {"choose": ("main:5", "third:21"), "report": ("main:101", "second:102", "third:103")}
# Parts of the budget after which a tower is measured.
MEASURED = (0.025, 0.05, 0.1, 0.15, 0.25, 0.375, 0.5, 0.75)


@dataclasses.dataclass(frozen=True)
class Change:
    """Settings that differ from the defaults: `data`, `train` and `task` by field, and the variant of the towers."""

    name: str
    data: Tuple[Tuple[str, Any], ...] = ()
    train: Tuple[Tuple[str, Any], ...] = ()
    task: Tuple[Tuple[str, Any], ...] = ()
    backbone: str = training.BACKBONE


DEFAULTS = Change("defaults")
BEFORE = Change(
    "all as before (version 0.1)",
    (("frames", 8), ("batch_size", 32), ("color_jitter", 0.2)),
    (("learning_rate", 0.003),),
    backbone="tiny_0",
)
# Few labelled videos are learned by their colours, unless these vary; and the videos of the rendered worlds are too
# short for clips of 16 frames, another moment and a future.
OWN = {LABELS: Change(LABELS, (("color_jitter", 0.4),)), ALL: Change(ALL, (("frames", 12),))}
CHANGES = (
    DEFAULTS,
    BEFORE,
    Change("first weights of He", backbone="tiny_he"),
    Change("first weights of He, rate .003", train=(("learning_rate", 0.003),), backbone="tiny_he"),
    Change("tower of before", backbone="tiny_0"),
    Change("8 frames", (("frames", 8),)),
    Change("12 frames", (("frames", 12),)),
    Change("colour jitter .2", (("color_jitter", 0.2),)),
    Change("batches of 32", (("batch_size", 32),)),
    Change("batches of 128", (("batch_size", 128),)),
    Change("rate .003", train=(("learning_rate", 0.003),)),
    Change("rate .03", train=(("learning_rate", 0.03),)),
    Change("SGD, rate .1", train=(("optimizer", "sgd"), ("learning_rate", 0.1))),
    Change("no weight decay", train=(("weight_decay", 0.0),)),
    Change("Eq. 8 over active negatives", task=(("embed_negatives", "active"),)),
    Change("Eq. 8 over the hardest negative", task=(("embed_negatives", "hardest"),)),
    Change("margin 1", task=(("embed_margin", 1.0),)),
)


@dataclasses.dataclass(frozen=True)
class LearningConfig(Checked):
    """The flags of this experiment."""

    part: str = setting("choose", "changes on worlds to choose on, or losses on others", choices=tuple(PARTS))
    worlds: Tuple[str, ...] = setting((), "worlds in place of those of the part, LIST:SEED or LIST:SEED:NUISANCE")
    rows: Tuple[str, ...] = setting(("*",), "changes, or losses, to run: names or patterns")
    seeds: int = setting(5, "runs of each row on each world", low=1)
    clips: int = setting(20000, "budget of a run, clips", low=1000)
    videos: int = setting(2000, "unlabelled videos of a world", low=32)
    title: str = setting("", "name of the results; empty is that of the part")
    folder: str = setting("", "folder of worlds and finished runs; a rerun reuses them", path=True)
    results: str = setting("experiments/results", "folder of the table, the numbers and the figure", path=True)
    processes: int = setting(2, "runs at a time", low=1)
    smoke: bool = setting(False, "a few videos and steps; shows that it runs, writes no results")


def make_job(subject: str, change: Change, seed: int, world: str, config: LearningConfig) -> training.Job:
    """A run of a subject under a change; `UNTRAINED` is the tower that it begins with, the same for many runs."""
    data = dataclasses.replace(DATA, **dict(change.data))
    steps = config.clips // data.batch_size
    job = training.Job(
        world, UNTRAINED, (), False, seed, config.videos, worlds.LABELLED_PER_CLASS, TrainConfig(steps=1),
        data=dataclasses.replace(DATA, frames=data.frames), backbone=change.backbone,
    )  # fmt: skip
    if subject == UNTRAINED:
        return job
    terms = tuple(term.name for term in training.select(SUBJECTS[subject])) if SUBJECTS[subject] else ()
    return dataclasses.replace(
        job,
        row=subject if change == DEFAULTS else change.name,
        terms=terms,
        supervised=subject == LABELS,
        train=TrainConfig(**{"steps": steps, **dict(change.train)}),
        task=TaskConfig(**dict(change.task)),
        data=data,
        lambdas=random_loss(len(terms), f"{world}:{seed}") if subject == RANDOM else (),
        measure_at=tuple(sorted({max(1, round(part * steps)) for part in MEASURED})),
    )


def random_loss(terms: int, run: str) -> Tuple[float, ...]:
    """A loss for each run, half of them with uniform weights, half sparse (`fig9.draw_losses`)."""
    number = zlib.crc32(run.encode())
    kind = ("uniform", "sparse")[number % 2]
    return next(lambdas for name, lambdas in draw_losses(terms, 3 * terms, number) if name == kind)


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that has ended.

    Attributes:
      world, seed: Which.
      clips: [n] clips after which it was measured.
      linear: [n] 1-layer accuracy on held-out clips.
      untrained: The same of the tower that it began with.
      kmeans: k-means accuracy at the end.
      seconds: Of the run on one core, measurements included.
      clips_a_second: Of training alone.
    """

    world: str
    seed: int
    clips: np.ndarray
    linear: np.ndarray
    untrained: float
    kmeans: float
    seconds: float
    clips_a_second: float

    def learned_after(self, videos: int) -> float:
        """Clips until it had learned (see above), judged by so many held-out videos; infinite if it never had."""
        errors = [accuracy * (1 - accuracy) / videos for accuracy in (*self.linear, self.untrained)]
        error = np.sqrt(np.array(errors[:-1]) + errors[-1])
        learned = (self.linear >= 2 * self.untrained) & (self.linear > self.untrained + 2 * error)
        return float(self.clips[np.argmax(learned)]) if learned.any() else math.inf


def make_run(job: training.Job, result: Dict[str, Any], untrained: float) -> Run:
    """What a result says; a run that diverged has not learned, and keeps the accuracy of the start."""
    steps = [*job.measure_at, job.train.steps]
    linear = [*result["course"], result["linear"]] if "linear" in result else [untrained] * len(steps)
    return Run(
        job.world,
        job.seed,
        np.array(steps) * job.data.batch_size,
        np.array(linear),
        untrained,
        result.get("kmeans", math.nan),
        result["seconds"],
        job.data.batch_size / result["seconds_a_step"] if "seconds_a_step" in result else math.nan,
    )


def table(rows: Dict[str, List[Run]], videos: int) -> str:
    """A Markdown table, a line a row: when it had learned, how often never, what it reached."""
    head = ["", "runs", "clips until learned, median", "never", "1-layer at the end", "least", "k-means",
            "untrained 1-layer", "clips/s a core"]  # fmt: skip
    lines = markdown.head(head)
    for name, runs in rows.items():
        last = np.array([run.linear[-1] for run in runs])
        after = float(np.median([run.learned_after(videos) for run in runs]))
        never = np.mean([math.isinf(run.learned_after(videos)) for run in runs])
        cells = [
            name,
            str(len(runs)),
            f"{after:.0f}" if math.isfinite(after) else "not within the budget",
            f"{never:.0%}",
            f"{last.mean():.3f} ± {last.std(ddof=len(last) > 1):.3f}",
            f"{last.min():.3f}",
            f"{np.nanmean([run.kmeans for run in runs]):.3f}",
            f"{np.mean([run.untrained for run in runs]):.3f}",
            f"{np.nanmedian([run.clips_a_second for run in runs]):.0f}",
        ]
        lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"


def _rows(config: LearningConfig) -> List[Tuple[str, str, Change]]:
    """(name of the row, subject, change) in the order of the table.

    Raises:
      InputError: a pattern matches no row.
    """
    if config.part == "choose":
        rows = [(change.name, EMBED, change) for change in CHANGES]
    else:
        rows = [(name, name, OWN.get(name, DEFAULTS)) for name in SUBJECTS if name != UNTRAINED]
    wanted = matching([name for name, *_ in rows], config.rows)
    return [row for row in rows if row[0] in wanted]


def publish(config: LearningConfig, record: jobs.Record, names: Sequence[str]) -> str:
    """Writes the table, numbers and figure of what is recorded; returns the table."""
    from elo_tf.plots.files import save
    from experiments import learning_speed_plots

    rows: Dict[str, List[Run]] = {}
    for row, subject, change in _rows(config):
        for world in names:
            for seed in range(config.seeds):
                job, start = (make_job(name, change, seed, world, config) for name in (subject, UNTRAINED))
                if job in record and start in record:
                    run = make_run(job, record[job], record[start]["linear"])
                    rows.setdefault(row, []).append(run)
    videos = worlds.LABELLED_PER_CLASS // 2 * 12
    text = table(rows, videos)
    if not config.smoke and rows:
        name = f"learning_speed_{config.title or config.part}"
        every = [run for runs in rows.values() for run in runs]
        about = {
            **search_flags.head("learning_speed"),
            "worlds": ", ".join(names),
            "cost": f"{sum(run.seconds for run in every) / 3600:.1f} core-hours, {len(every)} runs",
            "budget": f"{config.clips} clips a run; judged by {videos} held-out videos a world",
        }
        numbers = {row: [_plain(run) for run in runs] for row, runs in rows.items()}
        stem = pathlib.Path(config.results, name)
        result_files.write(stem, "How fast does it learn?", about, text, {"rows": numbers})
        save(learning_speed_plots.courses(rows), stem.with_suffix(".png"))
    return text


def _plain(run: Run) -> Dict[str, Any]:
    values = dataclasses.asdict(run)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}


def main() -> None:
    config = from_flags(LearningConfig)
    if config.smoke:
        config = dataclasses.replace(
            config, part="report", worlds=("third:21:0.2",), rows=(EMBED,), seeds=1, clips=1000, videos=48
        )
    elif not config.folder:
        raise InputError("--folder is missing; name a folder where worlds and finished runs are kept")
    names = config.worlds or PARTS[config.part]
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(config.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        record = jobs.Record(folder / "learning_speed.jsonl")
        labelled = 10 if config.smoke else worlds.LABELLED_PER_CLASS
        records = {}
        for name in names:
            world = worlds.settings(name, world=config.videos, labelled_per_class=labelled)
            records[name] = worlds.prepare(world, folder / f"{worlds.slug(world)}-{config.videos}", config.processes)
        # All rows at the first seed, then at the next: what is interrupted has some of everything.
        todo = [
            make_job(name, change, seed, world, config)
            for seed in range(config.seeds)
            for _, subject, change in _rows(config)
            for world in names
            for name in (UNTRAINED, subject)
        ]
        for _ in jobs.run(todo, functools.partial(_work, records), record, config.processes):
            pass
        print(publish(config, record, names))


def _work(records: Dict[str, pathlib.Path], job: training.Job) -> jobs.Result:
    return training.run(records[job.world], job)


if __name__ == "__main__":
    command_line.run(main, __doc__, [LearningConfig])
