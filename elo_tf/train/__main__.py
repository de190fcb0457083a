"""Trains the final model with an evolved loss (Sec. 4, Implementation details).

    python -m elo_tf.train --loss=SEARCH/evolved_loss.json --records=DIR --run_dir=DIR [--epochs=100 --backbone=r50]
    python -m elo_tf.train --loss=random:0 --tasks=paper --records=DIR --run_dir=DIR       a random loss (Table 1)
    python -m elo_tf.train --flagfile=experiments/flagfiles/paper_final.flags --dry_run    what it takes; trains nothing

The loss file says which terms there are and how they are formed; flags that are given override it. RUN_DIR receives
flags.txt (usable as --flagfile), loss.json, tower.json, checkpoints/, tensorboard/ and results.json. A training that
was interrupted, by whatever, continues from its last checkpoint when the command is given again, and ends with the
weights of one that was not (to the bit with --threads=1; several threads add up in any order). SIGTERM saves first.
`evaluate` and the export take RUN_DIR as their --checkpoint.

Exit status: 0 when all steps are done, 1 when a term stopped being finite, 2 for bad input, 143 after SIGTERM.
"""

import contextlib
import dataclasses
import json
import pathlib
import signal
import sys
from typing import Any, Dict

from absl import flags

from elo_tf import config
from elo_tf.config import (
    BudgetConfig,
    DataConfig,
    FinalRunConfig,
    FinalTrainConfig,
    InputError,
    ModelConfig,
    TaskConfig,
)
from elo_tf.runtime import command_line, interruption
from elo_tf.runtime.storage import claim_folder, write_text
from elo_tf.train.cluster import Cluster

CONFIGS = (FinalRunConfig, DataConfig, ModelConfig, TaskConfig, FinalTrainConfig)

RUN = "run.json"
LOSS = "loss.json"

# Settings that may change when a training is continued: where things lie, what it runs on, what is recorded of it.
# Not `resident_gb`: records that are streamed come in another order than those in memory.
MAY_DIFFER = (
    "records", "run_dir", "loss", "tasks", "modalities", "threads", "distribute", "tpu", "cluster_minutes",
    "grace_seconds", "steps_a_call", "save_every", "keep", "log_every", "share_every", "pictures_every",
)  # fmt: skip

TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """Trains, or goes on training, as the flags say."""
    run, data, model, task, train = (config.from_flags(kind) for kind in CONFIGS)
    budget = config.from_flags(BudgetConfig)
    train.check_devices(model.precision)
    if budget.dry_run:
        _dry_run(data, model, task, train, budget, run.records)
        return
    for name in ("loss", "records", "run_dir"):
        if not getattr({"loss": train}.get(name, run), name):
            raise InputError(f"--{name} is not given; see --help")
    if train.distribute == "multi_worker":
        # The strategy looks for them once more: here the user is told at once.
        Cluster.read().gather(train.cluster_minutes)
    # TensorFlow is imported only now, so that --help and missing flags answer at once.
    from elo_tf.data.records import Manifest
    from elo_tf.tasks import presence
    from elo_tf.train import replicas, terms
    from elo_tf.train.trainer import DivergedError, Settings, Trainer

    _use_devices(run, train)
    strategy = replicas.make_strategy(train.distribute, train.tpu, train.cluster_minutes)
    directory = pathlib.Path(run.run_dir)
    is_chief = replicas.number(strategy) == 0
    settings = Settings(run, data, model, train)
    with contextlib.ExitStack() as held:
        held.enter_context(replicas.in_company(strategy))
        with replicas.refused_together(strategy):
            task = _as_searched(train.loss, task)
            chosen = terms.choose(train.loss, task, train.drop_below, model.tasks, model.modalities)
            _check_units(task, chosen)
            presence.check_heard(chosen.tasks, Manifest.load(run.records).sounding("train"), run.records)
            facts = _facts(settings, task, chosen)
            if is_chief:
                busy = f"--run_dir={directory} is in use by another training; wait, or use another"
                held.enter_context(claim_folder(directory, busy))
                check_run(directory, facts)
        if not replicas.are_alike(strategy, _number_of(facts)):
            raise InputError("the processes have different flags, losses, records or packages; start all with the same")
        trainer = Trainer(settings, chosen, strategy)
        if is_chief:
            # Only now: the trainer refuses what does not fit, and a refused command leaves nothing to compare with.
            begin(directory, facts)
            write_text(directory / "flags.txt", config.to_lines(run, data, model, task, train))
        try:
            _train(trainer, chosen, directory, facts, is_chief)
        except DivergedError as error:
            print(f"error: {error}; the last good checkpoint is {trainer.checkpoints.last}", file=sys.stderr)
            sys.exit(1)


def _dry_run(
    data: DataConfig, model: ModelConfig, task: TaskConfig, train: FinalTrainConfig, budget: BudgetConfig, records: str
) -> None:
    """Prints what the training takes; with a loss file, of the terms that it leaves in the graph."""
    from elo_tf.costs.budget_report import Plan, dry_run
    from elo_tf.data.records import Manifest
    from elo_tf.train import terms

    if train.loss:
        task = _as_searched(train.loss, task)
        chosen = terms.choose(train.loss, task, train.drop_below, model.tasks, model.modalities)
        seen = terms.modalities_of(chosen.lambdas)
        model = dataclasses.replace(model, tasks=tuple(chosen.lambdas), modalities=seen)
    counted = sum(video["split"] == "train" for video in Manifest.load(records).usable) if records else 0
    steps = train.steps_of(counted or budget.planned_videos, data.batch_size)
    train = dataclasses.replace(train, steps=steps)
    dry_run(Plan(data, model, task, train, budget, records))


