"""Candidates an hour: one worker, two workers, and a plain loop that builds the model for each candidate.

    python -m experiments.benchmarks.workers_speed --flagfile=experiments/flagfiles/demo.flags \\
        --records=runs/demo/records/unlabelled --candidates=8
    ... --steps=2 --candidates=2 --anew=1       smoke size, about two minutes

Every candidate runs with the threads that --threads says, one by default; workers have run one candidate
before the clock starts, as a search starts them once. `anew` is a new process for each candidate, with all that this
costs: imports, records, graphs, initial weights. Ways take turns, `--turns` times, and the medians count. Overhead is
the time that one worker's candidates take as the search sees them, beyond the training and the scoring in the worker.
Targets: two workers bring at least 1.7 times the candidates of one; overhead is at most 5 % of candidates of 10 s.

Hardware: any; meant for 2 CPU cores and nothing else running. With the demo's flags a quarter of an hour.
Obtained with the demo's flags (two turns): 19.7 s a candidate with one worker, 10.2 s with two, 1.93 times the
candidates an hour; 50.2 s anew, so that a worker that traces once brings 2.55 times the candidates of the obvious
loop. Overhead 2.3 %.
"""

import statistics
import time
import typing
from typing import Dict, List

import numpy as np
from absl import flags

from elo_tf import config
from elo_tf.config import DataConfig, EvolutionConfig, FitnessConfig, ModelConfig, RunConfig, TaskConfig, TrainConfig
from elo_tf.runtime import command_line
from elo_tf.runtime.workers.local import LocalEngine
from elo_tf.search.journal.result import TrialResult

if typing.TYPE_CHECKING:
    from elo_tf.search.trials.candidate import Settings
    from elo_tf.search.trials.scheduler import Crew
    from elo_tf.search.trials.trial import Trial

_CANDIDATES = flags.DEFINE_integer("candidates", 8, "candidates a turn of the workers; even", lower_bound=2)
_ANEW = flags.DEFINE_integer("anew", 2, "candidates a turn of the loop that builds anew", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 2, "turns of each way", lower_bound=1)

KINDS = (RunConfig, DataConfig, ModelConfig, TaskConfig, TrainConfig, FitnessConfig)


def main() -> None:
    from elo_tf import tasks
    from elo_tf.data.clips import check_modalities
    from elo_tf.search.trials.candidate import Settings
    from elo_tf.search.trials.trial import Trial

    settings = Settings(*(config.from_flags(kind) for kind in KINDS))
    modalities = check_modalities(settings.model.modalities)
    terms = len(tasks.select(modalities, settings.model.tasks, settings.task))
    lambdas = np.random.default_rng(0).random((max(_CANDIDATES.value, _ANEW.value), terms))
    trials = [Trial(number, tuple(own), settings.train.steps, settings.run.seed) for number, own in enumerate(lambdas)]
    seconds: Dict[str, List[float]] = {"one worker": [], "two workers": [], "anew": []}
    overheads = []
    with _crew(settings, 1) as one, _crew(settings, 2) as two:
        for crew in (one, two):
            _timed(crew, trials[: 2 * crew.size])
        for _ in range(_TURNS.value):
            for name, crew in (("one worker", one), ("two workers", two)):
                each, results = _timed(crew, trials[: _CANDIDATES.value])
                seconds[name].append(each)
                if crew is one:
                    inside = sum(map(_at_work, results)) / len(results)
                    overheads.append((each - inside) / each)
            begun = time.perf_counter()
            for trial in trials[: _ANEW.value]:
                with _crew(settings, 1) as new:
                    list(new.run([trial]))
            seconds["anew"].append((time.perf_counter() - begun) / _ANEW.value)
    _print(seconds, statistics.median(overheads))


def _crew(settings: "Settings", count: int) -> "Crew":
    from elo_tf.search.trials.scheduler import Crew
    from elo_tf.search.trials.worker import CandidateWorker

    return Crew(LocalEngine(count), CandidateWorker, (settings,), retries=0)


def _timed(crew: "Crew", trials: "List[Trial]"):
    """Seconds a candidate, and the results."""
    begun = time.perf_counter()
    results = [ended.result for ended in crew.run(trials)]
    return (time.perf_counter() - begun) / len(trials), results


def _at_work(result: TrialResult) -> float:
    """Seconds of training and scoring."""
    return sum(result.diagnostics[f"seconds/{part}"] for part in ("training", "scoring"))


def _print(seconds: Dict[str, List[float]], overhead: float) -> None:
    medians = {name: statistics.median(own) for name, own in seconds.items()}
    print("| way | seconds a candidate | candidates an hour | against one worker |\n| --- | --- | --- | --- |")
    for name, own in medians.items():
        print(f"| {name} | {own:.2f} | {3600 / own:.0f} | {medians['one worker'] / own:.2f} |")
    print(f"\none worker against anew: {medians['anew'] / medians['one worker']:.2f} times the candidates an hour")
    print(f"overhead of a candidate of {medians['one worker']:.1f} s: {overhead:.1%}")


if __name__ == "__main__":
    command_line.run(main, __doc__, [*KINDS, EvolutionConfig])
