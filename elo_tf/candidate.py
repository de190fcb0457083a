"""A candidate of the search: train one loss briefly, score what the RGB tower has become (Sec. 3.2.2).

    lambdas -> weights back to their initial values -> train -> embed held-out clips -> k-means, Zipf -> Fitness

Everything that does not depend on the lambdas is made once: graphs, records in memory, initial weights, reference
clusters. A candidate costs its training steps and its scoring, and next to nothing else.
"""

import dataclasses
import time
from typing import Callable, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow as tf

from elo_tf import tasks
from elo_tf.clips import MODALITIES, check_modalities
from elo_tf.config import DataConfig, FitnessConfig, InputError, ModelConfig, RunConfig, TaskConfig, TrainConfig
from elo_tf.data import Reader, clip_sizes
from elo_tf.exhibit import Exhibit, make
from elo_tf.fitness.descriptors import describe
from elo_tf.fitness.score import Fitness, Scorer
from elo_tf.gradients import GradientNorms
from elo_tf.ingest.records import Manifest, identity
from elo_tf.model import EloModel
from elo_tf.optimizer import make_optimizer, make_slots, penalty
from elo_tf.training_log import TrainingLog

# How often a diverged candidate is noticed before its end, in steps.
CHECK_EVERY = 50
# Batches over which `--loss_units=gradient` averages.
UNIT_BATCHES = 4


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that a candidate depends on besides its lambdas."""

    run: RunConfig
    data: DataConfig
    model: ModelConfig
    task: TaskConfig
    train: TrainConfig
    fitness: FitnessConfig


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a candidate.

    Attributes:
      fitness: Its score, or why it has none.
      losses: Last unweighted value of each term; empty if it diverged.
      seconds: Wall time of each part: `reset`, `data` (waiting for clips), `training`, `scoring`.
    """

    fitness: Fitness
    losses: Dict[str, float]
    seconds: Dict[str, float]


