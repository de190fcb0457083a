"""What does each term of Eq. 1 alone teach the RGB tower? (Table 1, middle block, in miniature)

    python -m experiments.single_tasks --worlds=second:31:0 --videos=2000 --seeds=0,1,2 --steps=700 --optimizer=adam \\
        --learning_rate=0.003 --processes=2 --folder=DIR
    python -m experiments.single_tasks --smoke           two terms, few steps, less than a minute; no results

Every term alone, on the `tiny` tower and the unlabelled part of a rendered world; then k-means and 1-layer accuracy
(`experiments.protocols`) of the RGB tower on the balanced labelled part, half of it held out. The rows follow from the
registry of tasks (`make_rows`): a new task has its row by existing. A run is one (row, seed); what has ended is
recorded in DIR and does not run again, and the table is written anew after each run. --rows=PATTERNS runs a part.

Hardware: 2 cores (AVX-512); 6 hours of one core for 54 of the 56 rows, three seeds each, beside other work.
Obtained (k-means / 1-layer, mean of three seeds): untrained .15 / .11, labels .34 / .43, rgb-flow/embed .27 / .44, flow
distilled into stage 3 .26 / .30, rgb/shuffle .23 / .26, grey/shuffle through distillation .22 / .28; decoders and align
at the level of the untrained tower. experiments/README.md reads it.
Needs scikit-learn, as the tests do.
"""

import dataclasses
import fnmatch
import functools
import pathlib
import tempfile
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from absl import flags

from elo_tf.config import InputError, TaskConfig, TrainConfig, WorldConfig, define_path, from_flags
from elo_tf.runtime import command_line
from experiments import jobs, markdown, result_files, search_flags, training, worlds
from experiments.rows import matching

_WORLDS = flags.DEFINE_list("worlds", ["second:31:0"], "worlds to train on, LIST:SEED:NUISANCE")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "seeds of each row")
_ROWS = flags.DEFINE_list("rows", ["*"], "names or patterns of the rows to run")
_VIDEOS = flags.DEFINE_integer("videos", 3000, "unlabelled videos of a world", lower_bound=16)
_PROCESSES = flags.DEFINE_integer("processes", 2, "runs at a time", lower_bound=1)
_FOLDER = define_path("folder", None, "folder of worlds and finished runs; a rerun reuses them")
_RESULTS = define_path("results", "experiments/results", "folder of the tables")
_NAME = flags.DEFINE_string("name", "single_tasks", "tables are NAME_<world>_<optimizer>.md and .json")
_SMOKE = flags.DEFINE_bool("smoke", False, "two terms and few steps; writes no results")

UNTRAINED, SUPERVISED, ALL = "untrained", "supervised", "all"
# Kinds that tell videos apart without a second modality: also beside one term that has one.
CLUSTERING = ("*cluster*", "*aggregation*")
PARTNER = "rgb-flow/embed"

# Row -> seed -> what `training.run` returned.
Results = Dict[str, Dict[int, Dict[str, Any]]]


@dataclasses.dataclass(frozen=True)
class Row:
    """What is trained.

    Attributes:
      name: Its name in the table.
      patterns: Terms at lambda 1.
      note: What a reader has to know.
      subject: The term that it is about; every term of the registry has one such row.
      control: Name of the row that it is compared with.
    """

    name: str
    patterns: Tuple[str, ...] = ()
    note: str = ""
    subject: str = ""
    control: str = UNTRAINED


def make_rows(terms: Sequence[Any]) -> List[Row]:
    """All rows, in the order of the terms (`training.select(["*"])`)."""
    rows = {row.name: row for row in (Row(UNTRAINED), Row(SUPERVISED, note="labels of the training part"))}
    for term in terms:
        for row in _rows_of(term, terms):
            rows.setdefault(row.name, row)
    return [*rows.values(), Row(ALL, ("*",), "every term at lambda 1")]


