"""Real video: what do towers learn from unlabelled real clips, measured on a small labelled set?

    python -m experiments.real_videos --clips=DIR --set=egogestar --part=choose --noflip --folder=DIR
    python -m experiments.real_videos --clips=DIR --set=egogestar --noflip --losses=evolved=FILE --folder=DIR
    python -m experiments.real_videos --clips=DIR --set=grid_digits --fps=25 --frames=8 --folder=DIR
    python -m experiments.real_videos --smoke             a few videos of its own and steps; no results

--clips is a folder with `labelled/SET/CLASS/*`, `labelled/SET_splits/` (lists in the form of UCF101's) and folders of
unlabelled clips (--unlabelled). Towers are trained on the unlabelled clips and on those of the training list without
their labels, never on those that test. Rows: untrained, labels of the training list, single terms, random losses, all
terms at 1, evolved losses; and without a network mean pixels and plain statistics of flow. Columns: k-means, one layer,
precision of the five nearest neighbours, fine-tuning.

--part=choose judges by every fourth training video of a class, taken as a block from the end of the list so that
neighbours in the list stay together; the test list is not read. Choose --fps, --frames, --size and the like there, then
run --part=report once.

± is the larger of two standard errors: over seeds, and of so few test videos. With 67 of them, a difference of two
towers below about 17 points is not told from chance; with 248 below 9.

Hardware: 2 cores, a run a core. Figures: results/real_videos_*.md, once it has run.
"""

import dataclasses
import json
import math
import pathlib
from typing import Any, Dict, List, Sequence, Tuple

from elo_tf.config import Checked, InputError, from_flags, setting
from elo_tf.runtime import command_line, storage
from experiments import contrasts, jobs, markdown, real_clips, result_files, search_flags, table_text, tables
from experiments.real_clips import Clips
from experiments.tables import Row, TablesConfig
from experiments.towers import Job

UNTRAINED, LABELS, RANDOM, EQUAL, EVOLVED = "untrained", "labels", "random losses", "all terms at 1", "ELo"
COLUMNS = {"kmeans": "k-means", "linear": "1-layer", "neighbours": "precision@5", "finetune": "fine-tuned"}
LOSSES = {"evolved": EVOLVED}


@dataclasses.dataclass(frozen=True)
class RealConfig(Checked):
    """The flags of this experiment."""

    clips: str = setting("", "folder of real clips, labelled and unlabelled", path=True)
    set: str = setting("egogestar", "labelled set, a folder below CLIPS/labelled")
    unlabelled: Tuple[str, ...] = setting(("unlabelled/droid", "real"), "folders of unlabelled clips, below CLIPS")
    part: str = setting(
        "report", "judge by the test list, or by a part of the training list", choices=("choose", "report")
    )
    losses: Tuple[str, ...] = setting((), "evolved losses as evolved=FILE; several take turns over the seeds")
    tasks: Tuple[str, ...] = setting(("fast",), "terms of random and equal losses: presets, names or patterns")
    modalities: Tuple[str, ...] = setting(
        ("rgb", "flow"), "towers of random and equal losses; audio where there is sound"
    )
    like: str = setting("", "loss file of a search whose terms random and equal losses have", path=True)
    single: Tuple[str, ...] = setting(("rgb/shuffle", "rgb-flow/embed"), "terms that also train alone")
    random: int = setting(3, "random losses, dealt out to the seeds", low=1)
    seeds: int = setting(3, "runs of each row", low=1)
    budget: int = setting(12000, "clips that a tower sees in its training", low=64)
    fps: float = setting(12.5, "frames a second", low=1)
    size: int = setting(48, "side of the stored frames, pixels", low=16)
    crop_size: int = setting(40, "side of a clip, pixels", low=16)
    frames: int = setting(12, "T, frames a clip", low=2)
    flip: bool = setting(True, "mirror half of the clips; not where left and right are classes")
    max_seconds: float = setting(6.0, "no more than this much of a clip is kept, seconds", low=0.5)
    finetune_epochs: float = setting(50.0, "times that fine-tuning sees each labelled video", low=0)
    finetune: bool = setting(True, "fine-tune too")
    folder: str = setting("", "folder of records, towers and finished runs; a rerun reuses them", path=True)
    results: str = setting("experiments/results", "folder of tables, numbers and figures", path=True)
    processes: int = setting(2, "runs at a time", low=1)
    smoke: bool = setting(False, "a few videos and steps; shows that it runs, writes no results")

    def small(self) -> "RealConfig":
        """The same at the size of --smoke."""
        return dataclasses.replace(
            self, set="grey", unlabelled=("unlabelled",), tasks=("rgb/shuffle",), modalities=("rgb",), single=(),
            random=1, seeds=1, budget=128, size=24, crop_size=16, frames=4, finetune=False,
        )  # fmt: skip

    @property
    def world(self) -> str:
        """A name for the records, of all that they depend on."""
        sources = "+".join(name.replace("/", "-") for name in self.unlabelled)
        return f"{self.set}-{self.part}-{self.fps:g}fps-{self.size}px-{self.max_seconds:g}s-{sources}"

    @property
    def tables(self) -> TablesConfig:
        """What makes the jobs of the rows (`tables`)."""
        return TablesConfig(
            worlds=self.world, labels_world=self.world, losses=self.losses, tasks=self.tasks,
            like=self.like,
            modalities=self.modalities, seeds=self.seeds, clips=self.budget, finetune_epochs=self.finetune_epochs,
            finetune=self.finetune, folder=self.folder, results=self.results, processes=self.processes,
            smoke=self.smoke,
        )  # fmt: skip


