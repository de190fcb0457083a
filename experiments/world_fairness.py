"""Is the rendered world fair? What each modality shows without learning, and what a supervised RGB tower reaches.

    python -m experiments.world_fairness                 three worlds: all class lists, three seeds
    python -m experiments.world_fairness --smoke         one small world, less than a minute; its numbers mean nothing

A world is fair if neither stills, colours, energies of motion, sound nor flow give its classes away by plain statistics
or through an untrained tower, while a tower that learns from RGB finds them: there is something to learn, and nothing
to be had for free. Each world is rendered, converted and read as any other data. In the rows are plain descriptors
(`elo_tf.data.descriptors`) and embeddings of untrained towers, in the columns accuracies on held-out videos:

    1-NN               nearest neighbour among the training clips
    k-means, linear    those of `experiments.protocols`

Hardware: 2 cores (AVX-512); the time was not measured on a free machine.
Obtained: pixels and colours at the level of noise, every other plain statistic and untrained tower below .50 in main:0
and below .53 in second:1, supervised RGB .86 and .79 (experiments/results/world_fairness.md). The k-means column
there is the restart of least inertia out of five; now it is the mean of five.
Needs scikit-learn, as the tests do. Results go to experiments/results/world_fairness.md and .json.
"""

import dataclasses
import os
import pathlib
import platform
import sys
import tempfile
import time
from typing import Dict, List, Tuple

import numpy as np
from absl import flags

from elo_tf.config import DataConfig, IngestConfig, WorldConfig, define_path
from elo_tf.runtime import command_line
from elo_tf.runtime.workers.local import LocalEngine
from experiments import markdown, protocols, result_files, worlds

_WORLDS = flags.DEFINE_list("worlds", ["main:0", "second:1", "third:2"], "worlds to measure, LIST:SEED")
_FOLDER = define_path("folder", None, "folder of videos and records, which a rerun reuses; empty: they are deleted")
_RESULTS = define_path("results", "experiments/results", "folder of the table")
_PROCESSES = flags.DEFINE_integer("processes", 2, "processes that render and convert", lower_bound=1)
_VIDEOS = flags.DEFINE_integer("videos_per_class", 200, "videos a class; a quarter of them is held out", lower_bound=8)
_STEPS = flags.DEFINE_integer("steps", 3600, "training steps of the supervised tower", lower_bound=1)
_SMOKE = flags.DEFINE_bool("smoke", False, "one small world and few steps; writes no results")

INGEST = IngestConfig(size=36, labels="folders")
DATA = DataConfig(frames=8, crop_size=32, batch_size=32, color_jitter=0.2)
LEARNING_RATE = 3e-3
MODALITIES = ("rgb", "flow", "audio")
DESCRIBED = {"pixels": "rgb", "color_histogram": "rgb", "frame_difference": "rgb", "audio": "audio", "flow": "flow"}

Arrays = Dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Row:
    """Accuracies on held-out clips; None where a protocol does not apply."""

    name: str
    nearest: float = None
    clusters: float = None
    linear: float = None


def prepare_world(config: WorldConfig, folder: pathlib.Path, processes: int) -> str:
    """Renders and converts the labelled part of a world; returns the folder of its records."""
    from elo_tf.prepare.convert import convert
    from elo_tf.prepare.world.render import render_world

    render_world(config, folder / "videos", processes)
    convert(folder / "videos" / "labelled", folder / "records", INGEST, LocalEngine(processes))
    return str(folder / "records")


def read_clips(records: str, split: str, windows: int) -> Arrays:
    """A few windows of each video: {"rgb", "flow", "audio", "label"}, arrays over the clips of a split."""
    from elo_tf.data.reader import Reader

    reader = Reader.open(records, split, frozenset(("now", modality) for modality in MODALITIES), DATA)
    clips = {name: [] for name in (*MODALITIES, "label")}
    for batch in reader.scoring(windows * reader.videos.count).as_numpy_iterator():
        clips["label"].append(batch["label"])
        for modality in MODALITIES:
            clips[modality].append(batch["now"][modality])
    return {name: np.concatenate(parts) for name, parts in clips.items()}


def probe(name: str, train: Arrays, test: Arrays, features: Tuple[np.ndarray, np.ndarray]) -> Row:
    """The three protocols on standardised features ([N,d] of the training and of the held-out clips)."""
    from sklearn.neighbors import KNeighborsClassifier

    seen, held_out = protocols.standardise(*features)
    nearest = KNeighborsClassifier(1).fit(seen, train["label"]).score(held_out, test["label"])
    clusters = protocols.kmeans_accuracy(held_out, test["label"], int(train["label"].max()) + 1)
    return Row(name, nearest, clusters, protocols.linear_accuracy(seen, train["label"], held_out, test["label"]))


