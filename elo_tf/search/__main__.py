"""Evolves the loss: searches the lambdas of Eq. 1 by the score of the RGB tower that each loss trains (Sec. 3.2).

    python -m elo_tf.search --flagfile=experiments/flagfiles/demo.flags --records=DIR --run_dir=DIR
    python -m elo_tf.search --report=RUN_DIR
    python -m elo_tf.search --flagfile=experiments/flagfiles/paper_search.flags --dry_run

RUN_DIR receives flags.txt (usable as --flagfile), journal.jsonl, evolved_loss.json, figures/, clusters.npz,
tensorboard/ and report.html. A search that was interrupted, by whatever, continues when the command is given again: no
finished candidate runs twice. The second command draws figures and report anew, also while the search runs. The third
builds and checks everything without running it, and prints what the search would take on rented machines.
"""

import dataclasses
import os
import pathlib
import shutil
from typing import Dict, Tuple

from absl import flags

from elo_tf import config, tasks
from elo_tf.config import (
    BudgetConfig,
    DataConfig,
    EvolutionConfig,
    FitnessConfig,
    InputError,
    ModelConfig,
    RunConfig,
    TaskConfig,
    TrainConfig,
    WorkersConfig,
    define_path,
)
from elo_tf.data.clips import check_modalities
from elo_tf.data.reader import sizes_at
from elo_tf.data.records import Manifest
from elo_tf.model.elo_model import EloModel
from elo_tf.runtime import command_line
from elo_tf.runtime.storage import absolute, write_text
from elo_tf.runtime.workers.select import parse
from elo_tf.search.journal.header import MAY_DIFFER, make_header
from elo_tf.search.journal.journal import Journal
from elo_tf.search.loop import Search
from elo_tf.search.reporting import report
from elo_tf.search.reporting.findings import findings, winner
from elo_tf.search.settings import fixed_vectors, make_rungs, make_strategy, size_of
from elo_tf.search.trials.candidate import Settings
from elo_tf.search.trials.scheduler import Crew
from elo_tf.search.trials.worker import About, CandidateWorker, leave_gpus
from elo_tf.tasks import views

CONFIGS = (RunConfig, DataConfig, ModelConfig, TaskConfig, TrainConfig, FitnessConfig, EvolutionConfig)

LEAST_FREE_BYTES = 64 * 2**20

_LIST_LOSSES = flags.DEFINE_bool("list_losses", False, "print the terms of the genome and end; needs no records")

_REPORT = define_path("report", None, "run directory whose figures and report are drawn anew; no other flag")


def main() -> None:
    """Runs or continues a search, as the flags say."""
    if _REPORT.value:
        print(report.redraw(_REPORT.value))
        return
    run, data, model, task, train, fitness, evolution = configs = tuple(config.from_flags(kind) for kind in CONFIGS)
    workers = config.from_flags(WorkersConfig)
    if _LIST_LOSSES.value:
        list_losses(data, model, task)
        return
    budget = config.from_flags(BudgetConfig)
    if budget.dry_run:
        from elo_tf.costs.budget_report import Plan, dry_run

        terms = tasks.select(check_modalities(model.modalities), model.tasks, task)
        size = size_of(evolution, [term.name for term in terms], task.loss_units, train.steps)
        dry_run(Plan(data, model, task, train, budget, run.records, size))
        return
    _check_paths(run)
    manifest = Manifest.load(run.records)
    terms = tasks.select(check_modalities(model.modalities), model.tasks, task)
    for modality, view in {pair for term in terms for pair in term.views}:
        views.check(view, modality, data.frames)
    names = tuple(term.name for term in terms)
    vectors = fixed_vectors(evolution, names, task.loss_units)
    strategy = make_strategy(evolution, len(names), run.seed, vectors)
    make_rungs(evolution, train.steps, strategy.population)
    header = make_header(run.seed, configs, names, manifest, vectors)
    leave_gpus()
    engine = parse(workers.workers, workers.ray_address, evolution.gpus_per_candidate)
    # From here on there are files: flags that can be refused without a look at the videos have been.
    directory = _run_directory(run)
    with engine, Journal.open(str(directory / "journal.jsonl"), header, MAY_DIFFER) as journal:
        search = Search(journal, evolution, directory, strategy)
        write_text(directory / "flags.txt", config.to_lines(*configs, workers))
        if search.is_left():
            # Workers on other machines do not start in this folder.
            there = dataclasses.replace(run, records=absolute(run.records), run_dir=absolute(run.run_dir))
            labelled = dataclasses.replace(fitness, labelled=absolute(fitness.labelled))
            settings = Settings(there, data, model, task, train, labelled)
            with Crew(engine, CandidateWorker, (settings,), evolution.retries) as crew:
                print(f"Preparing: reading {run.records}, building towers and tasks ...", flush=True)
                announce(search.begin(crew), names, crew, search.trainings(), len(journal.results()))
                search.run(crew)
        finish(journal, directory, {term.name: term.code for term in terms})