def _rows_of(term: Any, terms: Sequence[Any]) -> List[Row]:
    """The row of a term, and those that it brings along."""
    if "rgb" not in term.teaches:
        return _rows_beside_distillation(term)
    if term.kind == "distill":
        return [
            Row(term.name, (term.name,), "teacher stays untrained", term.name),
            *_rows_of_trained_teacher(term, terms),
        ]
    rows = [Row(term.name, (term.name,), subject=term.name)]
    if any(fnmatch.fnmatch(term.name, pattern) for pattern in CLUSTERING):
        rows.append(Row(f"{term.name} + {PARTNER}", (term.name, PARTNER), control=PARTNER))
    return rows


def _rows_beside_distillation(term: Any) -> List[Row]:
    """A term without a gradient for the RGB tower reaches it through distillation of the towers that it teaches."""
    distillation = tuple(f"{modality}/distill/stage4" for modality in term.teaches)
    control = " + ".join(distillation)
    row = Row(f"{term.name} + {control}", (term.name, *distillation), "teacher trained by the term", term.name, control)
    if len(distillation) == 1:  # The control is the row of its own term.
        return [row]
    return [Row(control, distillation, "teachers stay untrained"), row]


def _rows_of_trained_teacher(term: Any, terms: Sequence[Any]) -> List[Row]:
    """Distillation from stage 3 of a teacher that all other terms of its modality train."""
    own = tuple(other.name for other in terms if other.teaches == term.modalities)
    if not term.name.endswith("/stage3") or not own:
        return []
    note = f"teacher trained by {', '.join(own)}"
    return [Row(f"{term.name} (trained teacher)", (term.name, *own), note, control=term.name)]


def choose(rows: Sequence[Row], patterns: Sequence[str]) -> List[Row]:
    """The rows whose names match.

    Raises:
      InputError: a pattern matches none.
    """
    wanted = matching([row.name for row in rows], patterns)
    return [row for row in rows if row.name in wanted]


def make_job(
    row: Row, seed: int, world: str, counts: WorldConfig, train: TrainConfig, task: TaskConfig = training.DEFAULTS
) -> training.Job:
    """The run of a row at a seed."""
    terms = tuple(term.name for term in training.select(row.patterns)) if row.patterns else ()
    supervised = row.name == SUPERVISED
    return training.Job(world, row.name, terms, supervised, seed, counts.world, counts.labelled_per_class, train, task)


def table(rows: Sequence[Row], results: Results) -> str:
    """A Markdown table of the rows that have results: mean ± s.d. over seeds, and differences of 1-layer accuracy."""
    head = ["row", "k-means", "1-layer", "over untrained", "over its control", "s a run", "note"]
    lines = markdown.head(head)
    for row in rows:
        if not results.get(row.name):
            continue
        ours = _values(results, row.name, "linear")
        control = ""
        if row.control != UNTRAINED:
            difference = _difference(ours, _values(results, row.control, "linear"))
            control = f"{difference} over {row.control}" if difference else ""
        cells = [
            row.name,
            _mean_and_deviation(_values(results, row.name, "kmeans")),
            _mean_and_deviation(ours),
            "" if row.name == UNTRAINED else _difference(ours, _values(results, UNTRAINED, "linear")),
            control,
            f"{np.mean(_values(results, row.name, 'seconds')):.0f}",
            "; ".join([row.note] * bool(row.note) + _reasons(results[row.name])),
        ]
        lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"


def _values(results: Results, name: str, what: str) -> List[float]:
    """A number of each seed that has it; a run that diverged has no accuracy."""
    return [result[what] for result in results.get(name, {}).values() if what in result]


def _mean_and_deviation(values: Sequence[float]) -> str:
    """`.310 ± .012`, s.d. with n - 1 in the denominator."""
    if not values:
        return ""
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}".replace("0.", ".")


