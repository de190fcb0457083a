"""Does what `make demo` shows hold on other worlds? Its results on several of them, one search each.

    make demo WORLD_SEED=204; make demo WORLD_SEED=205
    python -m experiments.demo_worlds --evaluations=204=runs/demo-204/evaluation,205=runs/demo-205/evaluation

The best of the demo's terms alone, for --single:

    python -m elo_tf.train --flagfile=experiments/flagfiles/demo_train.flags --seed=204 --threads=1 \
        --loss=equal --tasks=rgb-flow/embed --modalities=rgb,flow --records=runs/demo-204/records/unlabelled \
        --run_dir=runs/demo-204/embed
    python -m elo_tf.evaluate --flagfile=experiments/flagfiles/demo_evaluate.flags --checkpoint=runs/demo-204/embed \
        --records=runs/demo-204/records/labelled --output=runs/demo-204/evaluation_embed

A world is one run of the demo: its own videos, search, random losses and test videos. The error of a mean is the
standard error over the worlds. A difference is taken within a world, so that easy and hard worlds cancel out.

Hardware: seconds on one core, after a quarter of an hour of two cores a world. Figures: results/demo_worlds.md.
"""

import dataclasses
import pathlib
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from elo_tf.config import Checked, InputError, from_flags, setting
from elo_tf.runtime import command_line
from experiments import contrasts, demo, markdown, result_files
from experiments.demo import COLUMNS, ROWS, Evaluation
from experiments.rows import named_folders

TRUTH = "linear"
SINGLE = "checkpoint"  # As an evaluation calls it where it is of one tower.
LABELS = {**{name: label for name, (label, _) in ROWS.items()}, SINGLE: "joint embedding alone"}  # By row.


@dataclasses.dataclass(frozen=True)
class DemoWorldsConfig(Checked):
    """The flags of this table."""

    evaluations: Tuple[str, ...] = setting((), "results of demos as NAME=DIR, DIR the folder of an evaluation")
    single: Tuple[str, ...] = setting((), "results of the joint embedding alone, as NAME=DIR of the same names")
    results: str = setting("experiments/results", "folder of the table and the numbers", path=True)


def read(given: Sequence[str], single: Sequence[str] = ()) -> Dict[str, Evaluation]:
    """World -> its results, with a row for the joint embedding alone where its results are given too.

    Raises:
      InputError: one is not NAME=DIR, has no results, or comes twice; there is none; both have other worlds.
    """
    found = {name: demo.read(folder) for name, folder in named_folders("evaluations", given).items()}
    if not single:
        return found
    alone = {name: demo.read(folder, [SINGLE]) for name, folder in named_folders("single", single).items()}
    if set(alone) != set(found):
        raise InputError(f"--single has {', '.join(alone)}, --evaluations {', '.join(found)}; give the same worlds")
    return {name: each._replace(results={**each.results, **alone[name].results}) for name, each in found.items()}


def rows_of(worlds: Dict[str, Evaluation]) -> Dict[str, str]:
    """Row -> what it is called, of the rows that all worlds have."""
    return {row: label for row, label in LABELS.items() if all(row in each.results for each in worlds.values())}


def differences(worlds: Dict[str, Evaluation], other: str, column: str = TRUTH) -> np.ndarray:
    """[worlds] accuracy of the evolved loss less that of another row, in points."""
    pairs = [(each.results["evolved"][column].value, each.results[other][column].value) for each in worlds.values()]
    return 100 * np.array([own - its for own, its in pairs])


def mean_and_error(values: np.ndarray) -> str:
    """`12.3 ± 1.4`: mean and standard error of percentages; of a single value, no error."""
    return contrasts.estimate(values / 100).percent


def ahead(worlds: Dict[str, Evaluation], other: str) -> int:
    """In how many worlds the evolved loss is ahead of another row, by more than two standard errors."""
    return sum(each.results["evolved"][TRUTH].ahead_of(each.results[other][TRUTH]) for each in worlds.values())


def table(worlds: Dict[str, Evaluation]) -> str:
    """1-layer accuracies by world, means over the worlds, and how far the evolved loss is ahead."""
    lines = ["1-layer accuracy in percent, ± standard error (of the test videos; in the last row over the worlds).", ""]
    labels = rows_of(worlds)
    head = ["world seed", *labels.values(), "the random losses one by one"]
    rows: List[List[str]] = []
    for name, each in worlds.items():
        single = ", ".join(f"{100 * value:.1f}" for value in each.random)
        rows.append([name, *(str(each.results[row][TRUTH]) for row in labels), single])
    means = [_accuracies(worlds, row, TRUTH) for row in labels]
    rows.append(["mean", *(mean_and_error(100 * values) for values in means), ""])
    lines += markdown.table(head, rows)
    lines += ["", "The evolved loss against the others, in points:", ""]
    others = [name for name in labels if name != "evolved"]
    rows = []
    for name in others:
        gains = [mean_and_error(differences(worlds, name, column)) for column in COLUMNS]
        rows.append([labels[name], *gains, f"{ahead(worlds, name)} of {len(worlds)}"])
    lines += markdown.table(["over", *COLUMNS.values(), "ahead by two standard errors, 1-layer"], rows)
    best = sum(each.results["evolved"][TRUTH].value > max(each.random) for each in worlds.values())
    lines += ["", f"The evolved loss is ahead of the best of its world's random losses in {best} of {len(worlds)}."]
    return "\n".join(lines) + "\n"


def _accuracies(worlds: Dict[str, Evaluation], row: str, column: str) -> np.ndarray:
    return np.array([each.results[row][column].value for each in worlds.values()])


def numbers(worlds: Dict[str, Evaluation]) -> Dict[str, Any]:
    """World -> row -> column -> (accuracy, standard error), and the single random losses."""
    # A share is a tuple.
    return {name: {"rows": each.results, "random": each.random} for name, each in worlds.items()}


def main() -> None:
    config = from_flags(DemoWorldsConfig)
    worlds = read(config.evaluations, config.single)
    text = table(worlds)
    about = {
        "command": "make demo WORLD_SEED=N for each world; python -m experiments.demo_worlds --evaluations=N=DIR,...",
        "hardware": "2 cores, about a quarter of an hour a world",
    }
    stem = pathlib.Path(config.results, "demo_worlds")
    result_files.write(stem, "The demo on worlds that nothing was chosen on", about, text, {"worlds": numbers(worlds)})
    print(text, end="")


if __name__ == "__main__":
    command_line.run(main, __doc__, [DemoWorldsConfig])
