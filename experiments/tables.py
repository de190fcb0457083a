"""Code that the tables share: flags, worlds, towers, and how rows become text and numbers.

flags -> worlds rendered -> jobs of all rows (`towers`) -> one record for all tables -> rows of accuracies
"""

import contextlib
import dataclasses
import fnmatch
import functools
import pathlib
import tempfile
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from elo_tf.config import Checked, FinalTrainConfig, InputError, ProtocolConfig, TaskConfig, TrainConfig, setting
from experiments import jobs, training, worlds
from experiments.contrasts import Run
from experiments.towers import FineTuning, Job, Places, work
from experiments.worlds import LABELLED_PER_CLASS

RECORD = "towers.jsonl"
CLASSES = 12  # Of every list of the rendered world.
JITTER_OF_LABELS = 0.4  # Few labelled videos are learned by their colours, unless these vary.


@dataclasses.dataclass(frozen=True)
class TablesConfig(Checked):
    """Flags that the tables share."""

    worlds: Tuple[str, ...] = setting(
        ("second:301", "third:302"),
        "worlds to report on, LIST:SEED or LIST:SEED:NUISANCE; nothing may be chosen on them",
    )
    labels_world: str = setting("main:303", "world of another class list whose labels train the supervised row")
    losses: Tuple[str, ...] = setting(
        (), "evolved losses as NAME=FILE; names are those of the rows of a table; files of a name take turns over seeds"
    )
    tasks: Tuple[str, ...] = setting(("fast",), "terms of random and equal losses: presets, names or patterns")
    modalities: Tuple[str, ...] = setting(("rgb", "flow", "audio"), "towers of random and equal losses")
    like: str = setting(
        "", "loss file of a search; random and equal losses have its terms and units in place of --tasks", path=True
    )
    seeds: int = setting(3, "runs of each row in each world", low=1)
    clips: int = setting(20000, "budget of a training, clips; the same for all rows", low=64)
    videos: int = setting(1200, "unlabelled videos of a world, and labelled ones that train the supervised row", low=12)
    labelled_per_class: int = setting(LABELLED_PER_CLASS, "labelled videos of a class; half of them test", low=4)
    finetune_epochs: float = setting(30.0, "times that fine-tuning sees each labelled video", low=0)
    finetune_batch: int = setting(32, "clips a step of fine-tuning", low=2)
    finetune_learning_rate: float = setting(3e-3, "peak learning rate of fine-tuning with Adam", low=0)
    finetune: bool = setting(True, "fine-tune too; half of the cost")
    folder: str = setting("", "folder of worlds, towers and finished runs; a rerun reuses them", path=True)
    results: str = setting("experiments/results", "folder of tables, numbers and figures", path=True)
    processes: int = setting(2, "runs at a time", low=1)
    smoke: bool = setting(False, "a few videos and steps; shows that it runs, writes no results")

    def small(self) -> "TablesConfig":
        """The same at the size of --smoke."""
        return dataclasses.replace(
            self, worlds=("third:21:0.2",), labels_world="main:3:0.2", tasks=("rgb/shuffle", "rgb-flow/embed"),
            modalities=("rgb", "flow"), seeds=1, clips=128, videos=48, labelled_per_class=10, finetune_epochs=1,
        )  # fmt: skip

    @property
    def protocols(self) -> ProtocolConfig:
        """How towers are measured."""
        return ProtocolConfig(
            train_clips=training.WINDOWS,
            test_clips=training.WINDOWS,
            batch_size=self.finetune_batch,
            finetune_epochs=self.finetune_epochs,
            finetune_learning_rate=self.finetune_learning_rate,
            color_jitter=JITTER_OF_LABELS,
        )

    @contextlib.contextmanager
    def place(self) -> Iterator[pathlib.Path]:
        """The folder that was given; for --smoke without any, one that vanishes.

        Raises:
          InputError: none was given.
        """
        if not (self.folder or self.smoke):
            raise InputError("--folder is missing; name a folder where worlds, towers and finished runs are kept")
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(self.folder or temporary)
            folder.mkdir(parents=True, exist_ok=True)
            yield folder

    def runs(self) -> List[Run]:
        """All (world, seed): every world at the first seed, then at the next, so that what is interrupted has some."""
        return [(world, seed) for seed in range(self.seeds) for world in self.worlds]


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
      name: What it is called.
      towers: (world, seed) -> its towers; their accuracies are averaged.
      paper: The paper's accuracies by column, in percent.
      note: What a reader has to know.
    """

    name: str
    towers: Mapping[Run, Tuple[Job, ...]]
    paper: Mapping[str, float] = dataclasses.field(default_factory=dict)
    note: str = ""


def untrained(config: TablesConfig, run: Run) -> Job:
    """The tower that all others of a run begin with."""
    world, seed = run
    return Job(
        world, "", (), False, seed, config.videos, config.labelled_per_class,
        TrainConfig(steps=max(1, config.clips // training.DATA.batch_size)), how=config.protocols,
    )  # fmt: skip


def by_labels(config: TablesConfig, run: Run) -> Job:
    """A tower trained by labels of another world, with as many clips of as many videos."""
    start = untrained(config, run)
    data = dataclasses.replace(start.data, color_jitter=JITTER_OF_LABELS)
    return dataclasses.replace(start, supervised=True, labels_of=config.labels_world, data=data)


def by_terms(
    config: TablesConfig, run: Run, loss: str = "equal", tasks: Sequence[str] = (), without: Sequence[str] = ()
) -> Job:
    """A tower trained by a loss.

    Args:
      config: The flags.
      run: World and seed.
      loss: `equal`, `random:SEED` or a loss file, as `--loss` of `elo_tf.train`; terms below its `--drop_below` are
        left out, and terms are formed as in the search that the file is of.
      tasks: Terms of an equal loss in place of those of the flags.
      without: Patterns of terms that are left out too.

    Raises:
      InputError: there is no such loss, or it is of terms that this version does not have.
    """
    from elo_tf.data.clips import MODALITIES
    from elo_tf.train import terms

    task = TaskConfig()
    like = "" if tasks or terms.is_searched(loss) else config.like
    if like or terms.is_searched(loss):
        task = _task_of(like or loss)
    modalities = tuple(MODALITIES) if tasks else config.modalities
    chosen = terms.choose(loss, task, FinalTrainConfig().drop_below, tuple(tasks) or config.tasks, modalities, like)
    names = [name for name in chosen.lambdas if not any(fnmatch.fnmatch(name, each) for each in without)]
    if not names:
        raise InputError(f"{loss} has no terms but {', '.join(without)}; leave this row out")
    weights = tuple(chosen.lambdas[name] for name in names)
    return dataclasses.replace(
        untrained(config, run),
        terms=tuple(names),
        lambdas=() if set(weights) == {1.0} else weights,
        units=() if chosen.units is None else tuple(chosen.units[name] for name in names),
        task=task,
    )


def _task_of(loss: str) -> TaskConfig:
    from elo_tf.model.objective import read_loss

    try:
        return TaskConfig(**read_loss(pathlib.Path(loss)).content.get("task", {}))
    except TypeError as error:
        raise InputError(
            f"{loss}: 'task' is not as a search of this version writes it ({error}); search again"
        ) from None


def losses(config: TablesConfig, known: Mapping[str, Any]) -> Dict[str, List[str]]:
    """Name -> loss files of --losses.

    Raises:
      InputError: one is not NAME=FILE, or no row has that name.
    """
    found: Dict[str, List[str]] = {}
    for given in config.losses:
        name, _, path = given.partition("=")
        if name not in known or not path:
            raise InputError(f"--losses: {given!r} is not NAME=FILE with a name of {', '.join(known)}")
        found.setdefault(name, []).append(str(pathlib.Path(path).expanduser()))
    return found


def prepare(config: TablesConfig, folder: pathlib.Path, with_labels: bool = True) -> Places:
    """Renders and converts what the folder lacks of all worlds."""
    unlabelled, labelled, pretraining = {}, {}, {}
    for name in config.worlds:
        world = worlds.settings(name, world=config.videos, labelled_per_class=config.labelled_per_class)
        place = folder / f"{worlds.slug(world)}-{config.videos}"
        records = worlds.prepare(world, place, config.processes)
        unlabelled[name, config.videos], labelled[name] = records / "unlabelled", records / "labelled"
    if with_labels:
        per_class = -(-config.videos // CLASSES)
        world = worlds.settings(config.labels_world, world=0, labelled_per_class=per_class)
        place = folder / f"{worlds.slug(world)}-labels-{per_class}"
        records = worlds.prepare(world, place, config.processes, ("pretraining",))
        pretraining[config.labels_world] = records / "pretraining"
    return Places(folder, unlabelled, labelled, pretraining)


def run(
    rows: Sequence[Row], places: Places, config: TablesConfig, budgets: Sequence[Sequence[str]] = ()
) -> jobs.Record:
    """Runs what the record of the folder lacks: all towers, then their fine-tuning with each list of label budgets."""
    record = jobs.Record(places.folder / RECORD)
    towers = [job for run in config.runs() for row in rows for job in row.towers.get(run, ())]
    _finish(towers, places, config, record)  # First: no two jobs at a time train the same tower.
    whole = [job for job in dict.fromkeys(towers) if "reason" not in record[job]]
    _finish([FineTuning(job, tuple(each)) for job in whole for each in budgets], places, config, record)
    return record


def _finish(todo: Sequence[Any], places: Places, config: TablesConfig, record: jobs.Record) -> None:
    for _ in jobs.run(todo, functools.partial(work, places), record, config.processes):
        pass
