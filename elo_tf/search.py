"""Evolves the loss: searches the lambdas of Eq. 1 by the score of the RGB tower that each loss trains (Sec. 3.2).

    python -m elo_tf.search --flagfile=experiments/flagfiles/demo.flags --records=DIR --run_dir=DIR
    python -m elo_tf.search --report=RUN_DIR

RUN_DIR receives flags.txt (usable as --flagfile), journal.jsonl, evolved_loss.json, figures/, clusters.npz and
report.html. A search that was interrupted, by whatever, continues when the command is given again: no finished
candidate runs twice. The second command draws figures and report anew, also while the search runs.
"""

import dataclasses
import gc
import hashlib
import json
import math
import os
import pathlib
import platform
import shutil
import sys
import time
from importlib import metadata
from typing import Any, Dict, Tuple

import numpy as np
from absl import flags
from tqdm import tqdm

from elo_tf import command_line, config, exhibit, report, tasks
from elo_tf.candidate import CandidateRunner, Outcome, Settings
from elo_tf.clips import ClipSizes, check_modalities
from elo_tf.config import (
    DataConfig,
    EvolutionConfig,
    FitnessConfig,
    InputError,
    ModelConfig,
    RunConfig,
    TaskConfig,
    TrainConfig,
)
from elo_tf.evolution import base
from elo_tf.findings import best_result, findings
from elo_tf.history import Result
from elo_tf.ingest.records import Manifest
from elo_tf.journal import Journal
from elo_tf.model import EloModel
from elo_tf.objective import save_loss, schema_hash
from elo_tf.progress import progress_bar
from elo_tf.storage import write_text
from elo_tf.training_log import TrainingLog

CONFIGS = (RunConfig, DataConfig, ModelConfig, TaskConfig, TrainConfig, FitnessConfig, EvolutionConfig)

# Flags that may change when a search is continued: where it lies, how long it goes on, what is recorded of it.
MAY_DIFFER = ("records", "run_dir", "generations", "log_every", "share_every")

LEAST_FREE_BYTES = 64 * 2**20

# Name of the journal's note of the units of the terms.
UNITS = "loss_units"

_LIST_LOSSES = flags.DEFINE_bool("list_losses", False, "print the terms of the genome and end; needs no records")
_REPORT = flags.DEFINE_string("report", None, "run directory whose figures and report are drawn anew; no other flag")


def main() -> None:
    """Runs or continues a search, as the flags say."""
    if _REPORT.value:
        print(report.redraw(_REPORT.value))
        return
    run, data, model, task, train, fitness, evolution = configs = tuple(config.from_flags(kind) for kind in CONFIGS)
    if _LIST_LOSSES.value:
        list_losses(data, model, task)
        return
    directory = _run_directory(run)
    manifest = Manifest.load(run.records)
    terms = tasks.select(check_modalities(model.modalities), model.tasks, task)
    header = _header(run.seed, configs, [term.name for term in terms], manifest)
    with Journal.open(str(directory / "journal.jsonl"), header, MAY_DIFFER) as journal:
        write_text(directory / "flags.txt", config.to_lines(*configs))
        search = Search(journal, evolution, directory)
        if search.is_left() or search.lacks_exhibit():
            _limit_threads(run.threads)
            print(f"Preparing: reading {run.records}, building towers and tasks ...", flush=True)
            runner = CandidateRunner(Settings(run, data, model, task, train, fitness))
            # The graphs stay until the end: looking through them for garbage costs half a second each time.
            gc.freeze()
            search.run(runner)
        search.finish({term.name: term.code for term in terms})


def list_losses(data: DataConfig, model: ModelConfig, task: TaskConfig) -> None:
    """Prints the terms of the genome that the flags name; records are not needed."""
    from elo_tf.catalogue import catalogue, table

    sizes = ClipSizes(data.frames, data.future_frames, data.crop_size or 56, data.audio_steps, data.mel_bins)
    terms = tasks.select(check_modalities(model.modalities), model.tasks, task)
    print(table(catalogue(EloModel(terms, sizes, model.backbone))))


def _run_directory(run: RunConfig) -> pathlib.Path:
    """The run directory, made if need be.

    Raises:
      InputError: a path is not given, or the disk is nearly full.
    """
    for name in ("records", "run_dir"):
        if not getattr(run, name):
            raise InputError(f"--{name} is not given; see --help")
    if not os.path.isdir(run.records) and "://" not in run.records:
        raise InputError(f"--records={run.records} is no folder; make records with python -m elo_tf.prepare")
    directory = pathlib.Path(run.run_dir)
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free < LEAST_FREE_BYTES:
        raise InputError(f"--run_dir={directory} has {free >> 20} MiB free; make room for {LEAST_FREE_BYTES >> 20} MiB")
    return directory


