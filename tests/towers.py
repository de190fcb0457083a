"""Runs of untrained towers, as `elo_tf.train` leaves them, for tests of what comes after training."""

import pathlib

import tensorflow as tf

from elo_tf import tasks
from elo_tf.data.clips import ClipSizes
from elo_tf.model.elo_model import EloModel
from elo_tf.networks import tower
from tests.batches import random_clips

SIZE = 24
STORED_SIZE = 32
FRAMES = 8


def describe(**changes) -> tower.Description:
    """The description of a tower that has seen clips of 8 frames of 24 x 24 pixels."""
    facts = {
        "backbone": "tiny", "precision": "float32", "frames": FRAMES, "size": SIZE,
        "stored_size": STORED_SIZE, "fps": 12.5,
        "loss": {"lambdas": {"rgb/reconstruct": 0.5}}, "training": {"steps": 3},
        "data": {"fingerprint": "0" * 16, "videos": 16},
    }  # fmt: skip
    return tower.Description(**{**facts, **changes})


def make_run(run_dir: pathlib.Path, seed: int = 0, step: int = 3) -> tf.keras.Model:
    """Writes tower.json and a checkpoint of a whole model, other tower and head included; returns the model."""
    tf.keras.utils.set_random_seed(seed)
    sizes = ClipSizes(frames=FRAMES, future_frames=4, size=SIZE, audio_steps=4, mel_bins=16)
    model = EloModel(tasks.select(("rgb", "flow"), ("rgb/reconstruct", "rgb-flow/embed")), sizes, "tiny")
    model.compute_losses(random_clips(frames=FRAMES, size=SIZE), training=True)
    for variable in model.towers["rgb"].variables:  # Statistics and scales that are not those of the start.
        if "kernel" not in variable.name:  # Kernels of positive mean would let activations grow without bound.
            variable.assign_add(tf.random.stateless_uniform(variable.shape, [seed, 1], 0.0, 0.1))
    describe().save(_made(run_dir))
    checkpoint = tf.train.Checkpoint(model=model, step=tf.Variable(step, dtype=tf.int64))
    tf.train.CheckpointManager(
        checkpoint, str(run_dir / tower.CHECKPOINTS), max_to_keep=2, checkpoint_name=tower.PREFIX
    ).save(step)
    return model


def _made(run_dir: pathlib.Path) -> pathlib.Path:
    run_dir.mkdir(parents=True, exist_ok=True)
    return run_dir
