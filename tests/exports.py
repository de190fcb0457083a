"""Exports of towers, and strangers' programs that use them, for tests of what is exported."""

import os
import pathlib
import re
import subprocess
import sys
from typing import Dict, List

import numpy as np
import tensorflow as tf

from elo_tf.networks.tower import Tower
from tests import towers

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "trained_network.md"
CONSUMER = ROOT / "tests" / "consumer.py"

# [B,T,H,W]: of training, one clip, odd sizes, one frame, longer and larger.
SHAPES = ((4, 8, 24, 24), (1, 8, 24, 24), (5, 5, 17, 31), (2, 1, 24, 24), (1, 19, 48, 40))


def videos() -> Dict[str, np.ndarray]:
    """`video0` ... of all `SHAPES`, noise in [0,1]."""
    generator = np.random.default_rng(0)
    return {f"video{index}": generator.random([*shape, 3], np.float32) for index, shape in enumerate(SHAPES)}


def make(folder: pathlib.Path, *flags: str) -> pathlib.Path:
    """Makes the run of a tower in FOLDER/run and exports it by the command; returns the version."""
    towers.make_run(folder / "run")
    done = command(f"--checkpoint={folder / 'run'}", f"--output={folder / 'models' / 'elo_rgb'}", *flags)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(done.stdout.strip())


def command(*flags: str, **options) -> subprocess.CompletedProcess:
    """Runs python -m export.saved_model."""
    arguments = [sys.executable, "-m", "export.saved_model", *flags]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, **options)


def consume(task: str, *arguments, python: str = sys.executable, cwd: pathlib.Path) -> Dict[str, np.ndarray]:
    """Runs a task of `tests/consumer.py` in a process that does not know elo_tf; returns what it leaves.

    The task is given its arguments, of which the one named ...answer.npz is what it writes.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    arguments = [str(argument) for argument in arguments]
    done = subprocess.run(
        [python, str(CONSUMER), task, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    (answer,) = [argument for argument in arguments if argument.endswith("answer.npz")]
    with np.load(answer) as found:
        return dict(found)


def of(answer: Dict[str, np.ndarray], part: str) -> Dict[str, np.ndarray]:
    """What of an answer is named PART/..., under the rest of the names."""
    return {name[len(part) + 1 :]: value for name, value in answer.items() if name.startswith(f"{part}/")}


def expected(tower: Tower, video: np.ndarray) -> Dict[str, np.ndarray]:
    """What the tower in memory computes, under the names of `consumer.outputs`."""
    endpoints = {name: tensor.numpy() for name, tensor in tower.network(video).items()}
    return {**endpoints, "serving_default": endpoints["embedding"], "per_frame": endpoints["stage4"].mean(axis=(2, 3))}


def variables(version: pathlib.Path) -> Dict[str, np.ndarray]:
    """What a version stores, under the names of `consumer.hub_step`."""
    stored = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    keys = [key for key in stored.get_variable_to_shape_map() if key.startswith("variables/")]
    return {f"variable{key.split('/')[1]}": stored.get_tensor(key) for key in keys}


def programs(markdown: pathlib.Path) -> List[str]:
    """The Python programs of a text that load an exported module."""
    found = re.findall(r"^```python\n(.*?)^```", markdown.read_text(), re.MULTILINE | re.DOTALL)
    return [program for program in found if "elo_rgb/" in program]
