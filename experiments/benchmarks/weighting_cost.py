"""The cost that learning or balancing λ adds to a training step.

    python -m experiments.benchmarks.weighting_cost --records=DIR --learn_lambdas=lookahead --frames=8 --crop_size=32 \\
        --batch_size=16 --lambda_clips=64 [--rounds=10]
    python -m experiments.benchmarks.weighting_cost --records=DIR --weighting=gradnorm --frames=4 --crop_size=16 \\
        --batch_size=4 --tasks=rgb/reconstruct,rgb/shuffle --rounds=1                                   smoke size

plain       `EloModel.train_step`, with fixed weights
weighed     a step that sets the weights besides; every --lambda_every-th step is one (every step where a rule looks at
            values of the terms alone)
clips       making the batch of a step; held-out clips, which learned λ need, are made once for each weighed step

Plain and weighed steps take turns on the same clips; ratios are medians over the rounds, with the least and the
greatest. All figures are processor time of one thread, so that other programs hardly disturb them. Peak memory is VmHWM
after the first plain step and after the first weighed one.

Hardware: one CPU core. Expected: two minutes of processor time, most of it for the graphs.
Obtained (lookahead every 5 steps, tiny, all 45 terms, 8x32x32, B=16 and 64 held-out clips, four a clip as by default,
the demo's records, 10 rounds beside other programs):

    weighed / plain             1.67 (1.63 to 1.93); plain .195 s, weighed .332 s
    a mean step / plain         1.13 (1.13 to 1.19)
    with the clips              1.18 (1.17 to 1.23); clips .027 s a step, held-out clips .013 s
    peak memory                 1872 MiB, weighed 2493 MiB, of which the demo's records are a part

`unroll` and the rules that balance terms were not measured.
"""

import statistics
import time
import typing
from typing import Callable, List, Tuple

from absl import flags

from elo_tf import config
from elo_tf.config import DataConfig, InputError, ModelConfig, TrainConfig, WeightingConfig, define_path
from elo_tf.runtime import command_line
from elo_tf.runtime.progress import progress_bar
from experiments.benchmarks.process_memory import mebibytes

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from elo_tf.data.records import Manifest
    from elo_tf.model.elo_model import EloModel
    from elo_tf.model.weighting.weigher import Weigher

_RECORDS = define_path("records", "", "records to train on; learned weights need held-out videos")
_ROUNDS = flags.DEFINE_integer("rounds", 10, "timed steps of each kind, after one that is not", lower_bound=1)
_BUFFERED = 5  # Batches that may have been made before the clock starts.


def main() -> None:
    if not _RECORDS.value:
        raise InputError("--records is missing; name a folder of records")
    from elo_tf.data.reader import Reader
    from elo_tf.data.records import Manifest
    from elo_tf.model.weighting import base
    from elo_tf.runtime import devices

    devices.set_up(threads=1)
    data, weighting = config.from_flags(DataConfig), config.from_flags(WeightingConfig)
    name = base.find(weighting)
    if name == base.FIXED:
        raise InputError("no weighting is given; use --learn_lambdas=lookahead, or --weighting")
    manifest = Manifest.load(_RECORDS.value)
    model, weigher = _build(manifest, data, weighting, name)
    batches = Reader.of(manifest, "train", model.needs, data).training(0)
    held_out = weigher.held_out.batches(0) if weigher.held_out else None
    plain, weighed, memory = _steps(model, weigher, _first(batches), _first(held_out) if held_out else None)
    print(
        f"{name}, every {weigher.every} steps: B={data.batch_size}, {data.frames}x{model.sizes.size}x"
        f"{model.sizes.size}, {len(model.tasks)} terms, {weighting.lambda_clips if held_out else 0} held-out clips"
    )
    print(f"plain {statistics.median(plain):.3f} s, weighed {statistics.median(weighed):.3f} s")
    print(f"weighed / plain: {_ratio([one / other for one, other in zip(weighed, plain)])}")
    every = weigher.every
    means = [((every - 1) * other + one) / every for one, other in zip(weighed, plain)]
    print(f"a mean step / plain: {_ratio([mean / other for mean, other in zip(means, plain)])}")
    clips = _seconds_a_batch(batches)
    ahead = _seconds_a_batch(held_out) / every if held_out else 0.0
    ratios = [(mean + clips + ahead) / (other + clips) for mean, other in zip(means, plain)]
    print(f"clips {clips:.3f} s, held-out clips {ahead:.3f} s a step; with them: {_ratio(ratios)}")
    print(f"peak memory: {memory[0]:.0f} MiB, weighed {memory[1]:.0f} MiB")


