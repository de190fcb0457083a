"""Trains from settings: what `python -m elo_tf.train` does, for programs and notebooks.

result = run(Settings(loss="search/evolved_loss.json", records="records", run_dir="run", steps=10000))
result.tower().network               the RGB tower that it has trained
"""

import contextlib
import dataclasses
import json
import pathlib
from typing import Any, Callable, Collection, ContextManager, Dict, Optional, Tuple

import tensorflow as tf

from elo_tf.config import (
    BudgetConfig,
    DataConfig,
    FinalRunConfig,
    FinalTrainConfig,
    InputError,
    ModelConfig,
    TaskConfig,
    WeightingConfig,
    part,
    require,
    to_lines,
)
from elo_tf.config import TrainSettings as Settings
from elo_tf.data.records import Manifest
from elo_tf.model.objective import read_loss
from elo_tf.networks.tower import Description, Tower
from elo_tf.runtime import devices
from elo_tf.runtime.storage import claim_folder, write_text
from elo_tf.tasks import presence
from elo_tf.train import replicas, run_file, terms
from elo_tf.train.progress_log import Account
from elo_tf.train.settings import Settings as TrainerSettings
from elo_tf.train.trainer import DivergedError, Trainer

__all__ = ["DivergedError", "Result", "Settings", "dry_run", "run"]

LOSS = "loss.json"

# Enters where the training begins, and gives what is asked at every step whether it shall stop.
Interruption = ContextManager[Callable[[], bool]]


@dataclasses.dataclass(frozen=True)
class Result:
    """What a training has come to; RUN_DIR has the rest.

    Attributes:
      run_dir: Directory of the run.
      step: Steps that are done.
      steps: Steps of the whole training.
      checkpoint: Prefix of the last checkpoint.
    """

    run_dir: pathlib.Path
    step: int
    steps: int
    checkpoint: str

    @property
    def finished(self) -> bool:
        """Whether all steps are done; if not, it was asked to stop."""
        return self.step >= self.steps

    def tower(self) -> Tower:
        """The RGB tower of the last checkpoint."""
        return Tower.load(self.checkpoint)


def run(
    settings: Settings, given: Optional[Collection[str]] = None, interruption: Optional[Interruption] = None
) -> Result:
    """Trains, or goes on training; prints how it goes.

    It seeds the generators of Python, NumPy and TensorFlow in this process; kernels that `deterministic` asks for stay.

    Args:
      settings: Of the training. How the terms of a searched loss are formed, its file says.
      given: Names of settings that count for more than the file; where it is None, those of `TaskConfig` that are not
        at their default.
      interruption: Asked at every step; the training saves and ends when it says so. None never does.

    Raises:
      InputError: a setting, a file or a folder cannot be used.
      OSError: a file cannot be read or written, or another process that trains along has ended.
      DivergedError: a term stopped being finite; the message names it, the step and the last good checkpoint.
    """
    settings.check_devices(settings.precision)
    require(settings, "loss", "records", "run_dir")
    devices.set_up(settings.threads)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = replicas.make_strategy(settings.distribute, settings.tpu, settings.cluster_minutes)
    with replicas.in_company(strategy), devices.precision(settings.precision):
        return _run(settings, given, strategy, interruption or contextlib.nullcontext(lambda: False))


def _run(
    settings: Settings, given: Optional[Collection[str]], strategy: tf.distribute.Strategy, interruption: Interruption
) -> Result:
    directory, is_chief = pathlib.Path(settings.run_dir), replicas.number(strategy) == 0
    parts = TrainerSettings(
        part(settings, FinalRunConfig),
        part(settings, DataConfig),
        part(settings, ModelConfig),
        part(settings, FinalTrainConfig),
        part(settings, WeightingConfig),
    )
    with contextlib.ExitStack() as held:
        with replicas.refused_together(strategy):
            task, chosen = _choose(settings, given)
            manifest = Manifest.load(settings.records)
            presence.check_heard(chosen.tasks, manifest.sounding("train"), settings.records)
            facts = run_file.facts_of(parts, task, chosen, manifest)
            if is_chief:
                busy = f"--run_dir={directory} is in use by another training; wait, or use another"
                held.enter_context(claim_folder(directory, busy))
                run_file.check_run(directory, facts)
        if not replicas.are_alike(strategy, run_file.number_of(facts)):
            raise InputError("the processes have different flags, losses, records or packages; start all with the same")
        training = Trainer(parts, chosen, strategy, manifest)
        if is_chief:
            # Only now: the trainer refuses what does not fit, and a refused run leaves nothing to compare with.
            run_file.begin(directory, facts)
            formed = dataclasses.replace(settings, **dataclasses.asdict(task))
            write_text(directory / "flags.txt", to_lines(formed))
        try:
            _train(training, chosen, directory if is_chief else None, facts, interruption)
        except DivergedError as error:
            last = training.checkpoints.last
            raise DivergedError(f"{error}; the last good checkpoint is {last}") from error
        return Result(directory, training.done, training.steps, str(training.checkpoints.last))


