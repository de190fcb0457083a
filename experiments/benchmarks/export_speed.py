"""Speed of the exported module against the tower in memory, and against the same tower in PyTorch.

    python -m experiments.benchmarks.export_speed --torch_python=OTHER_ENVIRONMENT/bin/python
    python -m experiments.benchmarks.export_speed --backbone=tiny --crop_size=32 --batch_sizes=1,4 --calls=5  # smoke

The RGB tower, untrained, embeds one batch of noise again and again:

    memory    the tower as a tf.function of known shape, in the program that made it
    exported  the module, loaded from its SavedModel, whose graph knows no shape but the channels
    serving   its signature serving_default
    torch     the same network in PyTorch (torch_network.py): eval, inference_mode, channels_last_3d; r18 only

Each lives in a process of its own with a thread for each core. They take turns of `--calls` calls, each timed alone;
the ratio is the median of the ratios of the rounds, latencies are of all calls. With mixed_bfloat16 the module is
exported with --precision=mixed_bfloat16, and PyTorch runs under autocast. Clips go in as float32 in any case.

PyTorch is no requirement of the project; without it this part is left out, and said to be.

Hardware: any; meant for 2 CPU cores (AVX-512 with bf16). Expected: about ten minutes.
Obtained with --rounds=5 --calls=3; r18, clips/s, and latency p50 / p99 of the exported module in ms:

    | arithmetic, B | memory | exported | serving | torch | exported / memory | exported p50 / p99 |
    | float32, 1    | 3.58 | 3.51 | 3.45 | 2.86 | .995 (.85 to 1.02) | 283 / 393 |
    | float32, 4    | 4.17 | 4.01 | 4.11 | 3.60 | .981 (.80 to 1.01) | 987 / 1282 |
    | float32, 8    | 4.37 | 4.42 | 4.38 | 3.62 | .989 (.61 to 1.01) | 1851 / 3144 |
    | bfloat16, 1   | 5.67 | 5.74 | 5.66 | 7.44 | .996 (.89 to 1.11) | 175 / 205 |
    | bfloat16, 4   | 7.29 | 7.01 | 6.96 | 7.76 | 1.000 (.91 to 1.05) | 567 / 629 |
    | bfloat16, 8   | 7.64 | 7.52 | 7.76 | 6.87 | .992 (.98 to 1.01) | 1059 / 1101 |

In float32 it is ahead of PyTorch by 11 to 23 %; in bfloat16 behind by 23 % at B=1 and 10 % at B=4, ahead by 9 % at B=8.
What limits small batches in bfloat16 (`tower_parts`): at B=1 13 % of the time goes into casting and laying out the
float32 variables at each call, and 14 % (11 % at B=4) into batch normalisation and ReLU. Normalising each convolution's
result before it gets its five axes back leaves out two reshapes a unit; it brings 4 % in float32, nothing in bfloat16.
"""

import itertools
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Dict, List

import numpy as np
from absl import flags

from elo_tf.config import InputError, define_path
from elo_tf.runtime import command_line
from experiments.benchmarks.torch_tower import PAUSE_SECONDS
from experiments.benchmarks.turns import Worker, serve

# --torch_python, --precision, --frames, --crop_size and --compile are those of torch_tower.
_BACKBONE = flags.DEFINE_enum("backbone", "r18", ["tiny", "r18", "r50"], "network")
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "4", "8"], "B, clips a call, to compare at")
_CALLS = flags.DEFINE_integer("calls", 10, "calls a turn", lower_bound=1)
_MODULE = define_path("module", None, "be a worker: use this SavedModel, or the tower in memory if empty")

PRECISIONS = ("float32", "mixed_bfloat16")


def main() -> None:
    settings = flags.FLAGS
    if settings.worker:
        _embed(settings.worker, _MODULE.value)
        return
    for size in _BATCH_SIZES.value:
        if not (size.isdecimal() and int(size)):
            raise InputError(f"--batch_sizes: {size!r} is no positive integer")
    for precision in settings.precision:
        if precision not in PRECISIONS:
            raise InputError(f"--precision={precision!r} is unknown; choose from {', '.join(PRECISIONS)}")
    has_torch = _BACKBONE.value == "r18" and _can_import_torch(settings.torch_python)
    clip = f"{settings.frames}x{settings.crop_size}x{settings.crop_size}"
    print(f"{_BACKBONE.value}, {clip}, {_threads()} threads, {settings.rounds} turns of {_CALLS.value} calls")
    if not has_torch:
        print(f"without PyTorch: {settings.torch_python} cannot import torch, or the network is not r18")
    with tempfile.TemporaryDirectory() as folder:
        for precision in settings.precision:
            module = _export(precision, pathlib.Path(folder) / precision)
            for size in _BATCH_SIZES.value:
                _compare(precision, int(size), module, has_torch)