class CandidateRunner:
    """Trains and scores losses, one after the other.

    Args:
      settings: The search's.

    Attributes:
      names: Names of the lambdas, in their order.
      untrained: Fitness of the RGB tower at its initial weights.
      traces: Graphs traced so far, scoring included; it does not grow with the number of candidates.

    Raises:
      InputError: records are missing or do not fit, or there are fewer held-out videos than clusters.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        tf.keras.utils.set_random_seed(settings.run.seed)
        tf.keras.mixed_precision.set_global_policy(settings.model.precision)
        manifest = Manifest.load(settings.run.records)
        if not manifest.complete:
            raise InputError(f"{settings.run.records} is unfinished; run python -m elo_tf.prepare again to complete it")
        terms = tasks.select(check_modalities(settings.model.modalities), settings.model.tasks, settings.task)
        sizes = clip_sizes(manifest, settings.data)
        self.model = EloModel(terms, sizes, settings.model.backbone, penalty(settings.train))
        self.model.compile(optimizer=make_optimizer(settings.train))
        self.names: Tuple[str, ...] = self.model.objective.names
        # Step at which each term was first not finite, or -1.
        self._first_bad = tf.Variable(tf.fill([len(self.names)], -1), trainable=False)
        self._traces = 0
        self._scorer = Scorer(settings.fitness)
        self._gradient_norms = GradientNorms(self.model)
        self._open_data(settings)
        self._step = tf.function(self._train_step, autograph=False)
        self._embed = tf.function(self._embedding, autograph=False, reduce_retracing=True)
        self._reset = tf.function(self._reset_variables, autograph=False)
        self._build()
        self._reference = self._cluster_descriptors()
        self.untrained = self._score(None)

    @property
    def traces(self) -> int:
        return self._traces + self._scorer.traces

    def _open_data(self, settings: Settings) -> None:
        self.training = Reader.open(settings.run.records, "train", self.model.needs, settings.data)
        agreeing = MODALITIES[settings.fitness.agree_with].source
        needs = frozenset({("now", "rgb"), ("now", agreeing)})
        self.scoring = Reader.open(settings.run.records, "holdout", needs, settings.data)
        if self.scoring.videos.count < settings.fitness.clusters:
            raise InputError(
                f"--clusters={settings.fitness.clusters} is more than the {self.scoring.videos.count} held-out videos "
                f"of {settings.run.records}; use fewer clusters or more videos"
            )
        self._batches = self.training.training(settings.run.seed)
        self._scoring_batches = self.scoring.scoring(settings.fitness.scoring_clips)

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

    def _embedding(self, video):
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
        """The unit of each term at the initial weights, by name (`--loss_units=gradient`)."""
        self._reset()
        return self._gradient_norms.units(self._batches.take(UNIT_BATCHES))

    def assign_units(self, units: Mapping[str, float]) -> None:
        """Sets what each term is divided by; see `Objective.assign_units`."""
        self.model.objective.assign_units(units)

    def run(
        self,
        lambdas: Sequence[float],
        progress: Callable[[int], None] = lambda steps: None,
        log: Optional[TrainingLog] = None,
    ) -> "Outcome":
        """Trains one loss from the initial weights and scores it.

        Args:
          lambdas: [G] in [0,1], in the order of `names`.
          progress: Called with the number of steps done since the last call.
          log: Where losses and shares of the gradient are recorded, as often as the settings say.

        Returns:
          Its fitness; infeasible, with the reason, if a term stopped being finite or none of any weight teaches RGB.
        """
        begun = time.perf_counter()
        self._reset()
        self.model.objective.assign(lambdas)
        seconds = {"reset": time.perf_counter() - begun}
        reason, losses = self._idle(lambdas), {}
        if reason is None:
            reason, losses = self._train(seconds, progress, log)
        begun = time.perf_counter()
        if reason is None:
            fitness = self._score(self.untrained.diagnostics.get("agreement_adjusted"))
        else:
            fitness = Fitness(None, reason, None, self.settings.fitness.restarts, {})
        seconds["scoring"] = time.perf_counter() - begun
        return Outcome(fitness, losses, seconds)

    def _idle(self, lambdas: Sequence[float]) -> Optional[str]:
        """Why these lambdas leave the RGB tower as it is, or None."""
        if any(weight > 0 and "rgb" in task.teaches for task, weight in zip(self.model.tasks, lambdas)):
            return None
        return "no term that teaches the RGB tower has a weight above 0"

    def _train(
        self, seconds: Dict[str, float], progress, log: Optional[TrainingLog]
    ) -> Tuple[Optional[str], Dict[str, float]]:
        """Trains; returns why it diverged, or None, and the last unweighted value of each term."""
        seconds.update(data=0.0, training=0.0)
        begun = time.perf_counter()
        batches = iter(self._batches)
        for step in range(self.settings.train.steps):
            clips = next(batches)
            fetched = time.perf_counter()
            values = self._step(clips, tf.constant(step))
            ended = time.perf_counter()
            seconds["data"] += fetched - begun
            seconds["training"] += ended - fetched
            begun = ended
            progress(1)
            if log:
                self._record(log, step, clips, values)
            if (step + 1) % CHECK_EVERY == 0 or step + 1 == self.settings.train.steps:
                reason = self._divergence()
                if reason:
                    return reason, {}
        return None, dict(zip(self.names, values.numpy().tolist()))

    def _record(self, log: TrainingLog, step: int, clips, values: tf.Tensor) -> None:
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

    def embed(self) -> np.ndarray:
        """Embeddings of the scoring clips by the RGB tower as it is: [N,D] float32."""
        return np.concatenate([self._embed(clips["now"]["rgb"]).numpy() for clips in self._scoring_batches])

    def exhibit(self) -> Exhibit:
        """What the clusters of the RGB tower look like, as it is after `run`."""
        ids = {identity(line["id"])[0]: line["id"] for line in self.scoring.manifest.usable}
        clips = (
            (clips["now"]["rgb"].numpy(), [ids[index] for index in clips["video"].numpy().tolist()])
            for clips in self._scoring_batches
        )
        lambdas = self.model.objective.lambdas.numpy()
        return make(lambdas, self.embed(), clips, self.settings.fitness, self.settings.run.seed)

    def _score(self, untrained_agreement: Optional[float]) -> Fitness:
        return self._scorer.score(self.embed(), self.settings.run.seed, self._reference, untrained_agreement)

    def _cluster_descriptors(self) -> Optional[np.ndarray]:
        """Clusters of the scoring clips by plain descriptors of another modality: [R,N], -1 where it is missing.

        None where fewer clips than clusters have that modality: agreement is then neither measured nor asked for.
        """
        modality = self.settings.fitness.agree_with
        batches = [(clips["now"][modality], clips["present"][modality]) for clips in self._scoring_batches]
        present = np.concatenate([mask.numpy() for _, mask in batches]) > 0
        if present.sum() < self.settings.fitness.clusters:
            return None
        descriptors = describe(modality, np.concatenate([clips.numpy() for clips, _ in batches])[present])
        assignment = self._scorer.reference(descriptors, self.settings.run.seed)
        reference = np.full([len(assignment), len(present)], -1, np.int32)
        reference[:, present] = assignment
        return reference
