"""Rows of accuracies as text and as numbers, the paper's beside ours."""

from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from experiments import jobs, markdown, search_flags
from experiments.contrasts import Run, estimate
from experiments.tables import Row, TablesConfig
from experiments.towers import FineTuning, Job

COLUMNS = {"kmeans": "k-means", "linear": "1-layer", "finetune": "fine-tuned"}


def values(
    rows: Sequence[Row], record: jobs.Record, columns: Sequence[str] = tuple(COLUMNS)
) -> Dict[str, Dict[str, Dict[Run, float]]]:
    """Column -> row -> run -> accuracy in [0,1], the mean over the towers that a row has in a run.

    What has not run, or diverged, is left out.
    """
    found: Dict[str, Dict[str, Dict[Run, float]]] = {}
    for row in rows:
        for run, towers in row.towers.items():
            for column in columns:
                own = [each for each in (_accuracy(job, column, record) for job in towers) if each is not None]
                if own:
                    found.setdefault(column, {}).setdefault(row.name, {})[run] = float(np.mean(own))
    return found


def _accuracy(job: Job, column: str, record: jobs.Record) -> Optional[float]:
    if column != "finetune":
        return record[job].get(column) if job in record else None
    tuned = FineTuning(job)
    return record[tuned].get("accuracy", [None])[0] if tuned in record else None


def diverged(row: Row, record: jobs.Record) -> List[str]:
    """Why towers of a row have no accuracy."""
    return [
        f"{world}, seed {seed}: {record[job]['reason']}"
        for (world, seed), towers in row.towers.items()
        for job in towers
        if job in record and "reason" in record[job]
    ]


def table(rows: Sequence[Row], record: jobs.Record) -> str:
    """A Markdown table, a line a row with results: the paper's accuracies beside ours, in percent ± standard error."""
    found = values(rows, record)
    shown = [column for column in COLUMNS if column in found]
    head = ["trained by", *(cell for column in shown for cell in (f"paper: {COLUMNS[column]}", "here")), "runs", "note"]
    lines = markdown.head(head)
    for row in rows:
        own = {column: found[column].get(row.name, {}) for column in shown}
        if not any(own.values()):
            continue
        cells = [row.name]
        for column in shown:
            paper = row.paper.get(column)
            cells += ["" if paper is None else f"{paper:.1f}", estimate(list(own[column].values())).percent]
        cells += [str(max(map(len, own.values()))), "; ".join([row.note] * bool(row.note) + diverged(row, record))]
        lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"


def numbers(rows: Sequence[Row], record: jobs.Record, columns: Sequence[str] = tuple(COLUMNS)) -> List[Dict[str, Any]]:
    """The same as JSON, run by run, accuracies in [0,1]; the paper's in percent."""
    found = values(rows, record, columns)
    listed = []
    for row in rows:
        runs = [
            {"world": run[0], "seed": run[1], **{name: own[row.name][run] for name, own in found.items()
                                                 if run in own.get(row.name, {})}}
            for run in row.towers
        ]  # fmt: skip
        listed.append({"row": row.name, "paper": dict(row.paper), "note": row.note,
                       "runs": [each for each in runs if len(each) > 2]})  # fmt: skip
    return listed


def about(
    experiment: str, rows: Sequence[Row], record: jobs.Record, config: TablesConfig, budgets: Sequence[str] = ()
) -> Dict[str, Any]:
    """The head of the results; the cost is that of towers and of their fine-tuning by all labels and by `budgets`."""
    towers = {job for row in rows for own in row.towers.values() for job in own}
    tuned = [FineTuning(job, each) for job in towers for each in {FineTuning(job).budgets, tuple(budgets)}]
    done = [record[job] for job in (*towers, *tuned) if job in record]
    videos = sorted({each["test_videos"] for each in done if "test_videos" in each})
    return {
        **search_flags.head(experiment, "run"),
        "worlds": ", ".join(config.worlds),
        "budget": f"{config.clips} clips of {config.videos} videos a tower",
        "test videos": ", ".join(map(str, videos)) or "none yet",
        "cost": f"{sum(each['seconds'] for each in done) / 3600:.2f} core-hours, {len(towers)} towers",
        "errors": "standard errors of the mean over runs; a run is a world and a seed",
    }
