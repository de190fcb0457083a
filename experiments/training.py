"""One run: trains the RGB tower by some terms of Eq. 1, by labels or not at all, then measures it.

    unlabelled clips -> terms, each at lambda 1 -> RGB tower -+
    labelled clips   -> linear head, labels     -> RGB tower -+-> labelled clips -> embeddings -> `protocols`
                                       untrained RGB tower   -+

All runs of a seed start from the same RGB tower. A run has one thread and a process of its own, and
can be repeated bit by bit.
"""

import dataclasses
import math
import pathlib
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from elo_tf.config import DataConfig, TaskConfig, TrainConfig
from experiments import protocols

# The videos of the rendered worlds are too short for 16 frames, another moment and a future.
DATA = DataConfig(frames=12, crop_size=24)
BACKBONE = "tiny"
WINDOWS = 2  # clips of each labelled video
DEFAULTS = TaskConfig()
CHECK_EVERY = 50  # steps after which a loss that is not finite is noticed


@dataclasses.dataclass(frozen=True)
class Job:
    """All that the result of a run depends on.

    Attributes:
      world: Name of the world (`experiments.worlds`).
      row: What the run is called.
      terms: Names of the terms that train; none for an untrained tower.
      supervised: Whether labels train instead.
      seed: Of the first weights and of the order of the clips.
      videos: Number of unlabelled videos.
      labelled: Number of labelled videos a class.
      train: How it is trained.
      task: How its terms are formed.
      data: How clips are cut.
      backbone: Variant of the towers.
      lambdas: Weights of the terms, in canonical order; none means 1 for each.
      measure_at: Steps after which the tower is measured too, in ascending order.
    """

    world: str
    row: str
    terms: Tuple[str, ...]
    supervised: bool
    seed: int
    videos: int
    labelled: int
    train: TrainConfig
    task: TaskConfig = DEFAULTS
    data: DataConfig = DATA
    backbone: str = BACKBONE
    lambdas: Tuple[float, ...] = ()
    measure_at: Tuple[int, ...] = ()


class DivergedError(ArithmeticError):
    """A loss or an embedding is not finite; the message names it."""


def select(patterns: Sequence[str], config: TaskConfig = DEFAULTS) -> List[Any]:
    """The terms of Eq. 1 that match, with the towers of all modalities, in canonical order."""
    from elo_tf import tasks
    from elo_tf.data.clips import MODALITIES

    return tasks.select(tuple(MODALITIES), tuple(patterns), config)


def run(records: pathlib.Path, job: Job) -> Dict[str, Any]:
    """Trains and measures, in a process that has not used TensorFlow yet.

    Args:
      records: Folder of the records, `unlabelled` and `labelled`.
      job: The run.

    Returns:
      `kmeans` and `linear` accuracy, `losses` (last value by name), `seconds` and, if trained, `seconds_a_step` and
      `course`, the `linear` accuracy after each of `measure_at` steps; for a run that diverged `reason` and `seconds`.
    """
    begun = time.perf_counter()
    prepare_process(job.seed)
    try:
        tower, result = _trained(records, job)
        result.update(measure(tower, str(records / "labelled"), job.data))
    except DivergedError as error:
        result = {"reason": str(error)}
    return {**result, "seconds": time.perf_counter() - begun}


def prepare_process(seed: int) -> None:
    """Makes what a new process does repeatable, on one thread."""
    import tensorflow as tf

    from elo_tf.networks.backbone import VARIANTS

    # A variant that only experiments compare with.
    VARIANTS.setdefault("tiny_he", dataclasses.replace(VARIANTS["tiny"], differences=False))
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(seed)


def _trained(records: pathlib.Path, job: Job) -> Tuple[Any, Dict[str, Any]]:
    """The RGB tower after training, and what is known of the training."""
    if job.supervised:
        return train_by_labels(str(records / "labelled"), job)
    if job.terms:
        return train_by_terms(str(records / "unlabelled"), job)
    return new_tower(job), {"losses": {}}


def train_by_terms(records: str, job: Job) -> Tuple[Any, Dict[str, Any]]:
    """Trains all towers that the terms need."""
    model, batches = build_model(records, job)
    tower = model.towers["rgb"]
    return tower, train(model, batches, job.train.steps, _watch(tower, records, job))


def build_model(records: str, job: Job) -> Tuple[Any, Any]:
    """The model of a job with its first weights, and the clips that it is to be trained on."""
    from elo_tf.data.reader import Reader, clip_sizes
    from elo_tf.data.records import Manifest
    from elo_tf.model.elo_model import EloModel
    from elo_tf.model.optimizer import make_optimizer, penalty
    from elo_tf.runtime.private_api import make_slots

    manifest = Manifest.load(records)
    model = EloModel(select(job.terms, job.task), clip_sizes(manifest, job.data), job.backbone, penalty(job.train))
    if job.lambdas:
        model.objective.assign(job.lambdas)
    _draw_weights(model.towers["rgb"], job)
    model.compile(optimizer=make_optimizer(job.train))
    batches = Reader.of(manifest, "train", model.needs, job.data).training(job.seed)
    model.compute_losses(next(iter(batches)), training=False)  # Makes the other variables.
    make_slots(model.optimizer, model.trainable_variables)
    return model, batches


