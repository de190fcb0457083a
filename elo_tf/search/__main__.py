"""Evolves the loss: searches the lambdas of Eq. 1 by the score of the RGB tower that each loss trains (Sec. 3.2).

    python -m elo_tf.search --flagfile=experiments/flagfiles/demo.flags --records=DIR --run_dir=DIR
    python -m elo_tf.search --initial_loss=SEARCH/evolved_loss.json --records=DIR --run_dir=DIR
    python -m elo_tf.search --report=RUN_DIR
    python -m elo_tf.search --flagfile=experiments/flagfiles/paper_search.flags --dry_run

RUN_DIR receives flags.txt (usable as --flagfile), journal.jsonl, evolved_loss.json, figures/, clusters.npz,
best_embeddings/, tensorboard/ and report.html. If a search is interrupted, rerun the command: it continues, and no
finished candidate runs twice. The second command starts from a loss that was found before. The third draws figures and
report anew, also while the search runs. The fourth builds and checks everything without running it, and prints what the
search would take on rented machines.
"""

from elo_tf.runtime import command_line, interruption

interruption.guard(__name__)  # Before other imports: a signal may come while they run.

from absl import flags

from elo_tf import config
from elo_tf.config import BudgetConfig, SearchSettings, require

CONFIGS = (SearchSettings, BudgetConfig)

_LIST_LOSSES = flags.DEFINE_bool("list_losses", False, "print the terms of the loss and end; needs no records")

_REPORT = config.define_path(
    "report", None, "run directory of a search: redraw its figures and report, and end; no other flag"
)


def main() -> None:
    """Runs or continues a search, or does what else the flags say."""
    settings, budget = config.from_flags(SearchSettings), config.from_flags(BudgetConfig)
    is_search = not (_REPORT.value or _LIST_LOSSES.value or budget.dry_run)
    if is_search:
        require(settings, "records", "run_dir")
    # TensorFlow is imported only now, so that --help and wrong flags answer at once.
    from elo_tf.runtime import devices
    from elo_tf.search import api
    from elo_tf.search.reporting import report

    if is_search:
        devices.leave_gpus()
        api.run(settings)
    elif _REPORT.value:
        print(report.redraw(_REPORT.value))
    elif _LIST_LOSSES.value:
        api.list_losses(settings)
    else:
        api.dry_run(settings, budget)


if __name__ == "__main__":
    command_line.run(main, __doc__, CONFIGS)
