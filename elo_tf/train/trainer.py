"""Training in full: the loop over steps, on any number of devices.

records -> batches -> [ step ] x steps_a_call -> losses -> record, checkpoint, and again
                         └ on the device, by one call
"""

import math
import pathlib
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.data.clips import Clips
from elo_tf.data.held_out import HeldOutClips
from elo_tf.data.reader import Reader, clip_sizes, reading
from elo_tf.data.records import Manifest
from elo_tf.model.elo_model import EloModel
from elo_tf.model.gradients import GradientNorms
from elo_tf.model.optimizer import make_optimizer, penalty
from elo_tf.model.term_table import clip_specs
from elo_tf.runtime.private_api import make_slots
from elo_tf.tasks.presence import check_heard
from elo_tf.train import lambda_path, replicas, weighing
from elo_tf.train.checkpoints import Checkpoints
from elo_tf.train.progress import Progress
from elo_tf.train.settings import Settings
from elo_tf.train.terms import Terms
from elo_tf.train.update import Update


class DivergedError(ArithmeticError):
    """A term, or a weight, stopped being finite."""


class Trainer:
    """One training.

    Args:
      settings: Of the run.
      terms: Of the loss.
      strategy: Where it runs; made first of all.
      manifest: Of the records, as they lie in `settings.run.records`.

    Attributes:
      model: All towers and heads.
      step: Steps done, a variable.
      reader: Of the training videos.
      checkpoints: Of the run.
      steps: Of the whole training.

    Raises:
      InputError: records are unfinished or do not fit, or batches cannot be dealt out.
    """

    def __init__(self, settings: Settings, terms: Terms, strategy: tf.distribute.Strategy, manifest: Manifest):
        self.settings = settings
        self.strategy = strategy
        run, train = settings.run, settings.train
        tf.keras.utils.set_random_seed(run.seed)
        tf.keras.mixed_precision.set_global_policy(settings.model.precision)
        manifest.require_complete()
        sizes = clip_sizes(manifest, settings.data)
        if train.jit_compile and strategy.num_replicas_in_sync > 1:
            raise InputError(
                f"--jit_compile on {strategy.num_replicas_in_sync} devices: XLA cannot compile terms that use the "
                "videos of all devices; omit it (TPUs always compile)"
            )
        # For what it refuses.
        train.clips_at_a_time(settings.data.batch_size, strategy.num_replicas_in_sync)
        with strategy.scope(), reading(run.records):
            self.model = EloModel(terms.tasks, sizes, settings.model.backbone, penalty(train))
            self.reader = Reader.of(manifest, "train", self.model.needs, settings.data)
            check_heard(terms.tasks, self.reader.sounding, run.records)
            self.steps = self._length()
            self.model.compile(optimizer=make_optimizer(train, self.steps))
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
            self._build(terms)
            self.weighing = weighing.make(settings, terms, self.model, manifest)
        self.checkpoints = Checkpoints(
            pathlib.Path(run.run_dir), self.model, self.step, train.keep, replicas.number(strategy)
        )
        update = Update(self.model, train.clip_norm, train.accumulate)
        self._update = tf.function(update, jit_compile=True, autograph=False) if train.jit_compile else update
        self._stretch = tf.function(self._make_steps, autograph=False)
        self._norms = GradientNorms(self.model)
        self._batches: Any = None
        self._held_out: Any = None

    def _length(self) -> int:
        train, data = self.settings.train, self.settings.data
        return train.steps_of(self.reader.videos.count, data.batch_size)

    def _build(self, terms: Terms) -> None:
        """Makes all variables, with a batch of zeros."""
        zeros = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), clip_specs(self.model.sizes, 2))
        self.model.compute_losses(zeros, training=False)
        make_slots(self.model.optimizer, self.model.trainable_variables)
        self.model.objective.assign([terms.lambdas[name] for name in self.model.objective.names])
        if terms.units:
            self.model.objective.assign_units(terms.units)

    @property
    def done(self) -> int:
        """Steps that are done."""
        return int(self.step.numpy())

    def restore(self) -> Optional[str]:
        """Goes on from the last checkpoint; returns its prefix, or None at the beginning of a run.

        Raises:
          InputError: it cannot be loaded, or the processes that train together found different ones.
        """
        with replicas.refused_together(self.strategy):
            prefix = self.checkpoints.restore()
        if not replicas.are_alike(self.strategy, self.done):
            raise InputError(
                f"this process would resume from step {self.done}, another one from a different step; --run_dir must "
                "be on a disk that all processes share"
            )
        return prefix

    def _open(self) -> Any:
        """An iterator over the batches from the present step on."""
        first = self.done
        datasets = self.strategy.distribute_datasets_from_function(
            lambda context: self.reader.training(self.settings.run.seed, replicas.share_of(context), first)
        )
        return iter(datasets)

    def advance(self, count: int) -> Progress:
        """Makes so many steps.

        Raises:
          DivergedError: a term stopped being finite; the message names it, and the step.
        """
        if self._batches is None:
            self._batches = self._open()
            self._held_out = self.weighing and self.weighing.open(self.strategy, self.settings.run.seed, self.done)
        begun = time.perf_counter()
        with reading(self.settings.run.records):
            values, waited, bad, counted = self._stretch(self._batches, self._held_out, tf.constant(count))
        values, bad = values.numpy(), bad.numpy()
        seconds = time.perf_counter() - begun
        if (bad >= 0).any():
            first = int(bad[bad >= 0].min())
            names = [name for name, step in zip(self.model.objective.names, bad) if step == first]
            raise DivergedError(f"not finite: {', '.join(names) or self._of_gradient(first)} at step {first}")
        losses, counts = (dict(zip(self.model.objective.names, each)) for each in (values.tolist(), counted.numpy()))
        clips = count * self.settings.data.batch_size
        return Progress(self.done, losses, seconds, float(waited) / seconds, clips, counts)

    def _of_gradient(self, step: int) -> str:
        """Names the terms whose gradient was not finite at a step. The weights have hardly changed since."""
        if self.strategy.num_replicas_in_sync > 1:
            return "a gradient (whose, a training on one device would tell)"
        clips = next(iter(self.reader.training(self.settings.run.seed, first=step)))
        # As the step took them, a part at a time.
        parts = tf.data.Dataset.from_tensor_slices(clips).batch(
            self.settings.data.batch_size // self.settings.train.accumulate
        )
        objective = self.model.objective
        names = [name for name, weight in zip(objective.names, objective.lambdas.numpy()) if weight > 0]
        found = {
            name
            for each in parts
            for name, norms in self._norms.measure(each, names).items()
            if not all(map(math.isfinite, norms.values()))
        }
        return f"the gradient of {', '.join(sorted(found))}" if found else "a gradient of the heads"

    def _make_steps(
        self, batches: Iterator[Clips], held_out: Optional[Iterator[HeldOutClips]], count: tf.Tensor
    ) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Losses of the last step and 0 for the gradient [G+1], seconds waited for clips, the step [G+1] at which each
        was first not finite, clips [G] that counted for each."""
        terms = len(self.model.objective.names) + 1

        def body(index, waited, bad, counted, _):
            before = tf.timestamp()
            with tf.control_dependencies([before]):
                clips = next(batches)
            with tf.control_dependencies(tf.nest.flatten(clips, expand_composites=True)):
                after = tf.timestamp()
            waited = waited + after - before
            values, counts = self._make_step(clips, after, held_out)
            counted += counts
            bad = tf.where(~tf.math.is_finite(values) & (bad < 0), self.step.read_value(), bad)
            self.step.assign_add(1)
            return index + 1, waited, bad, counted, values

        bad = tf.fill([terms], tf.constant(-1, tf.int64))
        begin = (tf.constant(0), tf.constant(0.0, tf.float64), bad, tf.zeros([terms - 1]))
        _, waited, bad, counted, values = tf.while_loop(
            lambda index, *_: index < count, body, (*begin, tf.zeros([terms])), parallel_iterations=1
        )
        return values, waited, bad, counted

    def _make_step(
        self, clips: Clips, after: tf.Tensor, held_out: Optional[Iterator[HeldOutClips]]
    ) -> Tuple[tf.Tensor, tf.Tensor]:
        """What `_replica_step` gives: means of the losses and sums of the counts over the replicas."""

        def step(is_weighed):
            held = (next(held_out),) if is_weighed and held_out is not None else ()
            values, counts = self.strategy.run(self._replica_step, args=(clips, after, is_weighed, *held))
            return (
                self.strategy.reduce(tf.distribute.ReduceOp.MEAN, values, axis=None),
                self.strategy.reduce(tf.distribute.ReduceOp.SUM, counts, axis=None),
            )

        if self.weighing is None or self.weighing.every == 1:
            return step(self.weighing is not None)
        # Outside of the replicas, which cannot meet inside of a branch of the graph.
        return tf.cond(self.step % self.weighing.every == 0, lambda: step(True), lambda: step(False))

    def _replica_step(
        self, clips: Clips, after: tf.Tensor, is_weighed: bool, held_out: Optional[HeldOutClips] = None
    ) -> Tuple[tf.Tensor, tf.Tensor]:
        """Losses [G] of this replica, and behind them NaN where the gradient of all replicas was not finite; clips [G]
        that counted for each."""
        # After the clock: where threads are few, it would be read at the end of the step, and all be called waiting.
        with tf.control_dependencies([after]):
            clips = tf.nest.map_structure(tf.identity, clips)
        losses, finite = self._update(clips, self.weighing.at(held_out) if is_weighed and self.weighing else None)
        values = [losses[name] for name in self.model.objective.names]
        counts = tf.stack([task.counted(clips) for task in self.model.tasks])
        return tf.stack([*values, tf.where(finite, 0.0, math.nan)]), counts

    def run(self, show: Callable[[Progress], None], is_asked_to_stop: Callable[[], bool]) -> bool:
        """Trains until all steps are done or it is asked to stop; saves in either case.

        Args:
          show: Told of each stretch of steps.
          is_asked_to_stop: Asked after each call of the device.

        Returns:
          Whether all steps are done.

        Raises:
          DivergedError: a term or a weight stopped being finite.
        """
        while self.done < self.steps:
            show(self.advance(self._until_next_event(self.done)))
            stop = replicas.agree(self.strategy, is_asked_to_stop())
            if stop or self.done % self.settings.train.save_every == 0 or self.done == self.steps:
                self.save()
            if stop:
                break
        return self.done >= self.steps

    def save(self) -> str:
        """Writes a checkpoint.

        Raises:
          DivergedError: a weight is not finite.
        """
        try:
            return self.checkpoints.save()
        except FloatingPointError as error:
            raise DivergedError(f"{error}, at step {self.done}") from None

    def _until_next_event(self, step: int) -> int:
        """Steps to make in one call: no further than the next checkpoint or entry of the record."""
        train = self.settings.train
        events: Tuple[int, ...] = (train.save_every, train.log_every, train.share_every, train.pictures_every)
        if self.weighing:
            events = (*events, lambda_path.EVERY)
        return min(train.steps_a_call, self.steps - step, *(each - step % each for each in events if each))

    def sample(self, count: int) -> Dict[str, Any]:
        """The first clips of the run, of which pictures are made: the same at every time."""
        clips = next(iter(self.reader.training(self.settings.run.seed)))
        return tf.nest.map_structure(lambda values: values[:count], clips)

    def shares(self) -> Dict[str, float]:
        """The part of each term in the gradient of the RGB tower, on one device, which holds one part of a batch."""
        return self._norms.shares(self.sample(self.settings.data.batch_size // self.settings.train.accumulate))

    def learning_rate(self) -> float:
        """That of the next step."""
        optimizer: tf.keras.optimizers.Optimizer = getattr(
            self.model.optimizer, "inner_optimizer", self.model.optimizer
        )
        return float(optimizer.learning_rate(optimizer.iterations))

    def parameters(self) -> Dict[str, int]:
        """Trainable weights of each tower, and of all heads together."""

        def count(variables: List[tf.Variable]) -> int:
            return int(sum(np.prod(variable.shape) for variable in variables))

        towers = {name: count(tower.trainable_variables) for name, tower in self.model.towers.items()}
        return {**towers, "heads": count(self.model.trainable_variables) - sum(towers.values())}
