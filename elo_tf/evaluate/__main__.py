"""Evaluates the RGB tower of a training on labelled videos, by the paper's three protocols (Sec. 4).

    python -m elo_tf.evaluate --checkpoint=RUN_DIR[,RUN_DIR] --records=DIR [--protocol=kmeans,linear,finetune]
        [--baselines=scratch,supervised,pixels] [--seeds=0,1,2] [--label_budgets=40,200,all]
    python -m elo_tf.evaluate --checkpoint=RUN_DIR --records=DIR --split_format=hmdb51 --splits=DIR --split=1,2,3

Records come from prepare --labels=folders: its training part teaches, its held-out part tests. With official lists
(hmdb51, ucf101, kinetics) these say which videos do what; make the records with --holdout_fraction=0 then. A listed
video is found by the longest form of its name that fits, whatever its extension. Of copies in several folders one is
taken (--duplicates); a video that both lists name tests and does not train; one shorter than a clip is repeated
(--short_videos). All of these are counted, in what is printed and in results.json.

OUTPUT (RUN_DIR/evaluation) receives results.json, table.md and a confusion matrix for each protocol. The command may be
killed and given again: it makes the measurements that are missing, or shows the results that are there; those of
another evaluation are never replaced.
"""

import dataclasses
import pathlib
from typing import Any, Dict, List, Sequence

from elo_tf import config
from elo_tf.config import EvaluationConfig, InputError, ProtocolConfig
from elo_tf.runtime import command_line

CONFIGS = (EvaluationConfig, ProtocolConfig)


def main() -> None:
    """Evaluates as the flags say, and prints the table."""
    what, how = (config.from_flags(kind) for kind in CONFIGS)
    for name in ("checkpoint", "records"):
        if not getattr(what, name):
            raise InputError(f"--{name} is not given; see --help")
    config.require_paths("checkpoint", what.checkpoint)
    seeds = _seeds(what.seeds)
    _limit_threads(what.threads)
    # TensorFlow is imported only now, so that --help and wrong flags answer at once.
    from elo_tf.evaluate import entrants, ledger, measure, protocols, results, table
    from elo_tf.evaluate.videos import budget, split, splits
    from elo_tf.evaluate.videos.material import Material
    from elo_tf.networks.tower import Tower

    chosen = protocols.select(what.protocol, how)
    limits = budget.parse(what.label_budgets)
    towers = [Tower.load(place) for place in what.checkpoint]
    material = Material.open(what.records, towers[0].about, how)
    measured = splits.read(what, material)
    candidates = entrants.select(what.baselines, towers, how)
    inputs = {
        "checkpoints": [
            {
                "step": tower.step,
                "weights": entrants.weights_digest(tower.network),
                "description": dataclasses.asdict(tower.about),
            }
            for tower in towers
        ],
        "records": {"fingerprint": material.manifest.fingerprint, "settings": material.manifest.settings},
        "splits": [split.digest(each) for each in measured],
        "settings": _settings(what, how),
        "seeds": seeds,
    }
    folder = _output(what, towers[0].checkpoint)
    content = results.earlier(folder, inputs)
    if content is None:
        _announce(material, measured, what.duplicates)
        with ledger.Ledger(folder, inputs) as noted:
            if len(noted):
                print(f"{len(noted)} measurements were made before")
            found = measure.measure(candidates, measured, limits, seeds, chosen, material, how, noted, _show)
            content = results.write(folder, inputs, measured, found, {"train": how.train_clips, "test": how.test_clips})
            noted.remove()
    else:
        (folder / ledger.FILE).unlink(missing_ok=True)  # Of a command that was killed when it had written the results.
        print("This evaluation has been done before:")
    print(table.as_text(content["table"]))
    for line in content.get("comparisons", ()):  # Results of earlier versions have none.
        print(line)
    print(
        "accuracy in percent on test videos, ± standard deviation over seeds and restarts; even: less than two "
        f"standard errors of so many videos; more in {folder}"
    )


def _seeds(names: Sequence[str]) -> List[int]:
    """The seeds, each once.

    Raises:
      InputError: one is not a number, or there is none.
    """
    for name in names:
        if not (name.isascii() and name.isdigit() and int(name) < 2**31):
            raise InputError(f"--seeds: {name!r} is not a whole number from 0 to {2**31 - 1}")
    if not names:
        raise InputError("--seeds is empty; give one or more numbers, such as 0,1,2")
    return list(dict.fromkeys(map(int, names)))


def _limit_threads(threads: int) -> None:
    if threads:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def _settings(what: EvaluationConfig, how: ProtocolConfig) -> Dict[str, Any]:
    """What the results depend on: not where things lie, nor what only costs time.

    Not `resident_gb`: videos that are streamed are shuffled in another order than those in memory. What `duplicates`
    and `short_videos` decide, the digests of the splits tell.
    """
    settings = {**dataclasses.asdict(what), **dataclasses.asdict(how)}
    for name in ("checkpoint", "records", "output", "splits", "seeds", "threads", "duplicates", "short_videos"):
        settings.pop(name)
    return settings


def _output(what: EvaluationConfig, checkpoint: str) -> pathlib.Path:
    """Where the results go: `--output`, or a folder of the run directory, RUN_DIR/checkpoints/ckpt-N being given."""
    from elo_tf.evaluate import results

    return pathlib.Path(what.output) if what.output else pathlib.Path(checkpoint).parent.parent / results.FOLDER


def _announce(material, measured, duplicates: str) -> None:
    """Says what will be evaluated on what."""
    if material.warning:
        print(f"warning: {material.warning}")
    for split in measured:
        counts = (
            (split.missing, "missing"),
            (split.short, "too short"),
            (split.looped_train, "training videos shorter than a clip, looped"),
            (split.looped_test, "test videos shorter than a clip, looped"),
            (split.overlap, "in both lists, left out of training"),
            (split.duplicates, f"found more than once (--duplicates={duplicates})"),
        )
        print(
            f"split {split.name}: {len(split.classes)} classes, {len(split.train)} training and {len(split.test)} test "
            f"videos{''.join(f', {count} {what}' for count, what in counts if count)}",
            flush=True,
        )


def _show(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    command_line.run(main, __doc__, CONFIGS)
