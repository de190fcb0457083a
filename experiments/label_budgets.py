"""Table 3 and Fig. 5: how many labels does fine-tuning need after training without labels?

    python -m experiments.label_budgets --losses=evolved=FILE --folder=DIR
    python -m experiments.label_budgets --smoke       a few videos and steps; no results

Towers are fine-tuned by nested, class-balanced parts of the labelled training videos (`elo_tf.evaluate`), in eight
steps from the fewest that have all classes to all; the rest is as in `table1`, whose towers are used where DIR has
them. Each labelled video is seen equally often at every budget, so that few labels also mean few steps, for all rows.
Halves of the labelled videos are dealt by their names: "all" is a few percent more in one world than in another.

The budget at which a row reaches what the untrained network reaches with all labels is read off by straight lines over
the logarithm of the budget, from the mean over runs.

Hardware: 2 cores, a run a core; 1 to 3 minutes a run. Figures: results/label_budgets.md, once it has run.
"""

import dataclasses
import math
import pathlib
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from elo_tf.config import Checked, InputError, from_flags, setting
from elo_tf.runtime import command_line
from experiments import jobs, markdown, result_files, table_text, tables
from experiments.contrasts import Estimate, Run, estimate
from experiments.tables import Row, TablesConfig
from experiments.towers import ALL, FineTuning

UNTRAINED, EVOLVED = "untrained", "ELo"
PAPER_BUDGETS = (400, 2000, 4000, 8000, 20000, 40000, 80000, 120000, 160000, 225000)
# Kinetics-400, by number of labels (Table 3).
PAPER = {
    UNTRAINED: (0.93, 2.1, 2.8, 4.4, 6.2, 12.5, 26.4, 52.5, 64.3, 71.2),
    "frame shuffle": (1.5, 5.3, 12.4, 18.4, 28.4, 32.5, 38.2, 57.4, 66.8, 70.9),
    "RGB-audio align": (2.5, 9.8, 17.2, 28.1, 36.0, 46.0, 54.1, 64.3, 69.5, 71.5),
    EVOLVED: (3.6, 15.8, 24.8, 47.0, 58.3, 67.5, 69.2, 70.2, 72.2, 74.4),
}
LOSSES = {"evolved": EVOLVED}
TERMS = {"frame shuffle": "rgb/shuffle", "RGB-audio align": "rgb-audio/align"}

# Row -> budget -> run -> accuracy in [0,1].
Found = Dict[str, Dict[int, Dict[Run, float]]]


@dataclasses.dataclass(frozen=True)
class BudgetsConfig(Checked):
    """The flags of this table."""

    budgets: int = setting(8, "label budgets, the last one all", low=2)
    rows: Tuple[str, ...] = setting(
        (UNTRAINED, *TERMS, EVOLVED), f"which rows: {UNTRAINED}, {', '.join(TERMS)}, {EVOLVED}"
    )

    def __post_init__(self):
        super().__post_init__()
        for name in self.rows:
            if name not in PAPER:
                raise InputError(f"--rows: {name!r} is unknown; choose from {', '.join(PAPER)}")


def ladder(classes: int, videos: int, steps: int) -> List[int]:
    """Budgets from one video a class to all, evenly spaced in the logarithm, whole numbers of videos a class.

    Args:
      classes: K.
      videos: Labelled training videos, of which all classes have as good as equally many.
      steps: Number of budgets, at most; equal ones are one.
    """
    spaced = np.geomspace(classes, videos, steps)
    return [*dict.fromkeys(max(1, round(each / classes)) * classes for each in spaced[:-1]), videos]


def make_rows(config: TablesConfig, names: Sequence[str] = (UNTRAINED, *TERMS, EVOLVED)) -> List[Row]:
    """The rows asked for; that of the evolved loss only if a file is given."""
    files = tables.losses(config, LOSSES).get("evolved", [])
    rows = []
    for name in names:
        if name == UNTRAINED:
            towers = {run: (tables.untrained(config, run),) for run in config.runs()}
        elif name in TERMS:
            towers = {run: (tables.by_terms(config, run, tasks=[TERMS[name]]),) for run in config.runs()}
        elif files:
            towers = {run: (tables.by_terms(config, run, files[run[1] % len(files)]),) for run in config.runs()}
        else:
            continue
        rows.append(Row(name, towers))
    return rows


def accuracies(rows: Sequence[Row], budgets: Sequence[int], record: jobs.Record) -> Found:
    """What is recorded; the last budget is that of all labels, which `table1` measures too."""
    found: Found = {}
    for row in rows:
        for run, (job,) in row.towers.items():
            part, whole = FineTuning(job, tuple(map(str, budgets[:-1]))), FineTuning(job)
            if part in record and whole in record and "accuracy" in record[part] and "accuracy" in record[whole]:
                values = [*record[part]["accuracy"], *record[whole]["accuracy"]]
                for budget, value in zip(budgets, values):
                    found.setdefault(row.name, {}).setdefault(budget, {})[run] = value
    return found


