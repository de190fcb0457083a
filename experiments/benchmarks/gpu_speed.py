"""Speed of a training step on a GPU: by tower, precision and compiler, and for two candidates at once.

    experiments/benchmarks/gpu.sh FOLDER                          renders records and runs this with the sizes below
    python -m experiments.benchmarks.gpu_speed --records=DIR --output=FILE.md
        [--backbones=r18,r50 --batches=32,16 --frames=8 --crop_size=112 --steps=60 --peak_teraflops=312]

A row is a training by `elo_tf.train`, in a process of its own, as its results.json tells of it; the first sixth of the
steps, which traces the graph and compiles it, is not counted.

    step         milliseconds, clips included
    clips/s      of one device
    of the peak  operations of the step, counted in its graph (`elo_tf.costs`), over what the device could do in that
                 time; empty where its peak is unknown (`elo_tf/costs/accelerators.py`, --peak_teraflops)
    waiting      part of the time in which the step waits for clips

The last row is of two trainings of the first tower at once on one device, as two candidates of a search are
(`--workers=local:2` on one GPU): milliseconds of a step of one, clips a second of both.

Hardware: one GPU. Expected: ten minutes. Nothing else should run there.
Obtained: nothing yet; no GPU was at hand.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from absl import flags

from elo_tf import config
from elo_tf.config import BudgetConfig, DataConfig, InputError, ModelConfig, TaskConfig, TrainConfig, define_path
from elo_tf.runtime import command_line
from elo_tf.runtime.storage import write_text

_RECORDS = define_path("records", "", "records to train on")
_OUTPUT = define_path("output", "", "file of the table, Markdown")
_BACKBONES = flags.DEFINE_list("backbones", ["r18", "r50"], "towers to train")
_BATCHES = flags.DEFINE_list("batches", ["32", "16"], "clips a step, of each of --backbones")
_FRAMES = flags.DEFINE_integer("frames", 8, "T, frames a clip", lower_bound=2)
_CROP_SIZE = flags.DEFINE_integer("crop_size", 112, "H = W of a clip, pixels", lower_bound=8)
_TASKS = flags.DEFINE_list("tasks", ["fast"], "terms of the loss, as in elo_tf.train")
_MODALITIES = flags.DEFINE_list("modalities", ["rgb", "flow", "audio"], "towers of the model, as in elo_tf.train")
_STEPS = flags.DEFINE_integer("steps", 60, "steps of each training", lower_bound=4)
_PEAK = flags.DEFINE_float("peak_teraflops", 0.0, "peak of a device of your own, 10^12 operations/s", lower_bound=0)

HEAD = ("tower", "clips", "arithmetic", "compiler", "at once", "step, ms", "clips/s", "of the peak", "waiting")
ARITHMETIC = ("float32", "mixed_bfloat16")
# A sixth of the steps is made in each call of the device.
_CALLS = 6


@dataclasses.dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
      backbone: Of the towers.
      batch: Clips a step.
      precision: As in `--precision`.
      compiled: Whether by XLA.
      at_once: Trainings that share the device.
    """

    backbone: str
    batch: int
    precision: str
    compiled: bool
    at_once: int = 1


