"""Trains each tower once for all tables, stores it by its settings, and measures it with `elo_tf.evaluate`.

    Job ---> FOLDER/towers/KEY ---> k-means, 1-layer (, neighbours)      with the job itself, on its labelled videos
             (a run directory)  \\-> FineTuning ---> fine-tuned           for any label budgets, also in another table

Trainings are those of `experiments.training`: all towers of a seed start from the same weights. What lies in
FOLDER/towers/KEY is a run directory as `elo_tf.train` leaves it, as far as `elo_tf.evaluate` and the export read it.
"""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import shutil
import time
from typing import Any, Dict, Mapping, Sequence, Tuple, Union

from elo_tf.config import EvaluateSettings, ProtocolConfig
from elo_tf.data.records import Manifest, short_hash
from elo_tf.runtime import storage
from experiments import training

FACTS = "training.json"  # What is known of the training, in the run directory.
ALL = "all"


@dataclasses.dataclass(frozen=True)
class Job(training.Job):
    """A tower, and how its frozen features are measured.

    Attributes:
      labels_of: Where labels train: the world whose labelled videos do; all of them.
      units: What each term is divided by, in canonical order; none means 1 for each (`--loss_units=gradient`).
      frozen: Modalities whose towers keep their first weights while the others learn.
      how: Settings of the protocols.
      protocols: Of `elo_tf.evaluate`, for frozen features.
    """

    labels_of: str = ""
    units: Tuple[float, ...] = ()
    frozen: Tuple[str, ...] = ()
    how: ProtocolConfig = ProtocolConfig()
    protocols: Tuple[str, ...] = ("kmeans", "linear")


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """A tower fine-tuned by labels.

    Attributes:
      tower: Which.
      budgets: Numbers of labelled videos, or `all` (`--label_budgets` of `elo_tf.evaluate`).
    """

    tower: Job
    budgets: Tuple[str, ...] = (ALL,)


@dataclasses.dataclass(frozen=True)
class Places:
    """Where jobs find what they read, and keep their towers. No result depends on it.

    Attributes:
      folder: Of the towers.
      unlabelled: (world, number of videos) -> folder of records.
      labelled: World -> folder of records.
      pretraining: World -> folder of records whose labels train towers for other worlds.
      lists: World -> folder of lists in the form of UCF101, where these say what trains and what tests.
    """

    folder: pathlib.Path
    unlabelled: Mapping[Tuple[str, int], pathlib.Path]
    labelled: Mapping[str, pathlib.Path]
    pretraining: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)
    lists: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)


def key(job: Job) -> str:
    """16 hexadecimal digits that stand for the tower of a job, whatever it is measured on and called."""
    facts = dataclasses.asdict(job)
    for name in ("row", "labelled", "how", "protocols", "measure_at"):
        del facts[name]
    if job.supervised:  # The same tower for all worlds that it is measured in.
        facts["world"] = ""
    elif not job.terms:  # Nothing trains it.
        for name in ("train", "task", "videos"):
            del facts[name]
    return short_hash(facts)


def work(places: Places, job: Union[Job, FineTuning]) -> Dict[str, Any]:
    """What a job comes to, in a process that has not used TensorFlow yet.

    Returns:
      Of a `Job`: accuracy by protocol in [0,1], `test_videos`, `losses` (last value by name), and `seconds` of the
      training and of the whole; of a `FineTuning`: `accuracy`, a number for each of its budgets, and `seconds`; of a
      training that diverged: `reason` and `seconds`.
    """
    import tensorflow as tf

    begun = time.perf_counter()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    try:
        result = _fine_tune(places, job) if isinstance(job, FineTuning) else _measure(places, job)
    except training.DivergedError as error:
        result = {"reason": str(error)}
    return {**result, "seconds": time.perf_counter() - begun}


def _measure(places: Places, job: Job) -> Dict[str, Any]:
    run_dir = train(places, job)
    measured = _evaluate(places, job, run_dir, job.protocols, (ALL,))
    accuracies = {each["protocol"]: each["accuracy"] for each in measured}
    facts = json.loads((run_dir / FACTS).read_text())
    return {**accuracies, "test_videos": measured[0]["test_videos"], **facts}


def _fine_tune(places: Places, job: FineTuning) -> Dict[str, Any]:
    run_dir = train(places, job.tower)
    measured = _evaluate(places, job.tower, run_dir, ("finetune",), job.budgets)
    found = {str(each["budget"]): each["accuracy"] for each in measured}
    return {"accuracy": [found[budget] for budget in job.budgets], "test_videos": measured[0]["test_videos"]}


