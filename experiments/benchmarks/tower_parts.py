"""Where the time of the RGB tower goes when it embeds on a CPU, and what limits it at small batches.

    python -m experiments.benchmarks.tower_parts
    python -m experiments.benchmarks.tower_parts --backbone=tiny --crop_size=16 --batch_sizes=1 --rounds=2      # smoke

One graph a row, of the same untrained tower; they take turns, one call each a round:

    whole         its weights are variables, as in what is trained and exported
    constant      its weights stand in the graph: nothing is cast, or reordered for the convolutions, at each call
    convolutions  as `whole`, without batch normalisation and ReLU

Ratios are medians over the rounds of the time of a row to that of `whole`.

Hardware: any; meant for 2 CPU cores (AVX-512 with bf16). Expected: four minutes.
Obtained (r18, 8 x 112 x 112, quiet machine):

    | arithmetic, B | ms a call | constant / whole | convolutions / whole |
    | float32, 1    | 232 | .93 | .92 |
    | float32, 4    | 836 | .99 | .95 |
    | float32, 8    | 1622 | 1.00 | .95 |
    | bfloat16, 1   | 140 | .87 | .86 |
    | bfloat16, 4   | 475 | .99 | .89 |
    | bfloat16, 8   | 918 | 1.00 | .89 |

So at B=1 in bfloat16 an eighth of the time goes into making kernels of bfloat16, in the order that the convolutions
want, of float32 variables, at each call; a module that can be trained has no others. Batch normalisation and ReLU take
11 to 14 %; the rest is convolutions.
"""

import statistics
import time
import typing
from typing import Callable, Dict
from unittest import mock

from absl import flags

from elo_tf.runtime import command_line

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from elo_tf.networks.backbone import Backbone

_BACKBONE = flags.DEFINE_enum("backbone", "r18", ["tiny", "r18", "r50"], "network")
_FRAMES = flags.DEFINE_integer("frames", 8, "T", lower_bound=1)
_CROP_SIZE = flags.DEFINE_integer("crop_size", 112, "H = W", lower_bound=1)
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "4", "8"], "B, clips a call")
_ROUNDS = flags.DEFINE_integer("rounds", 15, "calls of each graph", lower_bound=1)

PRECISIONS = ("float32", "mixed_bfloat16")


def main() -> None:
    import tensorflow as tf

    from elo_tf.networks.backbone import Backbone

    print("| arithmetic, B | ms a call | constant / whole | convolutions / whole |")
    print("| --- | --- | --- | --- |")
    for precision in PRECISIONS:
        tf.keras.mixed_precision.set_global_policy(precision)
        network = Backbone(_BACKBONE.value)
        for batch in map(int, _BATCH_SIZES.value):
            clips = tf.random.stateless_uniform([batch, _FRAMES.value, _CROP_SIZE.value, _CROP_SIZE.value, 3], [0, 0])
            seconds = _take_turns(_graphs(network, clips))
            whole = seconds.pop("whole")
            ratios = [statistics.median(a / b for a, b in zip(own, whole)) for own in seconds.values()]
            cells = [f"{1e3 * statistics.median(whole):.0f}", *(f"{each:.2f}" for each in ratios)]
            print(f"| {precision}, {batch} | {' | '.join(cells)} |", flush=True)


def _graphs(network: "Backbone", clips: "tf.Tensor") -> Dict[str, Callable[[], object]]:
    """Row -> a call of its graph."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from elo_tf.networks import layers

    whole = _traced(network, clips)
    with mock.patch.object(layers.Norm, "call", tf.autograph.experimental.do_not_convert(_leave)):
        convolutions = _traced(network, clips)
    constant = convert_variables_to_constants_v2(whole)
    return {
        "whole": lambda: whole(clips),
        "constant": lambda: constant(clips),
        "convolutions": lambda: convolutions(clips),
    }


def _leave(self, video, training=False):
    """In place of `Norm.call`: what goes in comes out."""
    return video


def _traced(network: "Backbone", clips: "tf.Tensor"):
    import tensorflow as tf

    embed = tf.function(lambda video: network(video, training=False)["embedding"])
    return embed.get_concrete_function(tf.TensorSpec(clips.shape))


def _take_turns(graphs: Dict[str, Callable[[], object]]) -> Dict[str, list]:
    """Row -> seconds of each round; the first call, which initialises, is not counted."""
    import tensorflow as tf

    seconds = {name: [] for name in graphs}
    for number in range(_ROUNDS.value + 1):
        for name, call in graphs.items():
            begun = time.perf_counter()
            call()
            tf.test.experimental.sync_devices()
            if number:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


if __name__ == "__main__":
    command_line.run(main, __doc__, [])
