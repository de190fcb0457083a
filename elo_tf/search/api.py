"""Searches from settings: what `python -m elo_tf.search` does, for programs and notebooks.

result = run(Settings(records="records", run_dir="search", generations=10))
result.lambdas, result.loss          the evolved loss, and its file, which `elo_tf.train` takes
"""

import dataclasses
import os
import pathlib
import shutil
from typing import Dict, List, Optional, Sequence, Tuple, Type

from elo_tf import tasks
from elo_tf.config import (
    BudgetConfig,
    Checked,
    DataConfig,
    DescentConfig,
    EvolutionConfig,
    FitnessConfig,
    InputError,
    LambdaConfig,
    ModelConfig,
    RunConfig,
    TaskConfig,
    TrainConfig,
    part,
    require,
    to_lines,
)
from elo_tf.config import SearchSettings as Settings
from elo_tf.data.clips import check_modalities
from elo_tf.data.frame_memory import allocated, is_supported
from elo_tf.data.reader import check_memory, sizes_at
from elo_tf.data.records import SPLITS, Manifest
from elo_tf.data.selection import Selection
from elo_tf.model.elo_model import EloModel
from elo_tf.runtime import devices
from elo_tf.runtime.storage import absolute, write_text
from elo_tf.runtime.workers.local import LocalEngine
from elo_tf.runtime.workers.select import parse
from elo_tf.search import descents
from elo_tf.search.journal.header import MAY_DIFFER, make_header
from elo_tf.search.journal.journal import Journal
from elo_tf.search.loop import Search
from elo_tf.search.reporting import report
from elo_tf.search.reporting.findings import Standing, findings, winner
from elo_tf.search.settings import GRADIENT, fixed_vectors, initial_vector, make_rungs, make_strategy, size_of
from elo_tf.search.trials import candidate
from elo_tf.search.trials.scheduler import Crew
from elo_tf.search.trials.worker import About, CandidateWorker
from elo_tf.tasks import Task, presence, views

LEAST_FREE_BYTES = 64 * 2**20

# What the journal's header records: not where the work is done.
_RECORDED = (RunConfig, DataConfig, ModelConfig, TaskConfig, TrainConfig, FitnessConfig, EvolutionConfig)


@dataclasses.dataclass(frozen=True)
class Result:
    """What a search has found; RUN_DIR has the rest.

    Attributes:
      run_dir: Directory of the run.
      lambdas: Weights of the evolved loss, in [0,1], by name.
      fitness: Its fitness, which the search minimises; the mean over fresh seeds where it was trained again.
      error: Standard error of the fitness; None where it is unknown.
      candidate: Its number.
    """

    run_dir: pathlib.Path
    lambdas: Dict[str, float]
    fitness: float
    error: Optional[float]
    candidate: int

    @property
    def loss(self) -> pathlib.Path:
        """File of the evolved loss."""
        return self.run_dir / "evolved_loss.json"

    @property
    def report(self) -> pathlib.Path:
        """The page that shows the search."""
        return self.run_dir / report.FILE


def run(settings: Settings) -> Result:
    """Runs a search, or what is left of it; prints how it goes.

    Raises:
      InputError: a setting, a file or a folder cannot be used, too many candidates failed, or none was feasible.
      OSError: a file cannot be read or written.
    """
    _check_paths(settings)
    manifest = Manifest.load(settings.records)
    terms = _terms(settings)
    for modality, view in {pair for term in terms for pair in term.views}:
        views.check(view, modality, settings.frames)
    names = tuple(term.name for term in terms)
    descents.check(settings, settings)
    presence.check_heard(terms, manifest.sounding("train"), settings.records)
    vectors = fixed_vectors(settings, names, settings.loss_units, settings.descents)
    initial = initial_vector(settings, names, settings.loss_units)
    learns = settings.strategy == GRADIENT
    strategy = make_strategy(settings, len(names), settings.seed, vectors, None if learns else initial)
    make_rungs(settings, settings.steps, strategy.population)
    kinds: List[Type[Checked]] = [*_RECORDED, *([DescentConfig] if learns else [])]
    recorded = [part(settings, kind) for kind in kinds]
    header = make_header(settings.seed, recorded, names, manifest, vectors, initial)
    devices.set_up()
    engine = parse(settings.workers, settings.ray_address, settings.gpus_per_candidate, devices.gpus())
    engine.start_minutes = settings.start_minutes
    share = isinstance(engine, LocalEngine) and engine.count > 1 and is_supported()
    if isinstance(engine, LocalEngine):
        _check_memory(settings, manifest, 1 if share else engine.count)
    # From here on there are files: settings that can be refused without a look at the videos have been.
    directory = _run_directory(settings)
    file, parts = str(directory / "journal.jsonl"), candidate.PARTS if share else ()
    with engine, allocated(parts) as shared, Journal.open(file, header, MAY_DIFFER) as journal:
        arguments = (_of_workers(settings), shared)
        crew = Crew(engine, CandidateWorker, arguments, settings.retries, settings.trial_minutes)
        with crew:  # It starts workers only when there is something to do.
            write_text(directory / "flags.txt", to_lines(settings))
            if learns:
                vectors = descents.learned(journal, crew, settings.descents, initial)
                strategy = make_strategy(settings, len(names), settings.seed, vectors)
            search = Search(journal, part(settings, EvolutionConfig), directory, strategy)
            if search.is_left():
                print(f"Preparing: reading {settings.records}, building towers and tasks ...", flush=True)
                _announce(search.begin(crew), names, crew, search.trainings(), len(journal.results()))
                search.run(crew)
        won = _finish(journal, directory, {term.name: term.code for term in terms})
    return Result(directory, dict(zip(names, won.lambdas.tolist())), won.value, won.error, won.candidate)