def _build(manifest: "Manifest", data: DataConfig, weighting: WeightingConfig, name: str) -> "Tuple[EloModel, Weigher]":
    """A model of the terms asked for, with all of its variables, and what weighs them."""
    import tensorflow as tf

    from elo_tf import tasks
    from elo_tf.data.clips import check_modalities
    from elo_tf.data.reader import clip_sizes
    from elo_tf.model.elo_model import EloModel
    from elo_tf.model.optimizer import make_optimizer, penalty
    from elo_tf.model.term_table import clip_specs
    from elo_tf.model.weighting import base
    from elo_tf.model.weighting.weigher import Weigher
    from elo_tf.runtime.private_api import make_slots

    settings, train = config.from_flags(ModelConfig), TrainConfig()
    tf.keras.utils.set_random_seed(0)
    tf.keras.mixed_precision.set_global_policy(settings.precision)
    terms = tasks.select(check_modalities(settings.modalities), settings.tasks)
    model = EloModel(terms, clip_sizes(manifest, data), settings.backbone, penalty(train))
    model.compile(optimizer=make_optimizer(train))
    zeros = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), clip_specs(model.sizes, 2))
    model.compute_losses(zeros, training=False)
    make_slots(model.optimizer, model.trainable_variables)
    start = base.Start(model.objective.names, [1.0] * len(terms), 0, weighting)
    return model, Weigher(model, base.create(name, start), manifest, data)


def _first(batches: "tf.data.Dataset"):
    """The first batch; what prepares others ends with it, and takes no time from the steps."""
    return next(iter(batches.take(1)))


def _steps(model: "EloModel", weigher: "Weigher", clips, held_out) -> Tuple[List[float], List[float], List[float]]:
    """Seconds of plain and of weighed steps, round by round; peak MiB after the first of each."""
    import tensorflow as tf

    def weighed_step(clips, held_out):
        losses, pairs = model.compute_gradients(clips, weigher.at(held_out))
        model.optimizer.apply_gradients(pairs)
        return losses

    plain, weighed = (tf.function(step, autograph=False) for step in (model.train_step, weighed_step))
    ways = (lambda: plain(clips), lambda: weighed(clips, held_out))
    memory = []
    for way in ways:
        way()  # Traces the graph.
        memory.append(mebibytes("VmHWM"))
    seconds: Tuple[List[float], List[float]] = ([], [])
    with progress_bar(_ROUNDS.value, "round") as bar:
        for _ in range(_ROUNDS.value):
            for way, found in zip(ways, seconds):
                found.append(_processor_seconds(way))
            bar.update(1)
    return (*seconds, memory)


def _processor_seconds(run: Callable[[], object]) -> float:
    """Of all threads of this process."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


def _seconds_a_batch(batches: "tf.data.Dataset") -> float:
    """Processor time of making a batch, while nothing else runs."""
    ahead = iter(batches)
    for _ in range(_BUFFERED):
        next(ahead)
    return _processor_seconds(lambda: [next(ahead) for _ in range(_ROUNDS.value)]) / _ROUNDS.value


def _ratio(values: List[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    command_line.run(main, __doc__, [DataConfig, ModelConfig, WeightingConfig])
