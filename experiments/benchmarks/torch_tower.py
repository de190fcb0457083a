"""Training speed of the r18 (2+1)D tower against the same network written in PyTorch (torch_network.py).

    python -m experiments.benchmarks.torch_tower
    python -m experiments.benchmarks.torch_tower --torch_python=OTHER_ENVIRONMENT/bin/python --precision=float32

A step is forward, backward and an update by SGD with momentum 0.9, on the mean of the squares of the embedding of one
batch of noise. Each framework lives in a process of its own, with a thread for each core, and the two take turns of
`--steps` steps; the ratio is the median of the ratios of the rounds. Numbers of weights and of running statistics must
agree, all counted. PyTorch runs with channels_last_3d, autocast for bfloat16, its fused SGD and denormals flushed to 0,
and with --compile through torch.compile; TensorFlow runs a graph, under mixed_bfloat16 for bfloat16. Strided
convolutions are padded differently where sizes are even (torch_network.py); their outputs have the same size.

PyTorch is no requirement of the project: `pip install torch numpy`, in any environment, named by --torch_python.

Hardware: any; meant for 2 CPU cores (AVX-512 with bf16). Expected: about five minutes, more with --compile.
Obtained (5 turns of 2 steps), TensorFlow against PyTorch 2.13, and the median of the ratios of the rounds:
    float32           1.34 against 1.14 clips/s    1.15 (1.11 to 1.30)
    mixed_bfloat16    2.04 against 2.01 clips/s    0.91 (0.86 to 1.24)
"""

import os
import statistics
import subprocess
import sys
import time
from typing import List

from absl import flags

from elo_tf.config import InputError, define_path
from elo_tf.runtime import command_line
from experiments.benchmarks.turns import Worker, serve

_TORCH_PYTHON = define_path("torch_python", sys.executable, "Python interpreter that has torch")
_PRECISION = flags.DEFINE_list("precision", ["float32", "mixed_bfloat16"], "arithmetics to compare")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 4, "B, clips a step", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 8, "T, frames a clip", lower_bound=1)
_CROP_SIZE = flags.DEFINE_integer("crop_size", 112, "H = W of a clip, pixels", lower_bound=16)
_ROUNDS = flags.DEFINE_integer("rounds", 7, "turns of each framework", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 3, "training steps a turn", lower_bound=1)
_COMPILE = flags.DEFINE_bool("compile", False, "pass the PyTorch loss through torch.compile")
_WORKER = flags.DEFINE_string("worker", None, "be the worker of TensorFlow in this arithmetic")

# Idle threads of the one framework may spin for a while after its turn.
PAUSE_SECONDS = 0.5


def main() -> None:
    if _WORKER.value:
        _train(_WORKER.value)
        return
    for precision in _PRECISION.value:
        if precision not in ("float32", "mixed_bfloat16"):
            raise InputError(f"--precision={precision!r} is unknown; choose from float32, mixed_bfloat16")
    if subprocess.run([_TORCH_PYTHON.value, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode:
        print(f"skipped: {_TORCH_PYTHON.value} cannot import torch; name an interpreter that can with --torch_python")
        return
    print(
        f"r18, B={_BATCH_SIZE.value}, {_FRAMES.value}x{_CROP_SIZE.value}x{_CROP_SIZE.value}, {_threads()} threads, "
        f"median of {_ROUNDS.value} turns of {_STEPS.value} steps"
    )
    for precision in _PRECISION.value:
        _compare(precision)


def _compare(precision: str) -> None:
    """Trains both in turn and prints a line for each, and the ratio."""
    shape = [f"--{flag.name}={flag.value}" for flag in (_BATCH_SIZE, _FRAMES, _CROP_SIZE)]
    other = [f"--threads={_threads()}", f"--precision={precision}", *shape, *["--compile"] * _COMPILE.value]
    ours = Worker([sys.executable, "-m", "experiments.benchmarks.torch_tower", f"--worker={precision}", *shape])
    theirs = Worker([_TORCH_PYTHON.value, "-m", "experiments.benchmarks.torch_network", *other])
    for key in ("weights", "statistics"):
        if ours.about[key] != theirs.about[key]:
            raise ValueError(f"{key}: {ours.about[key]} in TensorFlow, {theirs.about[key]} in PyTorch")
    speeds: List[List[float]] = []
    for turn in range(_ROUNDS.value + 1):
        speeds.append([])
        for worker in (ours, theirs):
            # The first turn traces, compiles and warms up; it does not count.
            seconds = worker.steps(_STEPS.value if turn else 2)
            speeds[-1].append(_STEPS.value * _BATCH_SIZE.value / seconds)
            time.sleep(PAUSE_SECONDS)
    ratios = [one / other for one, other in speeds[1:]]
    print(f"\n{precision}, {ours.about['weights']} weights and {ours.about['statistics']} running statistics")
    for worker, values in zip((ours, theirs), zip(*speeds[1:])):
        print(f"{worker.about['framework']:<24} {statistics.median(values):6.2f} clips/s")
        worker.close()
    print(f"ours / theirs            {statistics.median(ratios):6.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _threads() -> int:
    return len(os.sched_getaffinity(0))


def _train(precision: str) -> None:
    """Serves training steps of our tower."""
    import tensorflow as tf

    from elo_tf.networks.backbone import Backbone

    tf.config.threading.set_intra_op_parallelism_threads(_threads())
    tf.keras.mixed_precision.set_global_policy(precision)
    tower = Backbone("r18")
    optimizer = tf.keras.optimizers.legacy.SGD(1e-3, momentum=0.9)
    video = tf.random.uniform([_BATCH_SIZE.value, _FRAMES.value, _CROP_SIZE.value, _CROP_SIZE.value, 3])
    tower(video)

    @tf.function(autograph=False)
    def step(video):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tower(video, training=True)["embedding"] ** 2)
        variables = tower.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    about = {"framework": f"TensorFlow {tf.__version__}"}
    for name, variables in (
        ("weights", tower.trainable_variables),
        ("statistics", tower.non_trainable_variables),
    ):
        about[name] = sum(variable.shape.num_elements() for variable in variables)
    serve(lambda: step(video), about)


if __name__ == "__main__":
    command_line.run(main, __doc__, [])
