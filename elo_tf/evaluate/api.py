"""Evaluates from settings: what `python -m elo_tf.evaluate` does, for programs and notebooks.

result = run(Settings(checkpoint="run", records="labelled_records", protocol=["kmeans", "linear"]))
print(result)                        the table, as the command prints it
"""

import dataclasses
import pathlib
from typing import Any, Callable, Dict, List, Sequence, Tuple

from elo_tf.config import EvaluateSettings as Settings
from elo_tf.config import InputError, ProtocolConfig, part, require, require_paths
from elo_tf.evaluate import entrants, ledger, measure, protocols, results, table
from elo_tf.evaluate.videos import budget, splits
from elo_tf.evaluate.videos.damage import UnreadableError, describe
from elo_tf.evaluate.videos.material import Material
from elo_tf.evaluate.videos.split import Split, digest
from elo_tf.networks.tower import Tower
from elo_tf.runtime import devices


@dataclasses.dataclass(frozen=True)
class Result:
    """What an evaluation has found.

    Attributes:
      folder: Of its files.
      content: Of results.json: `table`, `comparisons`, `measurements`, `confusion` and more.
    """

    folder: pathlib.Path
    content: Dict[str, Any]

    @property
    def table(self) -> List[List[str]]:
        """Rows of cells, the head first: accuracy in percent ± standard deviation over seeds and restarts."""
        return self.content["table"]

    @property
    def measurements(self) -> List[Dict[str, Any]]:
        """One for each representation, protocol, split, label budget and seed."""
        return self.content["measurements"]

    def __str__(self) -> str:
        # Results of earlier versions have no comparisons.
        return "\n".join([table.as_text(self.table), *self.content.get("comparisons", ())])


def run(settings: Settings) -> Result:
    """Makes the measurements that are missing; prints how it goes.

    Raises:
      InputError: a setting, a file or a folder cannot be used.
      OSError: a file cannot be read or written.
    """
    require(settings, "checkpoint", "records")
    require_paths("checkpoint", settings.checkpoint)
    seeds = _seeds(settings.seeds)
    devices.set_up(settings.threads)
    with devices.precision("float32"):  # Whatever a training in this process has had.
        result = _run(settings, part(settings, ProtocolConfig), seeds)
    print(result)
    print(
        "accuracy in percent on test videos, ± standard deviation over seeds and restarts; even: less than two "
        f"standard errors of so many videos; more in {result.folder}"
    )
    return result


def _run(settings: Settings, how: ProtocolConfig, seeds: Sequence[int]) -> Result:
    chosen = protocols.select(settings.protocol, how)
    limits = budget.parse(settings.label_budgets)
    towers = [Tower.load(place) for place in settings.checkpoint]
    material = Material.open(settings.records, towers[0].about, how)
    measured = splits.read(settings, material)
    candidates = entrants.select(settings.baselines, towers, how)
    inputs = _inputs(settings, seeds, towers, material, measured)
    folder = _output(settings, towers[0].checkpoint)
    content = results.earlier(folder, inputs)
    if content is None:
        _announce(material, measured, settings.duplicates)
        with ledger.Ledger(folder, inputs) as noted:
            if len(noted):
                print(f"{len(noted)} measurements were made before")
            measured, found = _measure(
                settings,
                measured,
                material,
                lambda splits, whole: measure.measure(
                    candidates, splits, limits, seeds, chosen, whole, how, noted, _show
                ),
            )
            content = results.write(folder, inputs, measured, found, {"train": how.train_clips, "test": how.test_clips})
            noted.remove()
    else:
        (folder / ledger.FILE).unlink(missing_ok=True)  # Of a command that was killed when it had written the results.
        print("This evaluation has been done before:")
    return Result(folder, content)


def _measure(
    settings: Settings,
    splits: List[Split],
    material: Material,
    make: Callable[[List[Split], Material], List[ledger.Measurement]],
) -> Tuple[List[Split], List[ledger.Measurement]]:
    """The measurements, and the splits that they are of: without videos whose records turn out to be damaged.

    A rerun finds the same records damaged again, so that splits are known by what the lists and the manifest say.

    Raises:
      InputError: too many videos are damaged, or what is left cannot be measured.
    """
    while True:
        try:
            return splits, make(splits, material)
        except UnreadableError as error:
            before, splits = splits, [split.without(error.why) for split in splits]
            if splits == before and (error.why or material.salvage):  # Records of no video that is measured.
                raise
            for line in describe(error.why):
                _show(f"left out, cannot be read: {line}")
            for split in splits:
                split.check_readable(settings.max_bad_fraction, error)
            material = dataclasses.replace(material, salvage=True)


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


def _inputs(
    settings: Settings, seeds: Sequence[int], towers: Sequence[Tower], material: Material, measured: Sequence[Split]
) -> Dict[str, Any]:
    """All that the results depend on: not where things lie, nor what only costs time.

    `resident_gb` is among it: videos that are streamed are shuffled in another order than those in memory. What
    `duplicates` and `short_videos` decide, the digests of the splits tell; `max_bad_fraction` decides nothing but
    whether there are results.
    """
    values = dataclasses.asdict(settings)
    for name in (
        "checkpoint",
        "records",
        "output",
        "splits",
        "seeds",
        "threads",
        "duplicates",
        "short_videos",
        "max_bad_fraction",
    ):
        values.pop(name)
    return {
        "checkpoints": [
            {
                "step": tower.step,
                "weights": entrants.weights_digest(tower.network),
                "description": dataclasses.asdict(tower.about),
            }
            for tower in towers
        ],
        "records": {"fingerprint": material.manifest.fingerprint, "settings": material.manifest.settings},
        "splits": [digest(split) for split in measured],
        "settings": values,
        "seeds": list(seeds),
    }


def _output(settings: Settings, checkpoint: str) -> pathlib.Path:
    """Where the results go: `--output`, or a folder of the run directory, RUN_DIR/checkpoints/ckpt-N being given."""
    if settings.output:
        return pathlib.Path(settings.output)
    return pathlib.Path(checkpoint).parent.parent / results.FOLDER


def _announce(material: Material, measured: Sequence[Split], duplicates: str) -> None:
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
            (sum(bool(video.parts) for video in (*split.train, *split.test)), "of them in several records"),
            (split.duplicates, f"found more than once (--duplicates={duplicates})"),
        )
        print(
            f"split {split.name}: {len(split.classes)} classes, {len(split.train)} training and {len(split.test)} test "
            f"videos{''.join(f', {count} {what}' for count, what in counts if count)}",
            flush=True,
        )


def _show(line: str) -> None:
    print(line, flush=True)