def make_rows(config: RealConfig) -> List[Row]:
    """All rows that have a network; that of evolved losses only if a file is given."""
    own = config.tables
    files = tables.losses(own, LOSSES).get("evolved", [])
    rows: Dict[str, Dict[contrasts.Run, Tuple[Job, ...]]] = {}
    for run in own.runs():
        made = {UNTRAINED: [tables.untrained(own, run)], LABELS: [tables.by_labels(own, run)]}
        made.update({term: [tables.by_terms(own, run, tasks=[term])] for term in config.single})
        drawn = range(run[1], config.random, config.seeds)
        made[RANDOM] = [tables.by_terms(own, run, f"random:{number}") for number in drawn]
        made[EQUAL] = [tables.by_terms(own, run)]
        if files:
            made[EVOLVED] = [tables.by_terms(own, run, files[run[1] % len(files)])]
        for name, found in made.items():
            rows.setdefault(name, {})[run] = tuple(_on_real_clips(job, config) for job in found)
    return [Row(name, towers) for name, towers in rows.items()]


def _on_real_clips(job: Job, config: RealConfig) -> Job:
    data = dataclasses.replace(job.data, frames=config.frames, crop_size=config.crop_size, flip=config.flip)
    how = dataclasses.replace(job.how, flip=config.flip, finetune_epochs=config.finetune_epochs)
    return dataclasses.replace(job, data=data, how=how, protocols=("kmeans", "linear", "neighbours"))


def error_of(mean: float, over_runs: float, videos: int) -> float:
    """The larger of the standard error over runs and that of a proportion of so many test videos."""
    of_videos = math.sqrt(mean * (1 - mean) / videos)
    return of_videos if math.isnan(over_runs) else max(of_videos, over_runs)


def table(found: Dict[str, contrasts.Values], plain: Dict[str, Dict[str, float]], videos: int) -> str:
    """A Markdown table, a line a row, in percent.

    Args:
      found: Column -> row -> run -> accuracy.
      plain: Descriptor -> column -> accuracy, without a network.
      videos: That test.
    """
    shown = [column for column in COLUMNS if column in found]
    lines = markdown.head(["features", *(COLUMNS[column] for column in shown)])
    for name, own in plain.items():
        cells = [_cell(own[column], math.nan, videos) if column in own else "" for column in shown]
        lines.append(markdown.row([name, *cells]))
    for name in dict.fromkeys(row for column in shown for row in found[column]):
        cells = []
        for column in shown:
            mean = contrasts.estimate(list(found[column].get(name, {}).values()))
            cells.append(_cell(mean.mean, mean.error, videos) if mean.runs else "")
        lines.append(markdown.row([name, *cells]))
    return "\n".join(lines) + "\n"


def _cell(mean: float, over_runs: float, videos: int) -> str:
    return f"{100 * mean:.1f} ± {100 * error_of(mean, over_runs, videos):.1f}"


def publish(
    rows: Sequence[Row], record: jobs.Record, plain: Dict[str, Dict[str, float]], clips: Clips, config: RealConfig
) -> str:
    """Writes table, numbers and figure; returns the table."""
    from elo_tf.plots.files import save
    from experiments import table_plots

    found = table_text.values(rows, record, COLUMNS)
    text = table(found, plain, clips.test_videos)
    reasons = [reason for row in rows for reason in table_text.diverged(row, record)]
    text += "".join(f"\ndiverged: {reason}\n" for reason in reasons)
    if not config.smoke:
        stem = pathlib.Path(config.results, f"real_videos_{config.set}_{config.part}")
        towers = {job for row in rows for own in row.towers.values() for job in own if job in record}
        about = {
            **search_flags.head("real_videos", "run"),
            "clips": f"{clips.unlabelled} to train on, {clips.labelled} of them labelled; {clips.test_videos} test",
            "budget": f"{config.budget} clips a tower, {len(towers)} towers",
            "chance": f"{1 / clips.classes:.3f} ({clips.classes} classes)",
            "test videos": clips.test_videos,
        }
        numbers: List[Dict[str, Any]] = table_text.numbers(rows, record, COLUMNS)
        title = f"Real videos: {config.set}, {config.part}"
        result_files.write(stem, title, about, text, {"plain": plain, "rows": numbers})
        save(table_plots.bars(rows, found, COLUMNS), stem.with_suffix(".png"))
    return text


def main() -> None:
    config = from_flags(RealConfig)
    if config.smoke:
        config = config.small()
    elif not config.clips:
        raise InputError(
            "--clips is missing; name a folder with labelled/SET, labelled/SET_splits and unlabelled clips"
        )
    rows = make_rows(config)  # Before anything long: it reads the losses.
    with config.tables.place() as folder:
        source = real_clips.write_small(folder / "clips") if config.smoke else pathlib.Path(config.clips)
        clips = real_clips.prepare(source, config, folder / "real" / config.world)
        places = dataclasses.replace(clips.places, folder=folder)
        record = tables.run(rows, places, config.tables, [("all",)] if config.finetune else ())
        plain = measured(clips, rows[0].towers[config.tables.runs()[0]][0], folder / "real" / config.world)
        print(publish(rows, record, plain, clips, config))


def measured(clips: Clips, job: Job, folder: pathlib.Path) -> Dict[str, Dict[str, float]]:
    """Descriptor -> protocol -> accuracy of plain features of the clips that towers see; kept in the folder."""
    path = folder / f"plain-{job.data.frames}-{job.data.crop_size}.json"
    if not path.exists():
        storage.write_text(path, json.dumps(real_clips.plain(clips, job)))
    return json.loads(path.read_text())


if __name__ == "__main__":
    command_line.run(main, __doc__, [RealConfig])