def _limit_threads(threads: int) -> None:
    """Fixes the arithmetic: how many threads share a sum, and no operation whose result depends on the moment."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads or os.cpu_count())
    tf.config.threading.set_inter_op_parallelism_threads(threads or os.cpu_count())
    tf.config.experimental.enable_op_determinism()


def _header(seed: int, configs: Tuple[Any, ...], names: Tuple[str, ...], manifest: Manifest) -> Dict[str, Any]:
    """What a search depends on, for the first line of its journal."""
    settings = {}
    for values in configs:
        settings.update(dataclasses.asdict(values))
    settings.pop("seed")
    videos = [(video["id"], video["split"], video["frames"]) for video in manifest.usable]
    content = json.dumps([manifest.settings, manifest.sample_rate, videos], sort_keys=True)
    packages = ("tensorflow", "keras", "tensorflow-io", "tensorflow-addons", "cma", "numpy")
    return {
        "seed": seed,
        "names": list(names),
        "schema": schema_hash(names),
        "records_hash": hashlib.sha256(content.encode()).hexdigest()[:16],
        "settings": settings,
        "packages": {**{name: metadata.version(name) for name in packages}, "python": platform.python_version()},
    }


class Search:
    """Ask, run, tell, until the rounds are done; the journal is its only state.

    Args:
      journal: Open; what it holds is replayed, not repeated.
      evolution: Settings of the strategy.
      directory: The run directory.
    """

    def __init__(self, journal: Journal, evolution: EvolutionConfig, directory: pathlib.Path):
        self.journal = journal
        self.evolution = evolution
        self.directory = directory
        try:
            self.strategy = base.create(
                evolution.strategy,
                dimensions=len(journal.names),
                seed=journal.header["seed"],
                population=evolution.population,
                initial_step=evolution.initial_step,
            )
            base.replay(self.strategy, [(each.lambdas, each.fitness()) for each in journal.generations()])
        except ValueError as error:
            raise InputError(f"--strategy={evolution.strategy} in {directory}: {error}") from None

    def is_left(self) -> bool:
        """Whether candidates are still to be run."""
        generations = self.journal.generations()
        if generations and not generations[-1].complete:
            return True
        return len(generations) < self.evolution.generations and not self.strategy.stop()

    def run(self, runner: CandidateRunner) -> None:
        """Runs what is missing."""
        results = [result for generation in self.journal.generations() for result in generation.results]
        done = sum(result is not None for result in results)
        self._announce(runner, done)
        self._agree_on_units(runner)
        if report.UNTRAINED not in self.journal.notes:
            self.journal.note(report.UNTRAINED, runner.untrained.diagnostics)
        total = self.evolution.generations * self.strategy.population
        steps = runner.settings.train.steps
        with progress_bar(total * steps, "step", done * steps) as bar:
            while self.is_left():
                self._run_generation(runner, bar)
        for reason in self.strategy.stop():
            print(f"The strategy stopped: {reason}")
        if self.lacks_exhibit():
            self._exhibit_best(runner)

    def lacks_exhibit(self) -> bool:
        """Whether there is a best candidate whose clusters are not on disk."""
        best = best_result(self.journal.generations())
        return best is not None and not exhibit.shows(self.directory / exhibit.FILE, best[0].lambdas[best[1]])

    def _exhibit_best(self, runner: CandidateRunner) -> None:
        """Saves what the clusters of the best candidate look like; it runs once more, as no weights were kept."""
        generation, place, _ = best_result(self.journal.generations())
        print(f"Running the best candidate, {generation.candidates[place]}, again for the report ...", flush=True)
        runner.run(generation.lambdas[place])
        runner.exhibit().save(self.directory / exhibit.FILE)

    def _announce(self, runner: CandidateRunner, done: int) -> None:
        print(
            f"{len(runner.names)} lambdas, {runner.training.videos.count} videos to train on, "
            f"{runner.scoring.videos.count} to score on; {self.evolution.generations} generations of "
            f"{self.strategy.population} candidates of {runner.settings.train.steps} steps, {done} already done"
        )
        for part, reader in (("training", runner.training), ("scoring", runner.scoring)):
            if reader.excluded:
                print(f"{reader.excluded} {part} videos are too short for the clips asked for and left out")
        measured = runner.untrained.diagnostics
        shown = [name for name in ("zipf", "zipf_scale_free", "agreement_adjusted") if name in measured]
        print(f"untrained tower: {', '.join(f'{name} {measured[name]:.3f}' for name in shown)}", flush=True)

    def _agree_on_units(self, runner: CandidateRunner) -> None:
        """Measures the units of the terms once a search; afterwards they are those of its journal."""
        if runner.settings.task.loss_units == "gradient":
            if UNITS not in self.journal.notes:
                self.journal.note(UNITS, runner.measure_units())
            runner.assign_units(self.journal.notes[UNITS])

    def _run_generation(self, runner: CandidateRunner, bar: tqdm) -> None:
        """Runs the candidates of one generation that have no result yet."""
        generations = self.journal.generations()
        if not generations or generations[-1].complete:
            self.journal.ask(self.strategy.ask())
        generation = self.journal.generations()[-1]
        for candidate, lambdas, result in zip(generation.candidates, generation.lambdas, generation.results):
            if result is None:
                self._run_candidate(runner, candidate, lambdas, bar)
        generation = self.journal.generations()[-1]
        self.strategy.tell(generation.lambdas, generation.fitness())
        if all(result.value is None for result in generation.results):
            bar.write(
                f"Generation {generation.index}: no candidate is feasible; the first: {generation.results[0].reason}",
                file=sys.stderr,
            )
        self._save_best()

    def _run_candidate(self, runner: CandidateRunner, candidate: int, lambdas: np.ndarray, bar: tqdm) -> None:
        begun, before = time.perf_counter(), bar.n
        log = None
        if runner.settings.train.log_every or runner.settings.train.share_every:
            log = TrainingLog(
                self.directory / "tensorboard" / f"{candidate:05d}",
                dict(zip(self.journal.names, lambdas)),
                warn=lambda message: bar.write(f"candidate {candidate}, {message}", file=sys.stderr),
            )
        outcome = runner.run(lambdas, bar.update, log)
        if log:
            log.close()
        # A candidate that diverged has not used all of its steps.
        bar.update(before + runner.settings.train.steps - bar.n)
        self.journal.tell(candidate, _result(outcome, time.perf_counter() - begun))
        best = best_result(self.journal.generations())
        bar.set_postfix_str(f"best {best[2].value:.4f}" if best else "none feasible")

    def _save_best(self) -> None:
        best = best_result(self.journal.generations())
        if best:
            generation, place, result = best
            results = [result for each in self.journal.generations() for result in each.results if result]
            about = {
                "strategy": self.evolution.strategy,
                "fitness": {
                    "name": self.journal.header["settings"]["fitness"],
                    "value": result.value,
                    "deviation": result.deviation,
                    "restarts": result.restarts,
                },
                "candidate": generation.candidates[place],
                "generation": generation.index,
                "evaluations": len(results),
                "infeasible": sum(each.value is None for each in results),
                "seconds": round(sum(each.seconds for each in results), 1),
            }
            path = self.directory / "evolved_loss.json"
            save_loss(path, self.journal.names, generation.lambdas[place], about, self.journal.notes.get(UNITS))

    def finish(self, codes: Dict[str, str]) -> None:
        """Writes the figures and the report, and prints the findings.

        Args:
          codes: Name of each term -> its short form.

        Raises:
          InputError: no candidate was feasible.
        """
        report.write(self.journal, codes, self.directory)
        generations = self.journal.generations()
        best = best_result(generations)
        if best is None:
            reasons = sorted({result.reason for each in generations for result in each.results})
            raise InputError(
                f"none of {sum(len(each.results) for each in generations)} candidates was feasible, so there is no "
                f"evolved loss; first reason: {reasons[0]}; try more --steps or another --learning_rate"
            )
        print(findings(self.journal, codes, self.directory))


def _result(outcome: Outcome, seconds: float) -> Result:
    """An outcome as the journal takes it."""
    fitness = outcome.fitness
    extra = {f"loss/{name}": value for name, value in outcome.losses.items() if math.isfinite(value)}
    extra.update({f"seconds/{name}": value for name, value in outcome.seconds.items()})
    diagnostics = {**fitness.diagnostics, **extra}
    return Result(fitness.value, fitness.reason, fitness.deviation, fitness.restarts, diagnostics, seconds)


if __name__ == "__main__":
    command_line.run(main, __doc__, CONFIGS)