def dry_run(settings: Settings, budget: BudgetConfig) -> None:
    """Prints what a search takes, and runs nothing; needs no records."""
    from elo_tf.costs.budget_report import Plan
    from elo_tf.costs.budget_report import dry_run as print_budget

    names = [term.name for term in _terms(settings)]
    size = size_of(settings, names, settings.loss_units, settings.steps, settings.descents)
    manifest = Manifest.load(settings.records) if settings.records else None
    plan = Plan(
        part(settings, DataConfig),
        part(settings, ModelConfig),
        part(settings, TaskConfig),
        part(settings, TrainConfig),
        budget,
        manifest,
        size,
    )
    print_budget(plan)


def list_losses(settings: Settings) -> None:
    """Prints the terms of the genome that the settings name; needs no records."""
    from elo_tf.model.term_table import catalogue, table

    sizes = sizes_at(settings.crop_size or 56, settings)
    print(table(catalogue(EloModel(_terms(settings), sizes, settings.backbone))))


def _terms(settings: Settings) -> Sequence[Task]:
    """The terms of the genome, in canonical order."""
    return tasks.select(check_modalities(settings.modalities), settings.tasks, part(settings, TaskConfig))


def _check_paths(run: RunConfig) -> None:
    """Raises `InputError` where a path is not given, or that of the records is no folder."""
    require(run, "records", "run_dir")
    if "://" in run.run_dir:
        raise InputError(
            f"--run_dir={run.run_dir} is not a local path; use a folder on this machine, or one mounted on it"
        )
    if not os.path.isdir(run.records) and "://" not in run.records:
        raise InputError(f"--records={run.records} is not a folder; make records with python -m elo_tf.prepare")


def _check_memory(settings: Settings, manifest: Manifest, copies: int) -> None:
    """Raises `InputError` where workers of this machine would keep more videos in memory than it has, so many times."""
    kept = [Selection(manifest, manifest.of_split(split)) for split in SPLITS]
    needed = sum(selection.resident_bytes(settings.resident_gb) for selection in kept)
    check_memory(needed, settings.records, copies)


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


def _of_workers(settings: Settings) -> candidate.Settings:
    """Settings of the workers: those on other machines do not start in this folder."""
    moved = dataclasses.replace(
        settings,
        records=absolute(settings.records),
        run_dir=absolute(settings.run_dir),
        labelled=absolute(settings.labelled),
    )
    return candidate.Settings(
        part(moved, RunConfig),
        part(moved, DataConfig),
        part(moved, ModelConfig),
        part(moved, TaskConfig),
        part(moved, TrainConfig),
        part(moved, FitnessConfig),
        part(moved, LambdaConfig),
    )


def _announce(about: About, names: Tuple[str, ...], crew: Crew, trainings: int, done: int) -> None:
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


def _finish(journal: Journal, directory: pathlib.Path, codes: Dict[str, str]) -> Standing:
    """Writes the figures and the report, prints the findings, and returns the loss that won.

    Args:
      journal: Of the search.
      directory: Of the run.
      codes: Name of each term -> its short form.

    Raises:
      InputError: no candidate was feasible.
    """
    report.write(journal, codes, directory)
    won = winner(journal)
    if won is None:
        candidates = sum(len(generation.candidates) for generation in journal.generations())
        reason = next(result.reason for result in journal.results() if result.value is None)
        raise InputError(
            f"none of {candidates} candidates was feasible, so there is no evolved loss; first reason: {reason}; try "
            "more --steps, a lower --learning_rate or, if the health gate refuses all, --nohealth_gate, each with a "
            "new --run_dir"
        )
    print(findings(journal, codes, directory))
    return won