def train(model, batches, steps: int, watch: Optional[Callable[[int], Optional[float]]] = None) -> Dict[str, Any]:
    """Trains all that the model has; see `make_steps`."""
    import tensorflow as tf

    return make_steps(tf.function(model.train_step, autograph=False), batches, steps, watch)


def train_by_labels(records: str, job: Job) -> Tuple[Any, Dict[str, Any]]:
    """Trains the RGB tower under a linear head on the training part of the labelled videos."""
    import tensorflow as tf

    from elo_tf.data.reader import Reader
    from elo_tf.model.optimizer import make_optimizer

    reader = Reader.open(records, "train", frozenset({("now", "rgb")}), job.data)
    tower, head = new_tower(job), tf.keras.layers.Dense(len(reader.manifest.labels))
    optimizer = make_optimizer(job.train)

    @tf.function
    def train_step(clips):
        with tf.GradientTape() as tape:
            logits = head(tower(clips["now"]["rgb"], training=True)["embedding"])
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(clips["label"], logits)
            total = tf.reduce_mean(losses) + tf.add_n(tower.losses or [0.0])
        variables = tower.trainable_variables + head.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(total, variables), variables))
        return {"labels": tf.reduce_mean(losses)}

    return tower, make_steps(train_step, reader.training(job.seed), job.train.steps, _watch(tower, records, job))


def _watch(tower, records: str, job: Job) -> Optional[Callable[[int], Optional[float]]]:
    """Step -> accuracy of the tower where it is to be measured, else None; it sees the same clips each time."""
    if not job.measure_at:
        return None
    labelled = str(pathlib.Path(records).parent / "labelled")
    readers, embed = _labelled(labelled, job.data), _embedding(tower)
    return lambda step: _accuracies(embed, readers)["linear"] if step in job.measure_at else None


def new_tower(job: Job):
    """The RGB tower of a job with its first weights."""
    from elo_tf.model.optimizer import penalty
    from elo_tf.networks.backbone import Backbone

    return _draw_weights(Backbone(job.backbone, "rgb", penalty(job.train)), job)


def _draw_weights(tower, job: Job):
    """Makes the variables of the RGB tower; their values depend on the seed alone, whatever was made before."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(job.seed)
    tower(tf.zeros([1, job.data.frames, job.data.crop_size, job.data.crop_size, 3]))
    return tower


def make_steps(step: Callable, batches, steps: int, watch: Optional[Callable] = None) -> Dict[str, Any]:
    """Makes the steps, and measures in between what `watch` gives.

    Raises:
      DivergedError: a loss is not finite.
    """
    course, watching = [], 0.0
    for number, clips in enumerate(batches.take(steps), 1):
        losses = step(clips)
        if number == 1:
            begun = time.perf_counter()  # The first step includes making the graph.
        if watch:
            watched_since = time.perf_counter()
            course += [accuracy for accuracy in [watch(number)] if accuracy is not None]
            watching += time.perf_counter() - watched_since if number > 1 else 0.0
        if number % CHECK_EVERY == 0 or number == steps:
            bad = [name for name, value in losses.items() if not math.isfinite(value)]
            if bad:
                raise DivergedError(f"not finite: {', '.join(bad)} by step {number}")
    seconds = (time.perf_counter() - begun - watching) / max(1, steps - 1)
    values = {name: float(value) for name, value in losses.items()}
    return {"losses": values, "seconds_a_step": seconds, **({"course": course} if watch else {})}


def measure(tower, records: str, data: DataConfig = DATA) -> Dict[str, float]:
    """`kmeans` and `linear` accuracy of the tower in inference mode.

    Raises:
      DivergedError: an embedding is not finite.
    """
    return _accuracies(_embedding(tower), _labelled(records, data))


def _labelled(records: str, data: DataConfig) -> Tuple[Any, Any]:
    """Readers of the training and of the held-out part."""
    from elo_tf.data.reader import Reader
    from elo_tf.data.records import Manifest

    manifest = Manifest.load(records)
    return tuple(Reader.of(manifest, split, frozenset({("now", "rgb")}), data) for split in ("train", "holdout"))


def _embedding(tower) -> Callable:
    """Clips -> embeddings in inference mode, in one graph."""
    import tensorflow as tf

    return tf.function(lambda video: tower(video, training=False)["embedding"], reduce_retracing=True)


def _accuracies(embed: Callable, readers: Tuple[Any, Any]) -> Dict[str, float]:
    (train, train_labels), (held_out, labels) = (_embed(embed, reader) for reader in readers)
    if not (np.isfinite(train).all() and np.isfinite(held_out).all()):
        raise DivergedError("not finite: embeddings")
    train, held_out = protocols.standardise(train, held_out)
    return {
        "kmeans": protocols.kmeans_accuracy(held_out, labels, int(train_labels.max()) + 1),
        "linear": protocols.linear_accuracy(train, train_labels, held_out, labels),
    }


def _embed(embed: Callable, reader) -> Tuple[np.ndarray, np.ndarray]:
    """[N,D] embeddings and [N] labels of `WINDOWS` clips a video."""
    batches = [
        (embed(clips["now"]["rgb"]).numpy(), clips["label"].numpy())
        for clips in reader.scoring(WINDOWS * reader.videos.count)
    ]
    features, labels = zip(*batches)
    return np.concatenate(features), np.concatenate(labels)