def _difference(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """`+.050 (3.2 s.e.)`: difference of two means, and in units of its standard error sqrt(s1²/n1 + s2²/n2)."""
    if not ours or not theirs:
        return ""
    difference = np.mean(ours) - np.mean(theirs)
    text = f"{difference:+.3f}".replace("0.", ".", 1)
    if min(len(ours), len(theirs)) < 2:
        return text
    error = np.sqrt(np.var(ours, ddof=1) / len(ours) + np.var(theirs, ddof=1) / len(theirs))
    return f"{text} ({difference / error:+.1f} s.e.)" if error > 0 else text


def _reasons(of_seeds: Dict[int, Dict[str, Any]]) -> List[str]:
    return [f"seed {seed}: {result['reason']}" for seed, result in of_seeds.items() if "reason" in result]


def write_results(world: str, rows: Sequence[Row], results: Results, about: Dict[str, Any]) -> None:
    """The table of a world, and the same numbers run by run as JSON, each with what they depend on."""
    stem = f"{_NAME.value}_{world.replace(':', '-')}_{about['optimizer']}"
    numbers = [{**dataclasses.asdict(row), "runs": results[row.name]} for row in rows if results[row.name]]
    text = table(rows, results)
    result_files.write(
        pathlib.Path(_RESULTS.value, stem), f"Single terms, world {world}", about, text, {"rows": numbers}
    )


def describe(results: Results, counts: WorldConfig, train: TrainConfig, task: TaskConfig) -> Dict[str, Any]:
    """The head of a table."""
    seconds = [value for name in results for value in _values(results, name, "seconds")]
    return {
        **search_flags.head("single_tasks", "run"),
        "runs": len(seconds),
        "minutes": f"{sum(seconds) / 60:.1f} (sum over the runs)",
        "seeds": ", ".join(map(str, sorted({seed for of_seeds in results.values() for seed in of_seeds}))),
        "videos": f"{counts.world} unlabelled, {counts.labelled_per_class} labelled a class",
        **dataclasses.asdict(train),
        **dataclasses.asdict(task),
    }


def _seeds() -> List[int]:
    try:
        return [int(seed) for seed in _SEEDS.value]
    except ValueError:
        raise InputError(f"--seeds={','.join(_SEEDS.value)} are not whole numbers, such as 0,1,2") from None


def _settings() -> Tuple[List[str], List[int], List[str], Dict[str, int], TrainConfig, TaskConfig]:
    """Worlds, seeds, patterns of rows, numbers of videos, training, tasks."""
    if _SMOKE.value:
        train = TrainConfig(steps=5, optimizer="adam", learning_rate=0.003)
        patterns = [UNTRAINED, SUPERVISED, "rgb/shuffle", PARTNER]
        return ["third:21:0.2"], [0], patterns, {"world": 48, "labelled_per_class": 10}, train, TaskConfig()
    if not _FOLDER.value:
        raise InputError("--folder is missing; name a folder where worlds and finished runs are kept")
    counts = {"world": _VIDEOS.value, "labelled_per_class": worlds.LABELLED_PER_CLASS}
    return _WORLDS.value, _seeds(), _ROWS.value, counts, from_flags(TrainConfig), from_flags(TaskConfig)


def main() -> None:
    names, seeds, patterns, counts, train, task = _settings()
    rows = make_rows(training.select(["*"]))
    chosen = choose(rows, patterns)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary if _SMOKE.value else _FOLDER.value)
        folder.mkdir(parents=True, exist_ok=True)
        record = jobs.Record(folder / "single_tasks.jsonl")
        for world in names:
            config = worlds.settings(world, **counts)
            records = worlds.prepare(config, folder / worlds.slug(config), _PROCESSES.value)
            # All rows at the first seed, then at the next: what is interrupted has some of everything.
            todo = [make_job(row, seed, world, config, train, task) for seed in seeds for row in chosen]
            work = functools.partial(training.run, records)
            for _ in jobs.run(todo, work, record, _PROCESSES.value):
                publish(world, rows, config, train, task, record)
            print(publish(world, rows, config, train, task, record), flush=True)


def publish(
    world: str, rows: Sequence[Row], config: WorldConfig, train: TrainConfig, task: TaskConfig, record: jobs.Record
) -> str:
    """Writes what is recorded under these settings, at any seed; returns the table."""
    results = {row.name: record.of_all_seeds(make_job(row, 0, world, config, train, task)) for row in rows}
    if not _SMOKE.value:
        write_results(world, rows, results, describe(results, config, train, task))
    return table(rows, results)


if __name__ == "__main__":
    command_line.run(main, __doc__, [TrainConfig, TaskConfig])
