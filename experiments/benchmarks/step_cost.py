"""The cost of a training step with all terms against one that only encodes, and where its time goes.

    python -m experiments.benchmarks.step_cost --backbone=tiny --frames=8 --crop_size=32 --batch_size=16
    python -m experiments.benchmarks.step_cost --backbone=r18 --frames=8 --crop_size=112 --batch_size=4 \\
        --separate_graphs=per_task --rounds=2 --noparts
    either of them with --precision=mixed_bfloat16, for the other arithmetic

Three ways to make a step, each forward, backward and one update by SGD with momentum, on clips of noise:

    encode    each tower once on all of its views; loss = sum of the means of what the tasks read; towers updated
    whole     `EloModel.train_step` with every lambda 1
    separate  the obvious way: each task runs the towers anew, on its own views only; same towers, heads and update.
              --separate_graphs=one traces it as one graph. per_task traces a graph for each task, which adds its
              gradients to a sum, and one for the update, and adds up their times: the same sum of gradients, without
              the activations of all tasks in memory at once. r18 needs it.

All include the weight decay of the towers. Rounds go through the ways and parts in turn (A B C A B C ...), so that a
machine that drifts drifts for all; the ratio is the median of the ratios of each round, with the least and the
greatest. Peak memory is VmHWM of a fresh process for each way, `before` that of its model before the first graph.
Nodes are those of the graphs as traced. All variables exist before, so each graph is traced once.

The parts are timed as graphs of their own, in the same rounds: a tower on its views, forward, backward and weight
decay; the heads of a kind, forward from given features and backward to features and heads; the update with given
gradients. What then is missing from `whole` is `rest`: grey frames, gates, sums of gradients. It can be negative,
since parts that run at the same time in `whole` fill the cores better.

Hardware: any; meant for 2 CPU cores (AVX-512). Expected: about five minutes for tiny; for r18
14 minutes and as many for its memory.
Obtained, all 45 terms:
    tiny, B=16, 8x32x32, 10 rounds     whole / encode 1.24 (1.09 to 1.33), separate / whole 6.01 (5.44 to 7.12)
                                       encode .220 s, whole .270 s, separate 1.63 s; peak 1007, 1335 and 2547 MiB
    the same in mixed_bfloat16         whole / encode 1.17 (.97 to 1.21), separate / whole 6.51 (5.49 to 8.77)
                                       encode .404 s, whole .465 s: slower than float32, see below
    r18, B=4, 8x112x112, 2 rounds      whole / encode 1.14 (1.10 to 1.17), separate / whole 6.47 (6.05 to 6.90)
                                       encode 20.4 s, whole 23.2 s, separate 149.5 s; peak 10376, 11685 and (a graph
                                       for each task) 8337 MiB, of which 2145 before the first graph
Of the tiny step, the heads of reconstruct, predict, transfer and colorize take 21 %, the update 6 %, every other kind
1 to 2 % (timed alone; in the whole step parts overlap, by 19 %).

bfloat16 pays where channels are many: the r18 tower alone is 1.5 times as fast in it (torch_tower.py), the tiny one,
of 8 to 64 channels, 1.7 times as slow, in the towers as in the heads.
"""

import json
import statistics
import subprocess
import sys
import typing
from typing import Dict, Mapping, Optional

from absl import flags

from elo_tf import config
from elo_tf.config import DataConfig, InputError, ModelConfig
from elo_tf.runtime import command_line
from elo_tf.runtime.progress import progress_bar
from experiments.benchmarks.process_memory import mebibytes

if typing.TYPE_CHECKING:
    from experiments.benchmarks.step_graphs import Bench, Timed

# Those of step_graphs, which imports TensorFlow.
WAYS = ("encode", "whole", "separate")

_MODES = flags.DEFINE_list("modes", list(WAYS), f"ways to measure, of {', '.join(WAYS)}")
_SEPARATE_GRAPHS = flags.DEFINE_enum("separate_graphs", "one", ["one", "per_task"], "graphs of the way 'separate'")
_ROUNDS = flags.DEFINE_integer("rounds", 20, "timed steps of each way and part, after one that is not", lower_bound=1)
_PARTS = flags.DEFINE_bool("parts", True, "also measure where the time of a step goes")
_MEMORY = flags.DEFINE_bool("memory", True, "also measure the memory of each way, in a process of its own")
_MEMORY_OF = flags.DEFINE_enum("memory_of", None, WAYS, "print the memory of this way as JSON, and end")


