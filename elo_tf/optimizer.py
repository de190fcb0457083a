"""The optimiser of the towers and its learning rate: linear warm-up, then half a cosine down to zero."""

import math
from typing import Sequence

import tensorflow as tf

from elo_tf.config import TrainConfig


class WarmupCosine(tf.keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly over the warm-up, then follows half a cosine to zero at the last step.

    Args:
      peak: Learning rate at the end of the warm-up.
      steps: Steps of the whole training.
      warmup_steps: Those of the warm-up.
    """

    def __init__(self, peak: float, steps: int, warmup_steps: int):
        self.peak = peak
        self.steps = steps
        self.warmup_steps = min(warmup_steps, steps)

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rising = (step + 1.0) / max(1, self.warmup_steps)
        done = tf.clip_by_value((step - self.warmup_steps) / max(1, self.steps - self.warmup_steps), 0.0, 1.0)
        falling = 0.5 * (1.0 + tf.cos(math.pi * done))
        return self.peak * tf.where(step < self.warmup_steps, rising, falling)

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps, "warmup_steps": self.warmup_steps}


def make_optimizer(config: TrainConfig) -> tf.keras.optimizers.Optimizer:
    """The optimiser that the settings name.

    The classes of `optimizers.legacy` update a variable with one fused kernel, the others with about thirty small
    ones; with the 270 small variables of four `tiny` towers that is a third of the step and half of the graph.
    """
    rate = WarmupCosine(config.learning_rate, config.steps, config.warmup_steps)
    if config.optimizer == "adam":
        return tf.keras.optimizers.legacy.Adam(rate)
    return tf.keras.optimizers.legacy.SGD(rate, momentum=config.momentum)


def make_slots(optimizer: tf.keras.optimizers.Optimizer, variables: Sequence[tf.Variable]) -> None:
    """Makes the variables of the optimiser before any graph does: a graph that makes variables is traced twice.

    The step counter is back at 0 afterwards; a gradient of 0 from a state of 0 moves no weight.
    """
    optimizer.apply_gradients([(tf.zeros_like(variable), variable) for variable in variables])
    for variable in optimizer.variables():
        variable.assign(tf.zeros_like(variable))
