"""A candidate of the search: trains one loss briefly, then scores its RGB tower (Sec. 3.2.2).

    lambdas -> weights back to their initial values -> train -> embed held-out clips -> k-means, Zipf -> Fitness

Everything that does not depend on the lambdas is made once: graphs, records in memory, initial weights, reference
clusters. A candidate costs its training steps and its scoring, and next to nothing else.
"""

import dataclasses
import time
from typing import Callable, Dict, Iterable, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow as tf

from elo_tf import tasks
from elo_tf.config import (
    DataConfig,
    FitnessConfig,
    InputError,
    LambdaConfig,
    ModelConfig,
    RunConfig,
    TaskConfig,
    TrainConfig,
)
from elo_tf.data.clips import Clips, check_modalities
from elo_tf.data.frame_memory import SharedFrames
from elo_tf.data.reader import Reader, clip_sizes
from elo_tf.data.records import Manifest
from elo_tf.model.elo_model import EloModel
from elo_tf.model.gradients import GradientNorms
from elo_tf.model.optimizer import make_optimizer, penalty
from elo_tf.runtime.private_api import make_slots
from elo_tf.runtime.training_log import TrainingLog
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.trials.embeddings import Embeddings
from elo_tf.search.trials.scoring import TowerScorer
from elo_tf.search.trials.trial import Outcome

