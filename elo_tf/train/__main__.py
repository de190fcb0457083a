"""Trains the final model with an evolved loss (Sec. 4, Implementation details).

    python -m elo_tf.train --loss=SEARCH/evolved_loss.json --records=DIR --run_dir=DIR [--epochs=100 --backbone=r50]
    python -m elo_tf.train --loss=random:0 --tasks=paper --records=DIR --run_dir=DIR       a random loss (Table 1)
    python -m elo_tf.train --flagfile=experiments/flagfiles/paper_final.flags --dry_run    what it takes; trains nothing

The loss file says which terms there are and how they are formed; flags that are given override it. RUN_DIR receives
flags.txt (usable as --flagfile), loss.json, tower.json, checkpoints/, tensorboard/ and results.json. If a training is
interrupted, rerun the command: it continues from the last checkpoint and ends with the weights of an uninterrupted run
(bit for bit with --threads=1; several threads add up in any order). SIGTERM saves first.
`evaluate` and the export take RUN_DIR as their --checkpoint.

Exit status: 0 when all steps are done, 1 when a term stopped being finite, 2 for bad input, 143 after SIGTERM.
"""

from elo_tf.runtime import command_line, interruption

interruption.guard(__name__)  # Before other imports: a signal may come while they run.

import contextlib
import signal
import sys
from typing import Callable, Iterator, List

from elo_tf import config
from elo_tf.config import BudgetConfig, TaskConfig, TrainSettings, require
from elo_tf.train.cluster import Cluster

CONFIGS = (TrainSettings, BudgetConfig)

DIVERGED = 1
TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """Trains, or goes on training, as the flags say."""
    settings, budget = config.from_flags(TrainSettings), config.from_flags(BudgetConfig)
    given = config.given(TaskConfig)
    settings.check_devices(settings.precision)
    if not budget.dry_run:
        require(settings, "loss", "records", "run_dir")
        if settings.distribute == "multi_worker":
            # The strategy looks for them once more: here the user is told at once.
            Cluster.read().gather(settings.cluster_minutes)
    # TensorFlow is imported only now, so that --help and missing flags answer at once.
    from elo_tf.train import api

    if budget.dry_run:
        api.dry_run(settings, budget, given)
        return
    received: List[int] = []
    try:
        result = api.run(settings, given, _signals(received, settings.grace_seconds))
    except api.DivergedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(DIVERGED)
    if not result.finished:
        print(f"stopped at step {result.step} of {result.steps}, saved; rerun the command to continue")
        sys.exit(128 + received[0] if received else TERMINATED)


@contextlib.contextmanager
def _signals(received: List[int], grace: float) -> Iterator[Callable[[], bool]]:
    """Within it signals are noted, and end the program only after so many seconds; tells whether there was one."""
    with interruption.listening(grace) as asked:
        try:
            yield lambda: bool(asked)
        finally:
            received += asked


if __name__ == "__main__":
    command_line.run(main, __doc__, CONFIGS)