def list_losses(data: DataConfig, model: ModelConfig, task: TaskConfig) -> None:
    """Prints the terms of the genome that the flags name; records are not needed."""
    from elo_tf.model.term_table import catalogue, table

    sizes = sizes_at(data.crop_size or 56, data)
    terms = tasks.select(check_modalities(model.modalities), model.tasks, task)
    print(table(catalogue(EloModel(terms, sizes, model.backbone))))


def _check_paths(run: RunConfig) -> None:
    """Raises `InputError` where a path is not given, or that of the records is no folder."""
    for name in ("records", "run_dir"):
        if not getattr(run, name):
            raise InputError(f"--{name} is not given; see --help")
    if "://" in run.run_dir:
        raise InputError(f"--run_dir={run.run_dir} must be a folder of this machine, or one mounted on it")
    if not os.path.isdir(run.records) and "://" not in run.records:
        raise InputError(f"--records={run.records} is no folder; make records with python -m elo_tf.prepare")


def _run_directory(run: RunConfig) -> pathlib.Path:
    """The run directory, made if need be.

    Raises:
      InputError: the disk is nearly full.
    """
    directory = pathlib.Path(run.run_dir)
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free < LEAST_FREE_BYTES:
        raise InputError(f"--run_dir={directory} has {free >> 20} MiB free; make room for {LEAST_FREE_BYTES >> 20} MiB")
    return directory


def announce(about: About, names: Tuple[str, ...], crew: Crew, trainings: int, done: int) -> None:
    """Prints what the search is about to do."""
    videos = ", ".join(f"{count} {purpose}" for purpose, count in about.videos.items())
    print(f"{len(names)} lambdas; videos: {videos}; {trainings} trainings, {done} already done; {crew.size} workers")
    for purpose, count in about.excluded.items():
        if count:
            print(f"{count} videos {purpose} are too short for the clips asked for and left out")
    scores = ("zipf", "zipf_scale_free", "agreement_adjusted", "weak")
    shown = [f"{name} {about.untrained[name]:.3f}" for name in scores if name in about.untrained]
    print(f"untrained tower: {', '.join(shown)}", flush=True)
    if "agreement" not in about.untrained:
        print(
            "too few clips to score on have the modality of --agree_with, or all are alike in it: agreement is not "
            "measured",
            flush=True,
        )


def finish(journal: Journal, directory: pathlib.Path, codes: Dict[str, str]) -> None:
    """Writes the figures and the report, and prints the findings.

    Args:
      journal: Of the search.
      directory: Of the run.
      codes: Name of each term -> its short form.

    Raises:
      InputError: no candidate was feasible.
    """
    report.write(journal, codes, directory)
    if winner(journal) is None:
        candidates = sum(len(generation.candidates) for generation in journal.generations())
        reason = next(result.reason for result in journal.results() if result.value is None)
        raise InputError(
            f"none of {candidates} candidates was feasible, so there is no evolved loss; first reason: {reason}; try "
            "other --steps, another --learning_rate or, where the health gate refuses all, --nohealth_gate, each with "
            "a new --run_dir"
        )
    print(findings(journal, codes, directory))


if __name__ == "__main__":
    command_line.run(main, __doc__, (*CONFIGS, WorkersConfig, BudgetConfig))
