"""The cost of a candidate besides training and scoring, and what grows with the number of candidates.

    python -m experiments.benchmarks.search_overhead --flagfile=experiments/flagfiles/demo.flags \\
        --records=runs/demo/records/unlabelled --candidates=5

Prints, from the second candidate on, the seconds of each part of a candidate and its share: `reset` (weights and
optimiser back to their first values), `data` (the step waits for clips), `training`, `scoring` (embedding, k-means,
Zipf) and `rest` (bookkeeping); then graphs traced and memory held as candidates go by.

Hardware: 2 cores (AVX-512). Obtained with the demo's flags (14 lambdas, 80 steps, 11 s a candidate): reset 0.1 %, data
2.6 %, training 93.0 %, scoring 4.3 %, rest 0.0 %; the step waits for data 2.7 % of its time. Over 100 candidates of two
steps, 5 graphs throughout, and 1259, 1260, 1261 and 1262 MiB after 25, 50, 75 and 100 candidates.
"""

import gc
import time

import numpy as np
from absl import flags

from elo_tf import config
from elo_tf.config import DataConfig, EvolutionConfig, FitnessConfig, ModelConfig, RunConfig, TaskConfig, TrainConfig
from elo_tf.runtime import command_line
from elo_tf.runtime.progress import progress_bar
from experiments.benchmarks.process_memory import mebibytes

_CANDIDATES = flags.DEFINE_integer("candidates", 10, "candidates to run, at least 3", lower_bound=3)

KINDS = (RunConfig, DataConfig, ModelConfig, TaskConfig, TrainConfig, FitnessConfig)
PARTS = ("reset", "data", "training", "scoring", "rest")


def main() -> None:
    from elo_tf.search.trials.candidate import CandidateRunner, Settings

    begun = time.perf_counter()
    runner = CandidateRunner(Settings(*(config.from_flags(kind) for kind in KINDS)))
    print(f"set-up {time.perf_counter() - begun:.1f} s, {len(runner.names)} lambdas")
    gc.freeze()  # As the search does.
    random = np.random.default_rng(0)
    rows, grown = [], []
    with progress_bar(_CANDIDATES.value, "candidate") as bar:
        for _ in range(_CANDIDATES.value):
            begun = time.perf_counter()
            outcome = runner.run(random.random(len(runner.names)))
            seconds = time.perf_counter() - begun
            rows.append({**outcome.seconds, "rest": seconds - sum(outcome.seconds.values())})
            grown.append((runner.traces, mebibytes("VmRSS")))
            bar.update(1)
    rows = rows[1:]
    total = sum(sum(row.values()) for row in rows)
    for part in PARTS:
        seconds = sum(row[part] for row in rows)
        print(f"{part:<9} {seconds / len(rows):8.3f} s a candidate  {seconds / total:6.1%}")
    overhead = sum(row["reset"] + row["data"] + row["rest"] for row in rows) / total
    waiting = sum(row["data"] for row in rows) / sum(row["data"] + row["training"] for row in rows)
    print(f"all but training and scoring {overhead:.1%}; the step waits for data {waiting:.1%} of its time")
    for place in sorted({2, *(len(grown) * quarter // 4 for quarter in (1, 2, 3, 4))}):
        traces, memory = grown[place - 1]
        print(f"after {place} candidates: {traces} graphs traced, {memory:.0f} MiB held")


if __name__ == "__main__":
    command_line.run(main, __doc__, [*KINDS, EvolutionConfig])
