"""Evaluates the RGB tower of a training on labelled videos, with the paper's three protocols (Sec. 4).

    python -m elo_tf.evaluate --checkpoint=RUN_DIR[,RUN_DIR] --records=DIR [--protocol=kmeans,linear,finetune]
        [--baselines=scratch,supervised,pixels] [--seeds=0,1,2] [--label_budgets=40,200,all]
    python -m elo_tf.evaluate --checkpoint=RUN_DIR --records=DIR --split_format=hmdb51 --splits=DIR --split=1,2,3

Records come from prepare --labels=folders: its training part teaches, its held-out part tests. With official lists
(hmdb51, ucf101, kinetics) these say which videos do what; make the records with --holdout_fraction=0 then. A listed
video is found by the longest form of its name that fits, whatever its extension. Of copies in several folders one is
taken (--duplicates); a video that both lists name tests and does not train; one shorter than a clip is repeated
(--short_videos). All of these are counted, in what is printed and in results.json.

OUTPUT (RUN_DIR/evaluation) receives results.json, table.md and a confusion matrix for each protocol. If the command is
interrupted, rerun it: it makes the measurements that are missing, or shows the results if there are any. It never
replaces the results of another evaluation.
"""

from elo_tf.runtime import command_line, interruption

interruption.guard(__name__)  # Before other imports: a signal may come while they run.

from elo_tf import config
from elo_tf.config import EvaluateSettings, require

CONFIGS = (EvaluateSettings,)


def main() -> None:
    """Evaluates as the flags say, and prints the table."""
    settings = config.from_flags(EvaluateSettings)
    require(settings, "checkpoint", "records")
    # TensorFlow is imported only now, so that --help and missing flags answer at once.
    from elo_tf.evaluate import api

    api.run(settings)


if __name__ == "__main__":
    command_line.run(main, __doc__, CONFIGS)