def main() -> None:
    unknown = set(_MODES.value) - set(WAYS)
    if unknown:
        raise InputError(f"--modes={','.join(_MODES.value)}: choose from {', '.join(WAYS)}")
    if not config.from_flags(DataConfig).crop_size:
        raise InputError("--crop_size=0 has no meaning without records; give the side of the clips in pixels")
    if _MEMORY_OF.value:
        print(json.dumps(_memory(_MEMORY_OF.value)))
        return
    memory = {way: _memory_in_process(way) for way in _MODES.value} if _MEMORY.value else {}
    bench = _bench()
    _describe(bench)
    ways = {name: bench.way(name, _graph_a_task()) for name in _MODES.value}
    parts = bench.parts() if _PARTS.value else {}
    with progress_bar(_ROUNDS.value, "round") as bar:
        for _ in range(_ROUNDS.value):
            for timed in (*ways.values(), *parts.values()):
                timed.seconds.append(timed.run())
            bar.update(1)
    _print_ways(ways, memory)
    if parts:
        _print_parts(parts, ways.get("whole"))


def _bench() -> "Bench":
    import tensorflow as tf

    from elo_tf import tasks
    from elo_tf.data.clips import check_modalities
    from elo_tf.data.reader import sizes_at
    from experiments.benchmarks.step_graphs import Bench

    settings, data = config.from_flags(ModelConfig), config.from_flags(DataConfig)
    tf.keras.utils.set_random_seed(0)
    tf.keras.mixed_precision.set_global_policy(settings.precision)
    sizes = sizes_at(data.crop_size, data)
    terms = tasks.select(check_modalities(settings.modalities), settings.tasks)
    return Bench.build(terms, sizes, data.batch_size, settings.backbone)


def _graph_a_task() -> bool:
    return _SEPARATE_GRAPHS.value == "per_task"


def _describe(bench: "Bench") -> None:
    """Prints the settings, and how much the towers see in a step."""
    from elo_tf.model.elo_model import with_grey
    from experiments.benchmarks.step_graphs import make_view

    settings, data = config.from_flags(ModelConfig), config.from_flags(DataConfig)
    model, batch = bench.model, data.batch_size
    print(
        f"{settings.backbone}, {settings.precision}, B={batch}, {data.frames}x{data.crop_size}x{data.crop_size}, "
        f"{','.join(model.towers)}, {len(model.tasks)} terms, {_ROUNDS.value} rounds"
    )
    clips = with_grey(bench.clips)
    seen = {pair: len(make_view(clips, *pair)) for task in model.tasks for pair in task.views}
    runs = sum(len({modality for modality, _ in task.views}) for task in model.tasks)
    repeated = sum(seen[pair] for task in model.tasks for pair in task.views)
    shared = sum(bool(shown) for shown in model.views.values())
    print(f"encode and whole: {shared} tower runs on {sum(seen.values())} clips")
    print(f"separate (--separate_graphs={_SEPARATE_GRAPHS.value}): {runs} on {repeated}\n")


def _print_ways(ways: "Mapping[str, Timed]", memory: Mapping[str, Mapping[str, float]]) -> None:
    print("| step | seconds | nodes | tracing, s | peak, MiB | before, MiB |\n| --- | --- | --- | --- | --- | --- |")
    for name, timed in ways.items():
        median = statistics.median(timed.seconds)
        held = [f"{memory[name][key]:.0f}" if memory else "-" for key in ("peak", "before")]
        print(f"| {name} | {median:.3f} | {timed.nodes} | {timed.tracing:.1f} | {held[0]} | {held[1]} |")
    print()
    for first, second in (("whole", "encode"), ("separate", "whole")):
        if first in ways and second in ways:
            ratios = [one / other for one, other in zip(ways[first].seconds, ways[second].seconds)]
            print(f"{first} / {second}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _print_parts(parts: "Mapping[str, Timed]", whole: "Optional[Timed]") -> None:
    rows = {name: timed.seconds for name, timed in parts.items()}
    print("\n| part of whole | seconds | share |\n| --- | --- | --- |")
    if whole:
        rows["rest"] = [total - sum(each) for total, *each in zip(whole.seconds, *rows.values())]
    total = statistics.median(whole.seconds if whole else [sum(each) for each in zip(*rows.values())])
    for name, seconds in rows.items():
        print(f"| {name} | {statistics.median(seconds):.4f} | {statistics.median(seconds) / total:.1%} |")


def _memory_in_process(way: str) -> Dict[str, float]:
    command = [sys.executable, "-m", "experiments.benchmarks.step_cost", *sys.argv[1:], f"--memory_of={way}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _memory(way: str) -> Dict[str, float]:
    """MiB that this process held at most, before the first graph and after two more steps."""
    bench = _bench()
    before = mebibytes("VmHWM")
    timed = bench.way(way, _graph_a_task())
    for _ in range(2):
        timed.run()
    return {"before": before, "peak": mebibytes("VmHWM")}


if __name__ == "__main__":
    command_line.run(main, __doc__, [DataConfig, ModelConfig])
