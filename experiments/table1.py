"""Table 1: evolved losses against single tasks, random losses, equal weights, labels of other classes and no training.

    python -m experiments.table1 --losses=weak=FILE,zipf=FILE,default=FILE --like=FILE --folder=DIR
    python -m experiments.table1 --smoke              a few videos and steps; no results

Every tower sees as many clips of as many videos and is measured on labelled videos of its world that nothing was
chosen on, by the protocols of `elo_tf.evaluate`: k-means, one layer on frozen features, and fine-tuning. All towers of
a (world, seed) start from the same weights. The labels of another class list stand in for those of Kinetics. FILE is
the evolved_loss.json of a search: `weak` by --fitness=weak, `zipf` by --fitness=zipf, `default` by the default; a name
may be given several times, and its files take turns over the seeds. --random losses are drawn a world and dealt out to
its seeds; with --like they have the terms and units of a search, as all terms at 1 have. Towers are kept in DIR for
the other tables (`towers`), which take them where they are given the same flags.

Hardware: 2 cores, a run a core; 1 to 4 minutes a run. Figures: results/table1.md, of one
world, without fine-tuning, with one search by each of two scores.
"""

import dataclasses
import pathlib
from typing import Dict, List, Sequence, Tuple

from elo_tf.config import Checked, from_flags, setting
from elo_tf.runtime import command_line
from experiments import jobs, result_files, table_text, tables
from experiments.contrasts import Run
from experiments.rows import matching
from experiments.tables import Row, TablesConfig
from experiments.towers import Job

UNTRAINED, LABELS, RANDOM, EQUAL = "untrained", "labels of other classes", "random losses", "all terms at 1"
# Row -> terms and the paper's accuracies: k-means, 1-layer, fine-tuned.
SINGLE: Dict[str, Tuple[str, Tuple[float, float, float]]] = {
    "frame shuffle": ("rgb/shuffle", (22.3, 24.3, 28.4)),
    "reverse": ("rgb/backward", (21.3, 24.3, 27.5)),
    "RGB-audio align": ("rgb-audio/align", (32.4, 36.8, 40.2)),
    "RGB to flow": ("rgb-flow/transfer", (31.5, 36.4, 39.9)),
    "four future frames": ("rgb/predict", (31.8, 35.8, 39.2)),
    "joint embedding": ("rgb-flow/embed", (29.4, 32.5, 38.4)),
}
# Name in --losses -> row and the paper's accuracies; the paper has no other score than Zipf's.
EVOLVED: Dict[str, Tuple[str, Tuple[float, ...]]] = {
    "weak": ("ELo-weak", (45.7, 64.3, 67.8)),
    "zipf": ("ELo, Zipf as printed", (43.4, 64.5, 67.4)),
    "default": ("ELo, default score", (43.4, 64.5, 67.4)),
}
PAPER = {UNTRAINED: (15.7, 17.8, 35.2), LABELS: (68.8, 71.5, 74.3), RANDOM: (26.4, 26.9, 31.2)}


@dataclasses.dataclass(frozen=True)
class Table1Config(Checked):
    """The flags of this table."""

    random: int = setting(10, "random losses a world, dealt out to its seeds (Table 1: 10)", low=1)
    rows: Tuple[str, ...] = setting(("*",), "rows to run: names or patterns")


def make_rows(config: TablesConfig, own: Table1Config) -> List[Row]:
    """The rows asked for; those of evolved losses that no file is given for are left out.

    Raises:
      InputError: a pattern matches no row, or a loss cannot be used.
    """
    runs = config.runs()
    evolved = tables.losses(config, EVOLVED)
    rows = [
        _row(UNTRAINED, {run: (tables.untrained(config, run),) for run in runs}, PAPER[UNTRAINED]),
        _row(LABELS, {run: (tables.by_labels(config, run),) for run in runs}, PAPER[LABELS],
             f"of {config.labels_world}; the paper: Kinetics"),
    ]  # fmt: skip
    for name, (term, paper) in SINGLE.items():
        rows.append(_row(name, {run: (tables.by_terms(config, run, tasks=[term]),) for run in runs}, paper, term))
    drawn = {run: random_losses(config, run, own.random) for run in runs}
    equal = {run: (tables.by_terms(config, run),) for run in runs}
    rows += [
        _row(RANDOM, drawn, PAPER[RANDOM], f"mean of {own.random} losses a world"),
        _row(EQUAL, equal, note=f"{len(equal[runs[0]][0].terms)} terms"),
    ]
    for name, (title, paper) in EVOLVED.items():
        if name in evolved:
            files = evolved[name]
            towers = {run: (tables.by_terms(config, run, files[run[1] % len(files)]),) for run in runs}
            rows.append(_row(title, towers, paper, f"{len(files)} searches" if len(files) > 1 else "one search"))
    wanted = matching([row.name for row in rows], own.rows)
    return [row for row in rows if row.name in wanted]


def _row(name: str, towers: Dict[Run, Tuple[Job, ...]], paper: Sequence[float] = (), note: str = "") -> Row:
    return Row(name, towers, dict(zip(table_text.COLUMNS, paper)), note)


def random_losses(config: TablesConfig, run: Run, count: int) -> Tuple[Job, ...]:
    """The random losses of a run: of `count` in each world, every n-th where there are n seeds; none twice."""
    world, seed = run
    first = config.worlds.index(world) * count
    return tuple(
        tables.by_terms(config, run, f"random:{first + place}") for place in range(seed, count, config.seeds)
    )  # fmt: skip


def publish(rows: Sequence[Row], record: jobs.Record, config: TablesConfig) -> str:
    """Writes table, numbers and figure; returns the table."""
    from elo_tf.plots.files import save
    from experiments import table_plots

    text = table_text.table(rows, record)
    if not config.smoke:
        stem = pathlib.Path(config.results, "table1")
        about = table_text.about("table1", rows, record, config)
        result_files.write(
            stem, "Table 1: what trained the tower", about, text, {"rows": table_text.numbers(rows, record)}
        )
        save(table_plots.bars(rows, table_text.values(rows, record)), stem.with_suffix(".png"))
    return text


def main() -> None:
    config, own = from_flags(TablesConfig), from_flags(Table1Config)
    if config.smoke:
        config, own = config.small(), Table1Config(1, (UNTRAINED, LABELS, "joint embedding"))
    rows = make_rows(config, own)  # Before anything long: it reads the losses.
    with config.place() as folder:
        places = tables.prepare(config, folder)
        record = tables.run(rows, places, config, [("all",)] if config.finetune else ())
        print(publish(rows, record, config))


if __name__ == "__main__":
    command_line.run(main, __doc__, [TablesConfig, Table1Config])