def dry_run(settings: Settings, budget: BudgetConfig, given: Optional[Collection[str]] = None) -> None:
    """Prints what a training takes, and trains nothing; with a loss file, of the terms that it leaves in the graph."""
    from elo_tf.costs.budget_report import Plan
    from elo_tf.costs.budget_report import dry_run as print_budget

    settings.check_devices(settings.precision)
    if settings.loss:
        task, chosen = _choose(settings, given)
        seen = terms.modalities_of(chosen.lambdas)
        settings = dataclasses.replace(
            settings, **dataclasses.asdict(task), tasks=tuple(chosen.lambdas), modalities=seen
        )
    manifest = Manifest.load(settings.records) if settings.records else None
    counted = len(manifest.of_split("train")) if manifest else 0
    steps = settings.steps_of(counted or budget.planned_videos, settings.batch_size)
    settings = dataclasses.replace(settings, steps=steps)
    plan = Plan(
        part(settings, DataConfig),
        part(settings, ModelConfig),
        part(settings, TaskConfig),
        part(settings, FinalTrainConfig),
        budget,
        manifest,
    )
    print_budget(plan)


def _choose(settings: Settings, given: Optional[Collection[str]]) -> Tuple[TaskConfig, terms.Terms]:
    """How terms are formed, as in the search that the loss is of but for what is given, and which there are.

    Raises:
      InputError: the loss cannot be used, or its weights are for other units than are given.
    """
    task = part(settings, TaskConfig)
    if given is None:
        given = [name for name, value in dataclasses.asdict(task).items() if value != getattr(TaskConfig, name)]
    if settings.like and terms.is_searched(settings.loss):
        raise InputError(f"--like={settings.like} is for random or equal losses; omit it with --loss={settings.loss}")
    task = _as_searched(settings.like or settings.loss, task, given)
    chosen = terms.choose(settings.loss, task, settings.drop_below, settings.tasks, settings.modalities, settings.like)
    # Units are measured by the search alone.
    if "loss_units" in given and (task.loss_units == "gradient") != bool(chosen.units):
        own = "gradient" if chosen.units else "value"
        raise InputError(f"--loss_units={task.loss_units}: the weights of --loss are for {own}; omit the flag")
    return task, chosen


def _as_searched(loss: str, task: TaskConfig, given: Collection[str]) -> TaskConfig:
    if not terms.is_searched(loss):
        return task
    searched = read_loss(pathlib.Path(loss)).content.get("task", {})
    known = {field.name for field in dataclasses.fields(TaskConfig)} - set(given)
    try:
        return dataclasses.replace(task, **{name: value for name, value in searched.items() if name in known})
    except TypeError as error:
        raise InputError(f"--loss={loss}: 'task' is not as a search writes it ({error})") from None


def _train(
    training: Trainer,
    chosen: terms.Terms,
    directory: Optional[pathlib.Path],
    facts: Dict[str, Any],
    interruption: Interruption,
) -> None:
    """Restores, trains, and writes what came of it; `directory` is None for a process that writes nothing."""
    prefix = training.restore()
    done = training.done
    account = Account(training, chosen, directory, done)
    if directory and prefix:
        _describe(training, chosen, facts, directory)  # Somebody, or a disk, may have damaged what the start wrote.
    if done >= training.steps:
        print(f"All {training.steps} steps are done; the tower is in {prefix}")
        account.complete()
        return
    account.announce(prefix)
    with interruption as is_asked_to_stop:
        if prefix is None:
            training.save()  # By all processes.
            if directory:
                # After the first checkpoint: with it a run has begun, that from here on must not lose its checkpoints.
                _describe(training, chosen, facts, directory)
        with account:
            finished = training.run(account.show, is_asked_to_stop)
        if finished:
            account.conclude()
    if directory:
        _describe(training, chosen, facts, directory)  # The directory may have been removed, and made by checkpoints.


def _describe(training: Trainer, chosen: terms.Terms, facts: Dict[str, Any], directory: pathlib.Path) -> None:
    """Writes what is needed beside the checkpoints: `run.json` if it is missing, `loss.json` and `tower.json`."""
    run_file.begin(directory, facts)
    write_text(directory / LOSS, json.dumps(chosen.source, indent=2) + "\n")
    manifest, settings = training.reader.manifest, training.settings
    about = Description(
        backbone=settings.model.backbone,
        precision=settings.model.precision,
        frames=training.reader.sizes.frames,
        size=training.reader.sizes.size,
        fps=manifest.settings["fps"],
        stored_size=manifest.settings["size"],
        loss={**chosen.source, "trained": chosen.lambdas},
        training={**dataclasses.asdict(settings.train), "steps": training.steps, "seed": settings.run.seed,
                  "batch_size": settings.data.batch_size},
        data={"fingerprint": facts["records_hash"], "videos": training.reader.videos.count},
    )  # fmt: skip
    about.save(directory)