def _evaluate(
    places: Places, job: Job, run_dir: pathlib.Path, protocols: Sequence[str], budgets: Sequence[str]
) -> Sequence[Dict[str, Any]]:
    """The measurements of `elo_tf.evaluate`; what is interrupted goes on."""
    from elo_tf import evaluate

    lists = places.lists.get(job.world)
    settings = EvaluateSettings(
        **dataclasses.asdict(job.how),
        checkpoint=str(run_dir),
        records=str(places.labelled[job.world]),
        protocol=protocols,
        seeds=str(job.seed),
        label_budgets=budgets,
        threads=1,
        **({"split_format": "ucf101", "splits": str(lists)} if lists else {}),
    )
    # Another name for whatever changes the results, since a folder holds those of one evaluation.
    named = dataclasses.asdict(dataclasses.replace(settings, checkpoint="", splits="", records=job.world))
    output = run_dir / "evaluations" / short_hash(named)
    with contextlib.redirect_stdout(io.StringIO()):  # Its table; the experiment prints one of all runs.
        return evaluate.run(dataclasses.replace(settings, output=str(output))).measurements


def train(places: Places, job: Job) -> pathlib.Path:
    """The run directory of the tower; trains it first if the folder has none.

    Raises:
      DivergedError: a loss is not finite.
    """
    run_dir = places.folder / "towers" / key(job)
    if run_dir.exists():
        return run_dir
    begun = time.perf_counter()
    records = _records(places, job)
    tower, facts = _trained(records, job)
    facts = {"losses": facts["losses"], "training_seconds": time.perf_counter() - begun}
    part = run_dir.with_name(f"{run_dir.name}.part-{os.getpid()}")
    _save(tower, part, job, Manifest.load(str(records)))
    storage.write_text(part / FACTS, json.dumps(facts, indent=1) + "\n")
    with contextlib.suppress(OSError):  # Another job of the same tower was faster, with the same weights.
        part.rename(run_dir)
    shutil.rmtree(part, ignore_errors=True)
    return run_dir


def _records(places: Places, job: Job) -> pathlib.Path:
    """What a tower is trained on; of an untrained one, what says how its clips are cut."""
    if job.supervised:
        return places.pretraining[job.labels_of]
    return places.unlabelled[job.world, job.videos] if job.terms else places.labelled[job.world]


def _trained(records: pathlib.Path, job: Job) -> Tuple[Any, Dict[str, Any]]:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(job.seed)
    if job.supervised:
        return training.train_by_labels(str(records), job)
    if not job.terms:
        return training.new_tower(job), {"losses": {}}
    model, batches = training.build_model(str(records), job)
    if job.units:
        model.objective.assign_units(dict(zip(model.objective.names, job.units)))
    for modality in job.frozen:
        freeze(model, modality)
    return model.towers["rgb"], training.train(model, batches, job.train.steps)


def freeze(model: Any, modality: str) -> None:
    """Keeps the weights of a tower as they are; its batch normalisation goes on as in training.

    `trainable = False` would make Keras normalise by statistics that no clip has formed yet.
    """
    compute, kept = model.compute_gradients, {id(each) for each in model.towers[modality].trainable_variables}

    def compute_others(clips):
        losses, pairs = compute(clips)
        return losses, [(gradient, variable) for gradient, variable in pairs if id(variable) not in kept]

    model.compute_gradients = compute_others


def _save(tower: Any, run_dir: pathlib.Path, job: Job, manifest: Manifest) -> None:
    """A run directory with the RGB tower alone."""
    import tensorflow as tf

    from elo_tf.networks.tower import CHECKPOINTS, PREFIX, Description

    steps = job.train.steps if job.terms or job.supervised else 0
    checkpoint = tf.train.Checkpoint(
        model=tf.train.Checkpoint(towers={"rgb": tower}), step=tf.Variable(steps, dtype=tf.int64, trainable=False)
    )
    manager = tf.train.CheckpointManager(checkpoint, str(run_dir / CHECKPOINTS), 1, checkpoint_name=PREFIX)
    manager.save(steps)
    Description(
        backbone=job.backbone,
        precision="float32",
        frames=job.data.frames,
        size=job.data.crop_size,
        fps=manifest.settings["fps"],
        stored_size=manifest.settings["size"],
        loss={"lambdas": dict(zip(job.terms, job.lambdas or [1.0] * len(job.terms)))},
        training={**dataclasses.asdict(job.train), "steps": steps, "seed": job.seed},
        data={"fingerprint": manifest.fingerprint, "videos": job.videos},
    ).save(run_dir)
