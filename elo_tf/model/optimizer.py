"""The optimiser of the towers and its learning rate: linear warm-up, then half a cosine down to zero."""

import math
from typing import Union

import tensorflow as tf

from elo_tf.config import TrainConfig
from elo_tf.runtime.addons import tfa

# A pattern of the names of variables: biases, scales and shifts do not decay.
ALL_BUT_KERNELS = r"^(?!.*kernel)"


class WarmupCosine(tf.keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly over the warm-up, then follows half a cosine to zero at the last step.

    Args:
      peak: Learning rate at the end of the warm-up.
      steps: Steps of the whole training; a variable where trainings of several lengths share a graph.
      warmup_steps: Those of the warm-up.
    """

    def __init__(self, peak: float, steps: Union[int, tf.Variable], warmup_steps: int):
        self.peak = peak
        self.steps = steps
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step, steps = tf.cast(step, tf.float32), tf.cast(self.steps, tf.float32)
        warmup = tf.minimum(float(self.warmup_steps), steps)
        rising = (step + 1.0) / tf.maximum(1.0, warmup)
        done = tf.clip_by_value((step - warmup) / tf.maximum(1.0, steps - warmup), 0.0, 1.0)
        falling = 0.5 * (1.0 + tf.cos(math.pi * done))
        return self.peak * tf.where(step < warmup, rising, falling)

    def get_config(self):
        return {"peak": self.peak, "steps": int(self.steps), "warmup_steps": self.warmup_steps}


def make_optimizer(config: TrainConfig, steps: Union[int, tf.Variable, None] = None) -> tf.keras.optimizers.Optimizer:
    """The optimiser that the settings name; `steps` is the length of the training where that is not the settings'.

    The classes of `optimizers.legacy` update a variable with one fused kernel, the others with about thirty small
    ones; with the 270 small variables of four `tiny` towers that is a third of the step and half of the graph.

    Adam's weight decay is decoupled. As a penalty (`penalty`), Adam would scale it up wherever the gradient of the loss
    is small: the weights of a tower that nothing teaches shrink by the learning rate in every step, and nearly so do
    those of one whose terms pull weakly.

    With the policy `mixed_float16` it scales the loss, and leaves out a step whose gradients are not finite.
    """
    optimizer = _make(config, config.steps if steps is None else steps)
    if tf.keras.mixed_precision.global_policy().name == "mixed_float16":
        return tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer


def _make(config: TrainConfig, steps: Union[int, tf.Variable]) -> tf.keras.optimizers.Optimizer:
    rate = WarmupCosine(config.learning_rate, steps, config.warmup_steps)
    if config.optimizer == "sgd":
        return tf.keras.optimizers.legacy.SGD(rate, momentum=config.momentum)
    if not config.weight_decay:
        return tf.keras.optimizers.legacy.Adam(rate)
    decay = WarmupCosine(config.learning_rate * config.weight_decay, steps, config.warmup_steps)
    return tfa.optimizers.AdamW(decay, rate, exclude_from_weight_decay=[ALL_BUT_KERNELS])


def penalty(config: TrainConfig) -> float:
    """The L2 penalty on convolution kernels that belongs into the loss: that of SGD, whose decay is the penalty."""
    return config.weight_decay if config.optimizer == "sgd" else 0.0