def main() -> None:
    from elo_tf.runtime import devices

    if not (_RECORDS.value and _OUTPUT.value):
        raise InputError("--records or --output is not given; see --help")
    device = device_name()
    devices.leave_gpus()  # To the trainings.
    print(f"device: {device or 'no GPU, the cores of this machine'}", flush=True)
    rows: List[Sequence[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases(_BACKBONES.value, _BATCHES.value)):
            results = _train(case, pathlib.Path(folder) / str(number))
            rows.append(_row(case, results, peak(device, case.precision, _PEAK.value)))
            print(" | ".join(rows[-1]), flush=True)
    write_text(pathlib.Path(_OUTPUT.value), _table(device, rows))
    print(f"the table is in {_OUTPUT.value}")


def cases(backbones: Sequence[str], batches: Sequence[str]) -> Iterator[Case]:
    """All rows in their order.

    Raises:
      InputError: there are not as many batches as towers, or one is not a number of clips.
    """
    if len(backbones) != len(batches) or not all(batch.isdecimal() and int(batch) > 1 for batch in batches):
        raise InputError(
            f"--batches={','.join(batches)} must have a number of clips, 2 or more, for each of --backbones"
        )
    pairs = list(zip(backbones, map(int, batches)))
    for backbone, batch in pairs:
        for precision in ARITHMETIC:
            for compiled in (False, True):
                yield Case(backbone, batch, precision, compiled)
    yield Case(*pairs[0], ARITHMETIC[-1], compiled=False, at_once=2)


def device_name() -> str:
    """What the driver calls the first GPU; "" where there is none."""
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU") if found else ""


def peak(device: str, precision: str, own: float = 0.0) -> Optional[float]:
    """Operations a second that a device could do; None where that is unknown.

    Args:
      device: As `device_name` gives it, such as NVIDIA A100-SXM4-40GB.
      precision: As in `--precision`.
      own: `--peak_teraflops`, which counts for more.
    """
    from elo_tf.costs.accelerators import ACCELERATORS

    if own:
        return own * 1e12
    known = (each for each in ACCELERATORS if each.name.split()[0] in device.replace("-", " ").split())
    return next((each.teraflops[precision] * 1e12 for each in known), None)


def _model(case: Case) -> Tuple[DataConfig, ModelConfig]:
    data = DataConfig(frames=_FRAMES.value, crop_size=_CROP_SIZE.value, batch_size=case.batch)
    return data, ModelConfig(case.backbone, _MODALITIES.value, _TASKS.value, case.precision)


def _train(case: Case, folder: pathlib.Path) -> List[Dict[str, Any]]:
    """What results.json says of each training of a case.

    Raises:
      InputError: one failed.
    """
    common = [
        sys.executable, "-m", "elo_tf.train", "--loss=random:0", "--drop_below=0", f"--records={_RECORDS.value}",
        f"--steps={_STEPS.value}", f"--steps_a_call={max(1, _STEPS.value // _CALLS)}", "--log_every=0",
        f"--jit_compile={case.compiled}", *config.to_lines(*_model(case)).splitlines(),
    ]  # fmt: skip
    directories = [folder / str(number) for number in range(case.at_once)]
    running: List[subprocess.Popen] = []
    try:
        for directory in directories:
            running.append(subprocess.Popen([*common, f"--run_dir={directory}"], stdout=subprocess.DEVNULL))
        codes = [process.wait() for process in running]
    finally:
        for process in running:
            process.kill()
    if any(codes):
        raise InputError(f"a training of {case} ended with exit status {max(codes, key=abs)}; its message is above")
    return [json.loads((directory / "results.json").read_text()) for directory in directories]


def _operations(case: Case) -> float:
    """Floating-point operations of a step, forward and backward."""
    from elo_tf.costs.budget import Plan, make_budget
    from elo_tf.data.records import Manifest

    manifest = Manifest.load(_RECORDS.value)
    plan = Plan(*_model(case), TaskConfig(), TrainConfig(steps=_STEPS.value), BudgetConfig(), manifest)
    return make_budget(plan).work().operations


def _row(case: Case, results: Sequence[Dict[str, Any]], most: Optional[float]) -> List[str]:
    speeds = [result["clips_per_second"] for result in results]
    seconds = case.batch * len(speeds) / sum(speeds)
    waiting = max(result["waiting_for_data"] for result in results)
    share = f"{case.at_once * _operations(case) / seconds / most:.1%}" if most else ""
    return [
        case.backbone, str(case.batch), case.precision, "XLA" if case.compiled else "", str(case.at_once),
        f"{1000 * seconds:.1f}", f"{sum(speeds):.1f}", share, f"{waiting:.1%}",
    ]  # fmt: skip


def _table(device: str, rows: Sequence[Sequence[str]]) -> str:
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    sizes = f"{_FRAMES.value} x {_CROP_SIZE.value} x {_CROP_SIZE.value}, terms {','.join(_TASKS.value)}"
    title = f"{device or 'cores'}, {os.cpu_count()} cores, clips of {sizes}"
    return f"{title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    command_line.run(main, __doc__, [])
