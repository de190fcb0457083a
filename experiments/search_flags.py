"""The settings that experiments with searches share, and the head of their results."""

import dataclasses
import os
import pathlib
import platform
import re
import sys
import typing
from typing import Dict, Tuple

from elo_tf.config import Checked, FitnessConfig, InputError, ModelConfig, RunConfig, TaskConfig, TrainConfig, setting
from experiments import training, worlds

if typing.TYPE_CHECKING:
    from elo_tf.search.trials.candidate import Settings


@dataclasses.dataclass(frozen=True)
class MeasuredConfig(Checked):
    """Flags that the experiments on searches share."""

    folder: str = setting("", "folder of worlds and searches; a rerun reuses them", path=True)
    results: str = setting("experiments/results", "folder of the tables and figures", path=True)
    videos: int = setting(4000, "unlabelled videos of a world; a quarter of them is scored", low=16)
    labelled_per_class: int = setting(worlds.LABELLED_PER_CLASS, "labelled videos of a class, half held out", low=2)
    modalities: Tuple[str, ...] = setting(("rgb", "grey", "flow", "audio"), "towers to build")
    tasks: Tuple[str, ...] = setting(("fast",), "terms of the loss: presets, names or patterns")
    steps: int = setting(160, "training steps of a candidate", low=1)
    learning_rate: float = setting(TrainConfig().learning_rate, "peak learning rate of Adam", low=0)
    clusters: int = setting(25, "K of the fitness, about twice the classes expected", low=2)
    agree_with: str = setting("flow", "modality of the agreement and of the health gate", choices=("audio", "flow"))
    restarts: int = setting(20, "R, k-means runs averaged", low=1)
    scoring_clips: int = setting(1000, "N, held-out clips that are scored", low=2)
    processes: int = setting(2, "candidates at a time", low=1)
    smoke: bool = setting(False, "a few videos, terms and steps; shows that it runs, writes no results")

    def small(self) -> "MeasuredConfig":
        """The same at the size of --smoke."""
        return dataclasses.replace(
            self, videos=32, labelled_per_class=8, modalities=("rgb", "audio"),
            tasks=("rgb/shuffle", "audio/distill/stage4", "rgb-audio/embed"), steps=3, clusters=3, restarts=3,
            scoring_clips=24, processes=1,
        )  # fmt: skip

    def prepare(self, name: str, folder: pathlib.Path) -> pathlib.Path:
        """Makes what the folder lacks of a world; returns its records, `searched` and `labelled`."""
        counts = {"world": self.videos, "labelled_per_class": self.labelled_per_class}
        world = worlds.settings(name, **counts)
        place = folder / f"{worlds.slug(world)}-{self.videos}"
        return worlds.prepare(world, place, self.processes, ("searched", "labelled"))

    def settings(self, records: pathlib.Path, seed: int, fitness: str, task: TaskConfig) -> "Settings":
        """Those of a search on the records of a world."""
        from elo_tf.search.trials.candidate import Settings

        return Settings(
            RunConfig(records=str(records / "searched"), seed=seed),
            training.DATA,
            ModelConfig(backbone=training.BACKBONE, modalities=self.modalities, tasks=self.tasks),
            task,
            TrainConfig(steps=self.steps, optimizer="adam", learning_rate=self.learning_rate),
            FitnessConfig(
                fitness=fitness,
                clusters=self.clusters,
                restarts=self.restarts,
                scoring_clips=self.scoring_clips,
                agree_with=self.agree_with,
                labelled=str(records / "labelled"),
            ),  # fmt: skip
        )

    def place(self) -> pathlib.Path:
        """The folder that was given.

        Raises:
          InputError: none was.
        """
        if not self.folder:
            raise InputError("--folder is missing; name a folder where worlds and searches are kept")
        return pathlib.Path(self.folder)


def head(experiment: str, unit: str = "candidate") -> Dict[str, str]:
    """The head of results: the command without folders and absolute paths, and the machine; `unit` has a thread."""
    import tensorflow as tf

    places = [f"--{name}=" for name in ("folder", "results")]
    given = [next((place + "DIR" for place in places if text.startswith(place)), text) for text in sys.argv[1:]]
    given = [re.sub(r"=[/~][^,]*", "=PATH", text) for text in given]  # Of this machine, as in --losses=NAME=/a/b.json.
    machine = f"{os.cpu_count()} cores, {platform.machine()}, TensorFlow {tf.__version__}, one thread a {unit}"
    return {"command": " ".join([f"python -m experiments.{experiment}", *given]), "hardware": machine}