def _can_import_torch(python: str) -> bool:
    return not subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode


def _threads() -> int:
    return len(os.sched_getaffinity(0))


def _compare(precision: str, batch_size: int, module: str, has_torch: bool) -> None:
    """Lets the programs take turns; prints a line for each, and how they compare with the tower in memory."""
    settings = flags.FLAGS
    shape = [f"--frames={settings.frames}", f"--crop_size={settings.crop_size}", f"--batch_size={batch_size}"]
    ours = [sys.executable, "-m", "experiments.benchmarks.export_speed", f"--backbone={_BACKBONE.value}", *shape]
    commands = {
        "memory": [*ours, f"--precision={precision}", "--worker=tower", "--module="],
        "exported": [*ours, f"--precision={precision}", "--worker=call", f"--module={module}"],
        "serving": [*ours, f"--precision={precision}", "--worker=signature", f"--module={module}"],
    }
    if has_torch:
        options = [f"--threads={_threads()}", f"--precision={precision}", *["--compile"] * settings.compile]
        commands["torch"] = [
            settings.torch_python, "-m", "experiments.benchmarks.torch_network", "--embed", *options, *shape,
        ]  # fmt: skip
    workers = {name: Worker(command) for name, command in commands.items()}
    seconds: Dict[str, List[List[float]]] = {name: [] for name in workers}
    for worker in workers.values():
        worker.steps(3)  # Traces, compiles, warms up.
    for _, (name, worker) in itertools.product(range(settings.rounds), workers.items()):
        seconds[name].append([worker.steps(1) for _ in range(_CALLS.value)])
        time.sleep(PAUSE_SECONDS)
    print(f"\n{precision}, B={batch_size:<3}    clips/s   p50 ms   p99 ms   against memory")
    for name, worker in workers.items():
        worker.close()
        turns = seconds[name]
        speed = batch_size / statistics.median(sum(turn) / len(turn) for turn in turns)
        half, most = (1000 * value for value in np.percentile(sum(turns, []), [50, 99]))
        ratios = [sum(memory) / sum(turn) for memory, turn in zip(seconds["memory"], turns)]
        spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        print(f"{name:<20} {speed:9.2f} {half:8.1f} {most:8.1f}   {spread}", flush=True)


def _network(precision: str):
    import tensorflow as tf

    from elo_tf.networks.tower import make_network

    tf.keras.mixed_precision.set_global_policy(precision)
    tf.keras.utils.set_random_seed(0)
    return make_network(_BACKBONE.value)


def _export(precision: str, base: pathlib.Path) -> str:
    """Exports an untrained tower; returns the version's directory."""
    from elo_tf.networks.tower import Description, Tower
    from export import saved_model

    settings = flags.FLAGS
    about = Description(
        backbone=_BACKBONE.value, precision=precision, frames=settings.frames, size=settings.crop_size, fps=12.5,
        stored_size=settings.crop_size, loss={}, training={}, data={},
    )  # fmt: skip
    found = Tower(_network(precision), about, 0, "untrained")
    return str(saved_model.write(found, base, saved_model.ExportConfig(warmup_batch_sizes=())))


def _embed(kind: str, module: str) -> None:
    """Serves embeddings of one batch."""
    import tensorflow as tf

    settings = flags.FLAGS
    tf.config.threading.set_intra_op_parallelism_threads(_threads())
    size = settings.crop_size
    video = tf.random.stateless_uniform([settings.batch_size, settings.frames, size, size, 3], [1, 2])
    if kind == "tower":
        network = _network(settings.precision[0])
        call = tf.function(lambda clips: network(clips)["embedding"], autograph=False)
    else:
        loaded = tf.saved_model.load(module)
        call = (
            loaded if kind == "call" else lambda clips: loaded.signatures["serving_default"](video=clips)["embedding"]
        )
    serve(lambda: call(video).numpy(), {"framework": f"TensorFlow {tf.__version__}"})


if __name__ == "__main__":
    command_line.run(main, __doc__, [])
