"""A training with a weighting method of `elo_tf.model.weighting`, then its measurement.

fixed λ, or a method that weighs while it trains ─────────────> RGB tower ─> accuracies
λ learned while training ─> mean over half of the path ─> λ ──> fresh weights, fixed λ ─> RGB tower ─> accuracies
"""

import dataclasses
import pathlib
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np

from elo_tf.config import WeightingConfig
from experiments import training

# Of the records of a world: the unlabelled videos, a quarter of them held out.
SEARCHED = "searched"


@dataclasses.dataclass(frozen=True)
class Job(training.Job):
    """A run, with how its terms are weighed.

    Attributes:
      weighting: The method; None trains with the weights of the loss.
    """

    weighting: Optional[WeightingConfig] = None


def run(records: pathlib.Path, job: Job) -> Dict[str, Any]:
    """Trains and measures, in a process that has not used TensorFlow yet.

    Args:
      records: Folder of the records, `searched` and `labelled`.
      job: The run.

    Returns:
      `kmeans` and `linear` accuracy and `seconds`; of a run that weighs its terms `cost`, the mean time of a step over
      that of a step with fixed weights, and `lambdas`, their mean over the second half; of one that learns λ also
      `while_learning`, the `linear` accuracy of the tower in whose training they were learned. For a run that diverged
      `reason` and `seconds`.
    """
    begun = time.perf_counter()
    training.prepare_process(job.seed)
    try:
        result = _run(records, job)
    except training.DivergedError as error:
        result = {"reason": str(error)}
    return {**result, "seconds": time.perf_counter() - begun}


def _run(records: pathlib.Path, job: Job) -> Dict[str, Any]:
    import tensorflow as tf

    from elo_tf.model.weighting import base

    labelled, unlabelled = str(records / "labelled"), str(records / SEARCHED)
    if job.supervised:
        tower, _ = training.train_by_labels(labelled, job)
        return training.measure(tower, labelled, job.data)
    if not job.terms:
        return training.measure(training.new_tower(job), labelled, job.data)
    name = base.find(job.weighting) if job.weighting else base.FIXED
    if name == base.FIXED:
        model, batches = training.build_model(unlabelled, job)
        training.train(model, batches, job.train.steps)
        return training.measure(model.towers["rgb"], labelled, job.data)
    tower, found = _train_weighed(unlabelled, job, name)
    result = {**found, **training.measure(tower, labelled, job.data)}
    if base.weightings()[name].looks_at != base.HELD_OUT:
        return result
    tf.keras.utils.set_random_seed(job.seed)  # As in a process of its own.
    fixed = dataclasses.replace(job, lambdas=tuple(found["lambdas"]), weighting=None)
    return {**found, "while_learning": result["linear"], **_run(records, fixed)}


def _train_weighed(records: str, job: Job, name: str) -> Tuple[Any, Dict[str, Any]]:
    """The RGB tower after a training that weighs its terms; its `cost` and `lambdas`."""
    import tensorflow as tf

    from elo_tf.data.records import Manifest
    from elo_tf.model.weighting import base
    from elo_tf.model.weighting.weigher import Weigher

    model, batches = training.build_model(records, job)
    objective, config = model.objective, job.weighting
    weighting = base.create(name, base.Start(objective.names, objective.lambdas.numpy().tolist(), job.seed, config))
    weigher = Weigher(model, weighting, Manifest.load(records), job.data)
    clips_ahead = iter(weigher.held_out.batches(job.seed)) if weigher.held_out else None

    @tf.function(autograph=False)
    def weighed_step(clips, ahead):
        losses, pairs = model.compute_gradients(clips, weigher.at(ahead))
        model.optimizer.apply_gradients(pairs)
        return losses

    course = _Course(objective, weigher.every)
    step = course.watching(
        tf.function(model.train_step, autograph=False),
        lambda clips: weighed_step(clips, next(clips_ahead) if clips_ahead else None),
    )
    training.make_steps(step, batches, job.train.steps)
    return model.towers["rgb"], {"cost": course.cost(), "lambdas": course.lambdas()}


class _Course:
    """Times of the steps of both kinds, and the weights after each that sets them."""

    def __init__(self, objective: Any, every: int):
        self._objective = objective
        self._every = every
        self._seconds: Dict[bool, List[float]] = {True: [], False: []}
        self._path: List[np.ndarray] = []

    def watching(self, plain: Callable, weighed: Callable) -> Callable:
        """A step that is weighed at every so many."""
        count = 0

        def step(clips):
            nonlocal count
            is_weighed = count % self._every == 0
            begun = time.perf_counter()
            losses = (weighed if is_weighed else plain)(clips)
            self._seconds[is_weighed].append(time.perf_counter() - begun)
            count += 1
            if is_weighed:
                self._path.append(self._objective.lambdas.numpy())
            return losses

        return step

    def cost(self) -> float:
        """Mean seconds of a step over those of a plain one; NaN where none was plain."""
        weighed, plain = (float(np.median(self._seconds[kind] or [np.nan])) for kind in (True, False))
        return (weighed + (self._every - 1) * plain) / self._every / plain

    def lambdas(self) -> List[float]:
        """Mean weights over the second half."""
        from elo_tf.model.weighting.base import averaged

        return averaged(np.array(self._path)).tolist()
