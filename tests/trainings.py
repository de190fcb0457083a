"""Small trainings on records of noise: in this process, and as their users start them."""

import pathlib
import subprocess
import sys

import numpy as np
import tensorflow as tf

from elo_tf.config import (
    DataConfig,
    FinalRunConfig,
    FinalTrainConfig,
    ModelConfig,
    TaskConfig,
    TrainSettings,
    WeightingConfig,
)
from elo_tf.data.records import Manifest
from elo_tf.train import terms
from elo_tf.train.settings import Settings
from elo_tf.train.trainer import Trainer

TASKS = ("rgb/reconstruct", "rgb/shuffle")

FLAGS = (
    "--loss=random:0 --optimizer=sgd --frames=4 --crop_size=16 --batch_size=4 --learning_rate=0.01 --warmup_steps=1"
).split()


def make(
    records, run_dir, strategy=None, tasks=TASKS, data=None, precision="float32", task=None, weighting=None, **train
) -> Trainer:
    """A trainer; settings are those of `FLAGS`, but for what is given."""
    settings = Settings(
        FinalRunConfig(records=str(records), run_dir=str(run_dir)),
        DataConfig(**{"frames": 4, "crop_size": 16, "batch_size": 4, **(data or {})}),
        ModelConfig(precision=precision),
        FinalTrainConfig(**{"steps": 6, "optimizer": "sgd", "learning_rate": 0.01, "warmup_steps": 1, **train}),
        weighting or WeightingConfig(),
    )
    chosen = terms.choose("random:0", task or TaskConfig(), 0.0, tasks)
    return Trainer(settings, chosen, strategy or tf.distribute.get_strategy(), Manifest.load(str(records)))


def settings(records, run_dir, **changes) -> TrainSettings:
    """Settings of a whole run, in this process: those of `FLAGS` for one tower, but for what is given."""
    facts = {
        "loss": "random:0", "tasks": "rgb/shuffle", "steps": 3, "optimizer": "sgd", "frames": 4, "crop_size": 16,
        "batch_size": 4, "learning_rate": 0.01, "warmup_steps": 1,
    }  # fmt: skip
    return TrainSettings(**{**facts, "records": records, "run_dir": run_dir, **changes})


def start(records, run_dir, *flags, environment=None) -> subprocess.Popen:
    """`python -m elo_tf.train`, as a process of its own."""
    command = [sys.executable, "-m", "elo_tf.train", *FLAGS, f"--records={records}", f"--run_dir={run_dir}", *flags]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )


ROOT = pathlib.Path(__file__).parent.parent


def finish(process):
    """Exit status, what it printed, and its errors."""
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def saved(run_dir, step=None):
    """All variables of a checkpoint by path: of the last one, or of that of a step."""
    folder = pathlib.Path(run_dir) / "checkpoints"
    prefix = tf.train.latest_checkpoint(str(folder)) if step is None else str(folder / f"ckpt-{step}")
    reader = tf.train.load_checkpoint(prefix)
    names = [name for name in reader.get_variable_to_shape_map() if not name.startswith(("_", "save_counter"))]
    return {name: np.array(reader.get_tensor(name)) for name in sorted(names)}


def weights(trainer):
    """Values of all variables of the model and its optimiser."""
    return [np.array(each.numpy()) for each in (*trainer.model.variables, *trainer.model.optimizer.variables())]
