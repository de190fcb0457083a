"""Table 2, last rows: what does distillation gain, and how much of it do untrained teachers give?

    python -m experiments.table2 --losses=with=FILE,without=FILE --folder=DIR
    python -m experiments.table2 --smoke              a few videos and steps; no results

FILE is the evolved_loss.json of a search, `with` one that has distillation terms, `without` one of --nodistillation:
searched again, as in the paper. Beside these two, the loss of `with` is trained with its distillation terms left out,
and both again with teachers that keep their first weights, so that two differences are told apart:

                            teachers learn     teachers stay untrained
    distillation in              A                      C
    distillation left out        B                      D

A - B is what distillation is worth, C - D what it is worth with untrained teachers. With a frozen teacher, joint
embedding pulls RGB towards random features as well, in C as in D. Fine-tuned accuracy, as in the paper; the two others
stand beside it. Towers are shared with the other tables of DIR (`towers`).

Hardware: 2 cores, a run a core; 2 to 4 minutes a run. Figures: results/table2.md, once it has run.
"""

import dataclasses
import pathlib
from typing import Dict, List, Tuple

from elo_tf.config import InputError, from_flags
from elo_tf.runtime import command_line
from experiments import contrasts, jobs, markdown, result_files, table_text, tables
from experiments.contrasts import Estimate
from experiments.tables import Row, TablesConfig
from experiments.towers import Job

DISTILLATION = ("*/distill/*",)
UNTRAINED, WITH, WITHOUT = "untrained", "ELo", "ELo searched without distillation"
LEFT_OUT, FROZEN, FROZEN_LEFT_OUT = (
    "ELo, distillation left out", "ELo, untrained teachers", "ELo, untrained teachers, distillation left out",
)  # fmt: skip
LOSSES = {"with": WITH, "without": WITHOUT}
# Fine-tuned on HMDB51, the mean of its splits.
PAPER = {UNTRAINED: 35.2, WITH: 67.4, WITHOUT: 53.7}
# What is asked -> row -> weight.
QUESTIONS: Dict[str, Dict[str, float]] = {
    "evolved with distillation, over evolved without": {WITH: 1, WITHOUT: -1},
    "distillation in the evolved loss, over left out": {WITH: 1, LEFT_OUT: -1},
    "the same with untrained teachers": {FROZEN: 1, FROZEN_LEFT_OUT: -1},
    "teachers that learn, over untrained ones, by distillation": {
        WITH: 1, LEFT_OUT: -1, FROZEN: -1, FROZEN_LEFT_OUT: 1,
    },
}  # fmt: skip


def make_rows(config: TablesConfig) -> List[Row]:
    """The rows that losses are given for.

    Raises:
      InputError: there is no loss with distillation, or its file has no such terms.
    """
    given = tables.losses(config, LOSSES)
    if "with" not in given:
        raise InputError("--losses lacks with=FILE, a loss that was evolved with distillation")
    towers: Dict[str, Dict[contrasts.Run, Tuple[Job, ...]]] = {}
    for run in config.runs():
        own = given["with"][run[1] % len(given["with"])]
        whole, less = tables.by_terms(config, run, own), tables.by_terms(config, run, own, without=DISTILLATION)
        if whole == less:
            raise InputError(
                f"--losses: {own} has no distillation of a weight that counts; give one that has, as with="
            )
        made = {UNTRAINED: tables.untrained(config, run), WITH: whole, LEFT_OUT: less}
        made[FROZEN], made[FROZEN_LEFT_OUT] = with_frozen_teachers(whole), with_frozen_teachers(less)
        if "without" in given:
            files = given["without"]
            made[WITHOUT] = tables.by_terms(config, run, files[run[1] % len(files)])
        for name, job in made.items():
            towers.setdefault(name, {})[run] = (job,)
    order = (UNTRAINED, WITH, WITHOUT, LEFT_OUT, FROZEN, FROZEN_LEFT_OUT)
    return [
        Row(name, towers[name], {"finetune": PAPER[name]} if name in PAPER else {}) for name in order if name in towers
    ]


def with_frozen_teachers(job: Job) -> Job:
    """The same training, in which all towers but RGB keep their first weights; without others, the job itself."""
    seen = {modality for name in job.terms for modality in name.split("/")[0].split("-")} - {"rgb"}
    return dataclasses.replace(job, frozen=tuple(sorted(seen)))


def answers(found: Dict[str, contrasts.Values]) -> Dict[str, Dict[str, Estimate]]:
    """Question -> column -> difference, of those that have runs."""
    asked = {
        question: {column: contrasts.contrast(weights, own) for column, own in found.items()}
        for question, weights in QUESTIONS.items()
    }
    return {
        question: own for question, own in asked.items() if own and any(each.runs for each in own.values())
    }  # fmt: skip


def differences(found: Dict[str, contrasts.Values]) -> str:
    """A Markdown table of the answers, in percentage points ± standard error, over the runs that all rows have."""
    shown = [column for column in table_text.COLUMNS if column in found]
    lines = markdown.head(["difference", *(table_text.COLUMNS[column] for column in shown)])
    for question, own in answers(found).items():
        lines.append(markdown.row([question, *(own[column].points for column in shown)]))
    return "\n".join(lines) + "\n"


def publish(rows: List[Row], record: jobs.Record, config: TablesConfig) -> str:
    """Writes tables, numbers and figure; returns the tables."""
    from elo_tf.plots.files import save
    from experiments import table_plots

    found = table_text.values(rows, record)
    text = f"{table_text.table(rows, record)}\n{differences(found)}"
    if not config.smoke:
        stem = pathlib.Path(config.results, "table2")
        about = table_text.about("table2", rows, record, config)
        result_files.write(stem, "Table 2: distillation", about, text, {"rows": table_text.numbers(rows, record)})
        save(table_plots.bars(rows, found), stem.with_suffix(".png"))
    return text


def write_small_loss(folder: pathlib.Path) -> str:
    """A loss of few terms for --smoke; returns its path."""
    from elo_tf.model.objective import save_loss

    path = folder / "evolved_loss.json"
    save_loss(path, ("rgb/shuffle", "flow/distill/stage4", "rgb-flow/embed"), (0.5, 1.0, 0.5), {})
    return str(path)


def main() -> None:
    config = from_flags(TablesConfig)
    if config.smoke:
        config = config.small()
    with config.place() as folder:
        if config.smoke:
            config = dataclasses.replace(config, losses=(f"with={write_small_loss(folder)}",))
        rows = make_rows(config)  # Before anything long: it reads the losses.
        places = tables.prepare(config, folder, with_labels=False)
        record = tables.run(rows, places, config, [("all",)] if config.finetune else ())
        print(publish(rows, record, config))


if __name__ == "__main__":
    command_line.run(main, __doc__, [TablesConfig])