def curve(by_budget: Mapping[int, Mapping[Run, float]]) -> Dict[int, Estimate]:
    """Budget -> mean over runs."""
    return {budget: estimate(list(own.values())) for budget, own in sorted(by_budget.items())}


def budget_reaching(level: float, budgets: Sequence[float], values: Sequence[float]) -> Optional[float]:
    """The budget from which on a curve stays at or above a level, by straight lines over the budget's logarithm.

    Args:
      level: Accuracy.
      budgets: Ascending.
      values: Accuracy at each.

    Returns:
      Labels; the first budget where the whole curve is above, None where its end is below.
    """
    below = [place for place, value in enumerate(values) if value < level]
    if not below:
        return float(budgets[0])
    last = below[-1]
    if last == len(budgets) - 1:
        return None
    part = (level - values[last]) / (values[last + 1] - values[last])
    return float(math.exp(np.interp(part, [0, 1], np.log([budgets[last], budgets[last + 1]]))))


def share_of_labels(curves: Mapping[str, Mapping[float, float]], name: str) -> Optional[float]:
    """Part of all labels with which a row reaches what the untrained network reaches with all; None if it never does.

    Args:
      curves: Row -> budget -> accuracy.
      name: The row.
    """
    whole = max(curves[UNTRAINED])
    own = dict(sorted(curves[name].items()))
    found = budget_reaching(curves[UNTRAINED][whole], list(own), list(own.values()))
    return None if found is None else found / whole


def table(found: Found) -> str:
    """A Markdown table, a line a row, a column a budget, and the share of labels; the paper's shares below."""
    budgets = sorted({budget for own in found.values() for budget in own})
    if UNTRAINED not in found:
        return "no run has ended\n"
    means = {name: {budget: each.mean for budget, each in curve(own).items()} for name, own in found.items()}
    head = ["labelled videos", *map(str, budgets), "as many labels as untrained with all", "paper"]
    lines = markdown.head(head)
    of_paper = {name: dict(zip(PAPER_BUDGETS, values)) for name, values in PAPER.items()}
    for name, own in found.items():
        shares = [_percent(share_of_labels(curves, name)) for curves in (means, of_paper)]
        cells = [each.percent for each in curve(own).values()]
        lines.append(markdown.row([name, *cells, *shares]))
    return "\n".join(lines) + "\n"


def _percent(share: Optional[float]) -> str:
    return "never" if share is None else f"{share:.0%}"


def publish(rows: Sequence[Row], budgets: Sequence[int], record: jobs.Record, config: TablesConfig) -> str:
    """Writes table, numbers and figure; returns the table."""
    from elo_tf.plots.files import save
    from experiments import table_plots

    found = accuracies(rows, budgets, record)
    text = table(found)
    if found and not config.smoke:
        stem = pathlib.Path(config.results, "label_budgets")
        about = table_text.about("label_budgets", rows, record, config, tuple(map(str, budgets[:-1])))
        result_files.write(stem, "Table 3 and Fig. 5: label budgets", about, text, {"rows": numbers(found)})
        lines = {name: curve(own) for name, own in found.items()}
        axis = f"labelled videos, of {tables.CLASSES} classes"
        save(table_plots.curves("Fine-tuned accuracy", axis, lines), stem.with_suffix(".png"))
    return text


def numbers(found: Found) -> List[Dict[str, Any]]:
    """The same as JSON, run by run."""
    return [
        {"row": name, "paper": dict(zip(map(str, PAPER_BUDGETS), PAPER.get(name, ()))),
         "runs": [{"world": run[0], "seed": run[1], "labels": budget, "finetune": value}
                  for budget, each in own.items() for run, value in each.items()]}
        for name, own in found.items()
    ]  # fmt: skip


def main() -> None:
    config, own = from_flags(TablesConfig), from_flags(BudgetsConfig)
    if config.smoke:
        config, own = config.small(), BudgetsConfig(2, (UNTRAINED,))
    rows = make_rows(config, own.rows)  # Before anything long: it reads the losses.
    with config.place() as folder:
        places = tables.prepare(config, folder, with_labels=False)
        budgets = ladder(tables.CLASSES, training_videos(places), own.budgets)
        record = tables.run(rows, places, config, [tuple(map(str, budgets[:-1])), (ALL,)])
        print(publish(rows, budgets, record, config))


def training_videos(places: tables.Places) -> int:
    """The labelled videos that train, of the world that has the fewest: halves are dealt by the names of videos."""
    from elo_tf.data.records import Manifest

    return min(Manifest.load(str(folder)).counts["train"] for folder in places.labelled.values())


if __name__ == "__main__":
    command_line.run(main, __doc__, [TablesConfig, BudgetsConfig])