def _use_devices(run: FinalRunConfig, train: FinalTrainConfig) -> None:
    import tensorflow as tf

    from elo_tf.runtime import devices

    devices.set_up(run.threads)
    if train.deterministic:
        tf.config.experimental.enable_op_determinism()


def _as_searched(loss: str, task: TaskConfig) -> TaskConfig:
    """How terms are formed: as in the search that the loss is of, but for flags that were given."""
    from elo_tf.model.objective import read_loss
    from elo_tf.train.terms import is_searched

    if not is_searched(loss):
        return task
    searched = read_loss(pathlib.Path(loss)).content.get("task", {})
    known = {field.name for field in dataclasses.fields(TaskConfig)}
    try:
        kept = {name: value for name, value in searched.items() if name in known and not flags.FLAGS[name].present}
        return dataclasses.replace(task, **kept)
    except TypeError as error:
        raise InputError(f"--loss={loss}: 'task' is not as a search writes it ({error})") from None


def _check_units(task: TaskConfig, chosen) -> None:
    """Raises `InputError` where --loss_units says otherwise than the loss: units are measured by the search alone."""
    if flags.FLAGS["loss_units"].present and (task.loss_units == "gradient") != bool(chosen.units):
        own = "gradient" if chosen.units else "value"
        raise InputError(f"--loss_units={task.loss_units}: the weights of --loss are for {own}; leave the flag out")


def _facts(settings, task: TaskConfig, chosen) -> Dict[str, Any]:
    """All that the result depends on, of JSON types."""
    from elo_tf.data.records import Manifest
    from elo_tf.runtime.provenance import packages

    values: Dict[str, Any] = {}
    for each in (settings.run, settings.data, settings.model, task, settings.train):
        values.update(dataclasses.asdict(each))
    return {
        "settings": values,
        "lambdas": chosen.lambdas,
        "units": chosen.units or {},
        "records_hash": Manifest.load(settings.run.records).fingerprint,
        "packages": packages(),
    }


def _number_of(facts: Dict[str, Any]) -> int:
    """20 bits that follow from all that processes which train together must have in common."""
    from elo_tf.data.records import short_hash

    common = {name: value for name, value in facts["settings"].items() if name not in MAY_DIFFER}
    return int(short_hash({**facts, "settings": common})[:5], 16)


def begin(directory: pathlib.Path, facts: Dict[str, Any]) -> None:
    """Notes what a new run depends on."""
    if not (directory / RUN).exists():
        write_text(directory / RUN, json.dumps(facts, indent=2) + "\n")


def check_run(directory: pathlib.Path, facts: Dict[str, Any]) -> None:
    """Compares what the run depends on with what was noted when it began.

    Raises:
      InputError: the directory has another run, or a damaged one.
    """
    from elo_tf.runtime.provenance import check_same

    path = directory / RUN
    if not path.exists():
        others = [name for name in ("journal.jsonl", "checkpoints") if (directory / name).exists()]
        if others:
            raise InputError(f"--run_dir={directory} has {others[0]} of something else; use another directory")
        return
    try:
        before = json.loads(path.read_text())
        if not isinstance(before, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); use another --run_dir") from None
    check_same(str(path), before, json.loads(json.dumps(facts)), set(MAY_DIFFER))


def _train(trainer, chosen, directory: pathlib.Path, facts: Dict[str, Any], is_chief: bool) -> None:
    """Restores, trains, and writes what came of it."""
    from elo_tf.train.progress_log import Account

    prefix = trainer.restore()
    done = trainer.done
    account = Account(trainer, chosen, directory if is_chief else None, done)
    if done >= trainer.steps:
        print(f"All {trainer.steps} steps are done; the tower is in {prefix}")
        account.complete()
        return
    account.announce(prefix)
    with interruption.listening(trainer.settings.train.grace_seconds) as asked:
        if prefix is None:
            trainer.save()  # By all processes.
        if is_chief and not done:
            # After the first checkpoint: with them a run has begun, that from here on must not lose its checkpoints.
            write_text(directory / LOSS, json.dumps(chosen.source, indent=2) + "\n")
            _describe(trainer, chosen, facts).save(directory)
        with account:
            finished = trainer.run(account.show, lambda: bool(asked))
    if not finished:
        print(f"stopped at step {trainer.done} of {trainer.steps}, saved; give the same command to go on")
        sys.exit(128 + asked[0] if asked else TERMINATED)
    account.conclude()


def _describe(trainer, chosen, facts: Dict[str, Any]):
    """What `tower.json` says."""
    from elo_tf.networks.tower import Description

    manifest, settings = trainer.reader.manifest, trainer.settings
    return Description(
        backbone=settings.model.backbone,
        precision=settings.model.precision,
        frames=trainer.reader.sizes.frames,
        size=trainer.reader.sizes.size,
        fps=manifest.settings["fps"],
        stored_size=manifest.settings["size"],
        loss={**chosen.source, "trained": chosen.lambdas},
        training={**dataclasses.asdict(settings.train), "steps": trainer.steps, "seed": settings.run.seed,
                  "batch_size": settings.data.batch_size},
        data={"fingerprint": facts["records_hash"], "videos": trainer.reader.videos.count},
    )  # fmt: skip


if __name__ == "__main__":
    command_line.run(main, __doc__, (*CONFIGS, BudgetConfig))
