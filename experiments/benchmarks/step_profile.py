"""Where the time of a training step goes, by kind of operation, on one core.

    python -m experiments.benchmarks.step_profile --records=DIR [--backbone=tiny --frames=16 --crop_size=24]
        [--tasks=fast --modalities=rgb,flow,audio --batch_size=64 --variant=tiny_0]

Clips a second are those of the whole loop, reading and cutting included, the median of --rounds of --timed_steps steps;
the table is of the step alone, from TensorFlow's own profiler. Nothing else should run.

Hardware: one core of an Intel Xeon (AVX-512 without bfloat16) at 2.8 GHz.
Obtained, ten `fast` terms of RGB, flow and sound, B = 64, 24 pixels, with 8 frames; before, frames and clips were taken
out by strided slices, which a CPU copies number by number, a sixth of the step:

    | | ms a step | clips/s |
    | tower of version 0.1 (`tiny_0`), strided slices | 600 | 112 |
    | the same, frames and clips copied whole | 406 | 157 |

Both rows are of a probe, one after the other; three short rounds of this script gave 139 clips/s for the second.
Of the 406 ms convolutions took 59 %, normalisation 26 %, ReLU 4 %; normalisation passes 0.9 GB through memory, about
what a core of this machine can move in that time.
"""

import collections
import glob
import statistics
import tempfile
import time
from typing import Dict

from absl import flags

from elo_tf import config
from elo_tf.config import DataConfig, InputError, ModelConfig, TrainConfig, define_path
from elo_tf.data.clips import check_modalities
from elo_tf.runtime import command_line

_RECORDS = define_path("records", "", "records to train on")
_VARIANT = flags.DEFINE_string("variant", "", "variant of the towers in place of --backbone, such as tiny_0")
_STEPS = flags.DEFINE_integer("timed_steps", 10, "steps of a round", lower_bound=2)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "rounds", lower_bound=1)
_SHOWN = 15  # kinds of operation


def main() -> None:
    import tensorflow as tf

    from elo_tf import tasks
    from elo_tf.data.reader import Reader, clip_sizes
    from elo_tf.data.records import Manifest
    from elo_tf.model.elo_model import EloModel
    from elo_tf.model.optimizer import make_optimizer
    from elo_tf.networks.backbone import VARIANTS
    from elo_tf.runtime.private_api import make_slots

    if not _RECORDS.value:
        raise InputError("--records is missing; name a folder of records")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    data, settings = config.from_flags(DataConfig), config.from_flags(ModelConfig)
    variant = _VARIANT.value or settings.backbone
    if variant not in VARIANTS:
        raise InputError(f"--variant={variant} is unknown; choose from {', '.join(VARIANTS)}")
    terms = tasks.select(check_modalities(settings.modalities), settings.tasks)
    manifest = Manifest.load(_RECORDS.value)
    model = EloModel(terms, clip_sizes(manifest, data), variant)
    model.compile(optimizer=make_optimizer(TrainConfig(steps=1000)))
    batches = iter(Reader.of(manifest, "train", model.needs, data).training(0))
    clips = next(batches)
    model.compute_losses(clips)
    make_slots(model.optimizer, model.trainable_variables)
    step = tf.function(model.train_step, autograph=False)
    step(clips)
    rounds = []
    for _ in range(_ROUNDS.value):
        begun = time.perf_counter()
        for _ in range(_STEPS.value):
            step(next(batches))
        rounds.append((time.perf_counter() - begun) / _STEPS.value)
    seconds = statistics.median(rounds)
    print(f"{variant}, {len(terms)} terms: {1000 * seconds:.0f} ms a step with its clips, "
          f"{data.batch_size / seconds:.0f} clips/s")  # fmt: skip
    spent = profile(lambda: step(clips), _STEPS.value)
    whole = sum(spent.values())
    for name, milliseconds in sorted(spent.items(), key=lambda pair: -pair[1])[:_SHOWN]:
        print(f"{milliseconds:9.2f} ms {milliseconds / whole:6.1%}  {name}")


def profile(step, count: int) -> Dict[str, float]:
    """Kind of operation -> milliseconds a step."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(count):
                step()
        space = xplane_pb2.XSpace()
        with open(glob.glob(f"{folder}/plugins/profile/*/*.xplane.pb")[0], "rb") as file:
            space.ParseFromString(file.read())
    spent: Dict[str, float] = collections.Counter()
    for plane in space.planes:
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                # Operations are called "name:Kind"; the rest, such as "Executor::Process", is the runtime around them.
                place, colon, kind = names[event.metadata_id].rpartition(":")
                if colon and kind.isidentifier() and not place.endswith(":"):
                    spent[kind] += event.duration_ps / 1e9 / count
    return spent


if __name__ == "__main__":
    command_line.run(main, __doc__, [DataConfig, ModelConfig])