# How often a diverged candidate is noticed before its end, in steps.
CHECK_EVERY = 50
# Batches over which `--loss_units=gradient` averages.
UNIT_BATCHES = 4
# What a candidate reads: videos to train on, to score on, and labelled ones.
PARTS = ("train", "holdout", "labelled")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that a candidate depends on besides its lambdas."""

    run: RunConfig
    data: DataConfig
    model: ModelConfig
    task: TaskConfig
    train: TrainConfig
    fitness: FitnessConfig
    learning: LambdaConfig = LambdaConfig()


# (step, clips) -> whether it made the step itself.
OwnStep = Callable[[int, Clips], bool]


class CandidateRunner:
    """Trains and scores losses, one after the other.

    Args:
      settings: The search's.
      shared: Memory for decoded videos that workers of a machine share, by `PARTS`; a part without any is not shared.

    Attributes:
      names: Names of the lambdas, in their order.
      training: Clips to train on.
      scoring: What scores the RGB tower, on clips of other videos.
      untrained: Fitness of the RGB tower at its initial weights.
      traces: Graphs traced so far, scoring included; it does not grow with the number of candidates.

    Raises:
      InputError: records are missing or do not fit, or there are fewer held-out videos than clusters.
    """

    def __init__(self, settings: Settings, shared: Optional[Mapping[str, SharedFrames]] = None):
        self.settings = settings
        shared = shared or {}
        tf.keras.utils.set_random_seed(settings.run.seed)
        if settings.model.precision == "mixed_float16":
            raise InputError("--precision=mixed_float16 is for elo_tf.train; a search takes float32 or mixed_bfloat16")
        tf.keras.mixed_precision.set_global_policy(settings.model.precision)
        manifest = Manifest.load(settings.run.records)
        manifest.require_complete()
        terms = tasks.select(check_modalities(settings.model.modalities), settings.model.tasks, settings.task)
        sizes = clip_sizes(manifest, settings.data)
        self.model = EloModel(terms, sizes, settings.model.backbone, penalty(settings.train))
        self._steps = tf.Variable(settings.train.steps, trainable=False, name="steps")
        self.model.compile(optimizer=make_optimizer(settings.train, self._steps))
        self.names: Tuple[str, ...] = self.model.objective.names
        # Step at which each term was first not finite, or -1.
        self._first_bad = tf.Variable(tf.fill([len(self.names)], -1), trainable=False)
        self._traces = 0
        self._gradient_norms = GradientNorms(self.model)
        self.training = Reader.of(manifest, "train", self.model.needs, settings.data, shared=shared.get("train"))
        self._batches, self._batches_seed = self.training.training(settings.run.seed), settings.run.seed
        self.scoring = TowerScorer(manifest, settings.run.seed, settings.data, settings.fitness, shared)
        self._step = tf.function(self._train_step, autograph=False)
        self._embedding = tf.function(self._embed, autograph=False, reduce_retracing=True)
        self._reset = tf.function(self._reset_variables, autograph=False)
        self._build()
        self.untrained = self.scoring.begin(self._embedding, settings.run.seed)

    @property
    def traces(self) -> int:
        return self._traces + self.scoring.traces

    def _build(self) -> None:
        """Makes all variables and keeps their first values; traces the training step."""
        clips = next(iter(self._batches))
        self.model.compute_losses(clips, training=False)
        kept = {id(self.model.objective.lambdas), id(self.model.objective.units)}
        self._weights = [variable for variable in self.model.variables if id(variable) not in kept]
        self._initial = [tf.identity(variable) for variable in self._weights]
        make_slots(self.model.optimizer, self.model.trainable_variables)
        self._step(clips, tf.constant(0))
        self._reset()

    def _train_step(self, clips, step):
        self._traces += 1
        losses = self.model.train_step(clips)
        values = tf.stack([losses[name] for name in self.names])
        is_bad = (self.model.objective.lambdas > 0) & ~tf.math.is_finite(values)
        self._first_bad.assign(tf.where(is_bad & (self._first_bad < 0), step, self._first_bad))
        return values

    def _embed(self, video):
        self._traces += 1
        return self.model(video, training=False)

    def _reset_variables(self) -> None:
        """Weights, statistics, optimiser and diagnosis as they were before any training."""
        self._traces += 1
        for variable, value in zip(self._weights, self._initial):
            variable.assign(value)
        for variable in self.model.optimizer.variables():
            variable.assign(tf.zeros_like(variable))
        self._first_bad.assign(tf.fill([len(self.names)], -1))

    def measure_units(self) -> Dict[str, float]:
        """The unit of each term at the initial weights, by name (`--loss_units=gradient`).

        Raises:
          InputError: a term has no gradient on these videos.
        """
        self._reset()
        units = self._gradient_norms.units(self._batches.take(UNIT_BATCHES))
        self.assign_units(units)  # Refuses what cannot be a unit before anything is noted of it.
        return units

    def assign_units(self, units: Mapping[str, float]) -> None:
        """Sets what each term is divided by; see `Objective.assign_units`."""
        self.model.objective.assign_units(units)

    def run(
        self,
        lambdas: Sequence[float],
        steps: Optional[int] = None,
        seed: Optional[int] = None,
        log: Optional[TrainingLog] = None,
    ) -> Outcome:
        """Trains one loss from the initial weights and scores it.

        Args:
          lambdas: [G] in [0,1], in the order of `names`.
          steps: Length of the training; the settings' where it is not given.
          seed: Of the order of the clips and of the k-means starts; the search's where it is not given.
          log: Where losses and shares of the gradient are recorded, as often as the settings say.

        Returns:
          What came of it; infeasible, with the reason, if a term stopped being finite or none with a weight teaches
          RGB.
        """
        steps = self.settings.train.steps if steps is None else steps
        seed = self.settings.run.seed if seed is None else seed
        begun = time.perf_counter()
        self._reset()
        self._steps.assign(steps)
        self.model.objective.assign(lambdas)
        seconds = {"reset": time.perf_counter() - begun}
        reason, diverged = self._idle(lambdas), False
        losses: Dict[str, float] = {}
        if reason is None:
            reason, losses = self._train(steps, seed, seconds, log)
            diverged = reason is not None
        begun, embeddings = time.perf_counter(), None
        if reason is None:
            features = self.embed()
            fitness = self.scoring.score(self._embedding, features, seed)
            if fitness.value is not None:
                embeddings = Embeddings(np.asarray(lambdas, np.float32), features, self.scoring.names, seed)
        else:
            fitness = Fitness(None, reason, None, self.settings.fitness.restarts, {}, diverged)
        seconds["scoring"] = time.perf_counter() - begun
        return Outcome(fitness, losses, seconds, embeddings=embeddings)

    def train_weighed(self, lambdas: Sequence[float], steps: int, seed: int, own_step: OwnStep) -> Optional[str]:
        """Trains from the initial weights, some of the steps by `own_step`; returns why it diverged, or None."""
        self._reset()
        self._steps.assign(steps)
        self.model.objective.assign(lambdas)
        return self._train(steps, seed, {}, None, own_step)[0]

    def _idle(self, lambdas: Sequence[float]) -> Optional[str]:
        """Why these lambdas leave the RGB tower as it is, or None."""
        if any(weight > 0 and "rgb" in task.teaches for task, weight in zip(self.model.tasks, lambdas)):
            return None
        return "no term that teaches the RGB tower has a weight above 0"

    def _train(
        self,
        steps: int,
        seed: int,
        seconds: Dict[str, float],
        log: Optional[TrainingLog],
        own_step: Optional[OwnStep] = None,
    ) -> Tuple[Optional[str], Dict[str, float]]:
        """Trains; returns why it diverged, or None, and the last unweighted value of each term."""
        seconds.update(data=0.0, training=0.0)
        begun = time.perf_counter()
        if seed != self._batches_seed:
            self._batches, self._batches_seed = self.training.training(seed), seed
        batches = iter(self._batches)
        values = tf.fill([len(self.names)], float("nan"))  # Of the last step that was not another's.
        for step in range(steps):
            clips = next(batches)
            fetched = time.perf_counter()
            if own_step is None or not own_step(step, clips):
                values = self._step(clips, tf.constant(step))
            ended = time.perf_counter()
            seconds["data"] += fetched - begun
            seconds["training"] += ended - fetched
            begun = ended
            if log:
                self._record(log, step, clips, values)
            if (step + 1) % CHECK_EVERY == 0 or step + 1 == steps:
                reason = self._divergence()
                if reason:
                    return reason, {}
        return None, dict(zip(self.names, values.numpy().tolist()))

    def _record(self, log: TrainingLog, step: int, clips: Clips, values: tf.Tensor) -> None:
        settings = self.settings.train
        if settings.log_every and step % settings.log_every == 0:
            log.losses(step, dict(zip(self.names, values.numpy().tolist())))
        if settings.share_every and step % settings.share_every == 0:
            log.shares(step, self._gradient_norms.shares(clips))

    def _divergence(self) -> Optional[str]:
        """The terms that stopped being finite first, or None."""
        steps = self._first_bad.numpy()
        if (steps < 0).all():
            return None
        first = steps[steps >= 0].min()
        names = [name for name, step in zip(self.names, steps) if step == first]
        return f"not finite: {', '.join(names)} at step {first}"

    def embed(self, batches: Optional[Iterable[Clips]] = None) -> np.ndarray:
        """Embeddings by the RGB tower as it is, [N,D] float32: of these clips, or of the scoring clips."""
        return self.scoring.embed(self._embedding, batches)
