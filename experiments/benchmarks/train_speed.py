"""What a step of `elo_tf.train` waits for, the gain of a second process, and the gain of leaving out terms.

    python -m experiments.benchmarks.train_speed --records=DIR --frames=8 --batch_size=16 [--steps=60 --rounds=10]
    python -m experiments.benchmarks.train_speed --records=DIR --steps=3 --rounds=1 --frames=4 --crop_size=16 \\
        --batch_size=4 --tasks=rgb/reconstruct,rgb/shuffle,rgb-audio/embed --kept=rgb/shuffle          smoke size

waiting     the part of the time in which the step waits for clips, as the training counts it (results.json)
processes   clips a second of one training: one process of one thread, one of two, and two of one thread each, which
            share each batch. The first call, which traces the graph, is not counted.
dropping    terms not in --kept are left out. Paid is the step with all terms less the step without them. Their measured
            cost is that part of the whole step which they have in the parts (towers on their views, heads of a kind,
            update; `experiments.benchmarks.step_graphs`), each timed alone. Steps and parts take turns, as there.

Hardware: 2 CPU cores. Expected: ten minutes. Nothing else should run: two processes wait for the slower one.
Obtained (tiny, all 45 terms, B=16, 8x32x32, the demo's records):

    | training | clips/s | against one | waiting |
    | one process, one thread | 35.8 | 1.00 | .84 % |
    | one process, two threads | 46.8 | 1.31 | .71 % |
    | two processes | 10.7 | .30 | 1.12 % |

    dropping 31 of the terms pays .111 s of a step of .303 s, 82 % of their measured cost

Two processes lose. The likely reason, not measured by itself: batch normalisation over all replicas exchanges its sums
at every layer, forward and backward, each time by calls over gRPC that the layers after it wait for.
"""

import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
from typing import Dict, List

from absl import flags

from elo_tf import config
from elo_tf.config import DataConfig, InputError, ModelConfig, define_path
from elo_tf.runtime import command_line
from elo_tf.runtime.progress import progress_bar

_RECORDS = define_path("records", "", "records to train on")
_STEPS = flags.DEFINE_integer("steps", 60, "steps of each training", lower_bound=2)
_ROUNDS = flags.DEFINE_integer("rounds", 10, "timed steps with and without the dropped terms", lower_bound=1)
_KEPT = flags.DEFINE_list("kept", ["fast"], "names or patterns of the terms that are not dropped")
_PARTS = flags.DEFINE_list("measure", ["processes", "dropping"], "what to measure: processes (and waiting), dropping")

# Name -> (processes, threads of each).
CREWS = {"one process, one thread": (1, 1), "one process, two threads": (1, 2), "two processes": (2, 1)}


def main() -> None:
    if not _RECORDS.value:
        raise InputError("--records is not given; see --help")
    if "processes" in _PARTS.value:
        _measure_processes()
    if "dropping" in _PARTS.value:
        _measure_dropping()


def _measure_processes() -> None:
    print("| training | clips/s | against one | waiting |\n| --- | --- | --- | --- |")
    first = None
    for name, (processes, threads) in CREWS.items():
        with tempfile.TemporaryDirectory() as folder:
            result = _train(pathlib.Path(folder) / "run", processes, threads)
        speed = result["clips_per_second"]
        first = first or speed
        print(f"| {name} | {speed:.2f} | {speed / first:.2f} | {result['waiting_for_data']:.2%} |", flush=True)


def _train(run_dir: pathlib.Path, processes: int, threads: int) -> Dict[str, float]:
    """What results.json says of a training."""
    command = [
        sys.executable, "-m", "elo_tf.train", "--loss=random:0", "--drop_below=0", f"--records={_RECORDS.value}",
        f"--run_dir={run_dir}", f"--steps={_STEPS.value}", f"--threads={threads}", "--log_every=0",
        *config.to_lines(config.from_flags(DataConfig), config.from_flags(ModelConfig)).splitlines(),
    ]  # fmt: skip
    if processes > 1:
        command.append("--distribute=multi_worker")
    cluster = {"worker": [f"127.0.0.1:{port}" for port in _free_ports(processes)]}
    running: List[subprocess.Popen] = []
    try:
        for index in range(processes):
            told = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
            environment = {**os.environ, "TF_CONFIG": told} if processes > 1 else None
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment))
        codes = [process.wait() for process in running]
    finally:
        for process in running:
            process.kill()
    if any(codes):
        raise InputError(f"a training ended with exit status {max(codes)}; its message is above")
    return json.loads((run_dir / "results.json").read_text())


def _free_ports(count: int) -> List[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _measure_dropping() -> None:
    from elo_tf import tasks
    from elo_tf.data.clips import check_modalities
    from elo_tf.data.reader import clip_sizes
    from elo_tf.data.records import Manifest
    from experiments.benchmarks.step_graphs import Bench

    data, model = config.from_flags(DataConfig), config.from_flags(ModelConfig)
    sizes = clip_sizes(Manifest.load(_RECORDS.value), data)
    all_terms = tasks.select(check_modalities(model.modalities), model.tasks)
    kept = tasks.select(check_modalities(model.modalities), _KEPT.value)
    if not {term.name for term in kept} < {term.name for term in all_terms}:
        raise InputError(f"--kept={','.join(_KEPT.value)} are not some of the {len(all_terms)} terms of --tasks")
    whole, rest = (Bench.build(terms, sizes, data.batch_size, model.backbone) for terms in (all_terms, kept))
    steps = [bench.way("whole", False) for bench in (whole, rest)]
    parts = [list(bench.parts().values()) for bench in (whole, rest)]
    with progress_bar(_ROUNDS.value, "round") as bar:
        for _ in range(_ROUNDS.value):
            for timed in (*steps, *parts[0], *parts[1]):
                timed.seconds.append(timed.run())
            bar.update(1)
    before, after = (statistics.median(step.seconds) for step in steps)
    alone = [sum(statistics.median(part.seconds) for part in each) for each in parts]
    cost = before * (1 - alone[1] / alone[0])
    print(
        f"\n{len(all_terms)} terms, {len(kept)} of them kept, {model.backbone}, B={data.batch_size}, "
        f"{data.frames}x{sizes.size}x{sizes.size}, {_ROUNDS.value} rounds\n"
        f"step {before:.3f} s with all, {after:.3f} s without the dropped: paid {before - after:.3f} s\n"
        f"measured cost of the dropped {cost:.3f} s (parts alone {alone[0]:.3f} and {alone[1]:.3f} s)\n"
        f"paid / cost {(before - after) / cost:.0%}"
    )


if __name__ == "__main__":
    command_line.run(main, __doc__, [DataConfig, ModelConfig])