def embed(tower, clips: np.ndarray) -> np.ndarray:
    """[N,D] embeddings in inference mode."""
    return np.concatenate([tower(clips[i : i + 64])["embedding"].numpy() for i in range(0, len(clips), 64)])


def supervise(records: str, test: Arrays, steps: int, seed: int) -> float:
    """Accuracy on held-out clips of an RGB tower that is trained with labels (Adam, cosine decay)."""
    import tensorflow as tf

    from elo_tf.data.reader import Reader
    from elo_tf.networks.backbone import Backbone

    tf.keras.utils.set_random_seed(seed)
    tower, head = Backbone("tiny"), tf.keras.layers.Dense(int(test["label"].max()) + 1)
    optimizer = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps))

    @tf.function
    def train_step(rgb, label):
        with tf.GradientTape() as tape:
            logits = head(tower(rgb, training=True)["embedding"])
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits)
        variables = tower.trainable_variables + head.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(losses, variables), variables))

    reader = Reader.open(records, "train", frozenset({("now", "rgb")}), DATA)
    for clips in reader.training(seed).take(steps):
        train_step(clips["now"]["rgb"], clips["label"])
    return float(np.mean(head(embed(tower, test["rgb"])).numpy().argmax(1) == test["label"]))


def measure(records: str, steps: int, seed: int) -> List[Row]:
    """All rows of one world."""
    import tensorflow as tf

    from elo_tf.data.descriptors import describe
    from elo_tf.networks.backbone import Backbone

    train, test = read_clips(records, "train", 2), read_clips(records, "holdout", 2)
    noise = [np.random.default_rng(seed).standard_normal((len(part["label"]), 32)) for part in (train, test)]
    rows = [probe("noise, for reference", train, test, noise)]
    for name, modality in DESCRIBED.items():
        rows.append(probe(name, train, test, [describe(name, part[modality]) for part in (train, test)]))
    for modality in MODALITIES:
        tf.keras.utils.set_random_seed(seed)
        tower = Backbone("tiny", modality)
        rows.append(
            probe(f"untrained {modality} tower", train, test, [embed(tower, part[modality]) for part in (train, test)])
        )
    rows.append(Row("supervised rgb tower", linear=supervise(records, test, steps, seed)))
    return rows


def table(worlds: Dict[str, List[Row]]) -> str:
    """A Markdown table: 1-NN / k-means / linear for each world."""

    def cell(row: Row) -> str:
        return " / ".join(
            "" if value is None else f"{value:.2f}".lstrip("0") for value in (row.nearest, row.clusters, row.linear)
        ).strip(" /")

    named = zip(*worlds.values())
    lines = [[rows[0].name, *map(cell, rows)] for rows in named]
    return "\n".join(markdown.table(["1-NN / k-means / linear", *worlds], lines)) + "\n"


def write_results(worlds: Dict[str, List[Row]], minutes: float) -> None:
    """The table, and the same numbers as JSON, each with command, hardware and duration."""
    import tensorflow as tf

    about = {
        "command": " ".join(["python -m experiments.world_fairness", *sys.argv[1:]]),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, TensorFlow {tf.__version__}",
        "minutes": round(minutes, 1),
        "videos_per_class": _VIDEOS.value,
        "steps": _STEPS.value,
    }
    rows = {world: [dataclasses.asdict(row) for row in rows] for world, rows in worlds.items()}
    stem = pathlib.Path(_RESULTS.value, "world_fairness")
    result_files.write(stem, "Fairness of the rendered world", about, table(worlds), {"worlds": rows})


def main() -> None:
    names = ["main:0"] if _SMOKE.value else _WORLDS.value
    per_class, steps = (8, 10) if _SMOKE.value else (_VIDEOS.value, _STEPS.value)
    start, results = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            world = worlds.settings(name, labelled_per_class=per_class)
            folder = pathlib.Path(_FOLDER.value or temporary, worlds.slug(world))
            records = prepare_world(world, folder, _PROCESSES.value)
            results[name] = measure(records, steps, world.world_seed)
            print(table({name: results[name]}), flush=True)
            if not _SMOKE.value:
                write_results(results, (time.monotonic() - start) / 60)


if __name__ == "__main__":
    command_line.run(main, __doc__, [])
