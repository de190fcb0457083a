"""How strongly do DeepCluster and local aggregation pull the RGB tower at the start, compared with Eq. 8?

    python -m experiments.clustering_terms --world=main:5:0 --seeds=3 --folder=DIR
    python -m experiments.clustering_terms --smoke       few videos, one seed, less than a minute; no results

Both cluster what the untrained tower tells apart, colours and places. At equal lambdas they should not drown what other
terms teach, so the norm of their gradient in the RGB tower is measured at the weights of a seed, as the terms are and
as the works that they come from print them: DeepCluster with a classifier on features that are not of unit length,
local aggregation without the factor 2t. Each is given relative to that of rgb-flow/embed.

Hardware: 2 cores (AVX-512), about a minute besides the rendering.
Obtained: results/version_0.1/clustering_terms.md, which also says what training with them gave.
"""

import dataclasses
import os
import pathlib
import tempfile
from typing import Dict, List

import numpy as np

from elo_tf.config import Checked, InputError, from_flags, setting
from elo_tf.runtime import command_line
from experiments import markdown, training, worlds

EMBED, DEEP_CLUSTER, AGGREGATION = "rgb-flow/embed", "rgb/deep_cluster", "rgb/local_aggregation"
BATCHES = 4


@dataclasses.dataclass(frozen=True)
class ClusteringConfig(Checked):
    """The flags of this experiment."""

    world: str = setting("main:5:0", "world to measure on, LIST:SEED:NUISANCE")
    seeds: int = setting(3, "first weights to measure at", low=1)
    videos: int = setting(200, "unlabelled videos of the world", low=32)
    folder: str = setting("", "folder of the world; a rerun reuses it", path=True)
    smoke: bool = setting(False, "a few videos, one seed")


def measure(records: str, seed: int) -> Dict[str, float]:
    """Row of the table -> norm of the gradient in the RGB tower, mean over a few batches."""
    import tensorflow as tf

    from elo_tf.data.reader import Reader, clip_sizes
    from elo_tf.data.records import Manifest
    from elo_tf.model.elo_model import EloModel

    tf.keras.utils.set_random_seed(seed)
    terms = training.select([EMBED, DEEP_CLUSTER, AGGREGATION])
    manifest = Manifest.load(records)
    model = EloModel(terms, clip_sizes(manifest, training.DATA), training.BACKBONE)
    batches = list(Reader.of(manifest, "train", model.needs, training.DATA).training(seed).take(BATCHES))
    model.compute_losses(batches[0])
    tasks = {task.name: task for task in model.tasks}
    rows: Dict[str, List[float]] = {}
    for clips in batches:
        with tf.GradientTape(persistent=True) as tape:
            features = model.encode(clips, training=True)
            values = {name: task.loss(features, clips, training=True) for name, task in tasks.items()}
            values[f"{DEEP_CLUSTER}, features of any length"] = _plain_deep_cluster(
                tasks[DEEP_CLUSTER], features["rgb", "plain"]["embedding"], clips
            )
            values[f"{AGGREGATION}, without 2t"] = values[AGGREGATION] / (2.0 * tasks[AGGREGATION].temperature)
        for name, value in values.items():
            gradient = tape.gradient(value, model.towers["rgb"].trainable_variables)
            rows.setdefault(name, []).append(float(tf.linalg.global_norm(gradient)))
    return {name: float(np.mean(norms)) for name, norms in rows.items()}


def _plain_deep_cluster(task, embedding, clips):
    """The loss of `DeepCluster` if the classifier saw the normalised features before they get unit length."""
    import tensorflow as tf

    features = task.norm(embedding, training=True)
    labels = task.memory.labels_of(clips["video"], tf.math.l2_normalize(tf.stop_gradient(features), axis=1))[:, 0]
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, task.head(features)))


def table(measured: List[Dict[str, float]]) -> str:
    """A Markdown table: mean and s.d. of each row over the seeds, and the mean of its ratios to Eq. 8."""
    lines = markdown.head(["term", "gradient in RGB", "times rgb-flow/embed"])
    for name in measured[0]:
        norms = np.array([each[name] for each in measured])
        ratio = np.mean(norms / [each[EMBED] for each in measured])
        lines.append(markdown.row([name, f"{norms.mean():.3g} ± {norms.std(ddof=len(norms) > 1):.2g}", f"{ratio:.2f}"]))
    return "\n".join(lines)


def main() -> None:
    config = from_flags(ClusteringConfig)
    if not config.smoke and not config.folder:
        raise InputError("--folder is missing; name a folder where the world is kept")
    world = worlds.settings(config.world, world=48 if config.smoke else config.videos, labelled_per_class=2)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary if config.smoke else config.folder) / worlds.slug(world)
        records = worlds.prepare(world, folder, os.cpu_count(), ["unlabelled"])
        print(
            table([measure(str(records / "unlabelled"), seed) for seed in range(1 if config.smoke else config.seeds)])
        )


if __name__ == "__main__":
    command_line.run(main, __doc__, [ClusteringConfig])
