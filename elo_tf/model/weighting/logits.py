"""λ as sigmoids of logits that Adam learns: they stay in (0,1), so that no term is lost for good."""

from typing import Callable, Sequence

import numpy as np
import tensorflow as tf

SECOND_MOMENT = 0.99  # of Adam; over fewer updates than weights of a network get
SMALL = 1e-12
# λ keep away from 0 and 1, where a sigmoid no longer moves.
LEAST = 0.01


class Logits(tf.Module):
    """λ [G] in [LEAST, 1 - LEAST] and the Adam that learns them (Kingma and Ba, 2015).

    Args:
      lambdas: [G] in [0,1], first values.
      rate: Step of a logit.
      smoothing: Of the slopes, in [0,1): Adam's first moment.
      state: Makes a variable of a name and a value.
    """

    def __init__(self, lambdas: Sequence[float], rate: float, smoothing: float, state: Callable):
        super().__init__(name="logits")
        self._rate = rate
        self._smoothing = smoothing
        first = np.clip(np.asarray(lambdas, np.float32), LEAST, 1 - LEAST)
        self.values = state("logits", tf.constant(np.log(first / (1 - first))))
        self.mean = state("mean", tf.zeros(first.shape))
        self.square = state("square", tf.zeros(first.shape))
        self.updates = state("updates", tf.constant(0, tf.int64))

    def lambdas(self) -> tf.Tensor:
        """[G] float32."""
        return tf.sigmoid(self.values.read_value())

    def descend(self, slopes: tf.Tensor) -> None:
        """One step against slopes [G], of the outer objective over λ. Slopes that are not finite count as none."""
        lambdas = self.lambdas()
        slopes = tf.where(tf.reduce_all(tf.math.is_finite(slopes)), slopes, 0.0) * lambdas * (1.0 - lambdas)
        self.updates.assign_add(1)
        updates = tf.cast(self.updates.read_value(), tf.float32)
        mean = self._smoothing * self.mean + (1.0 - self._smoothing) * slopes
        square = SECOND_MOMENT * self.square + (1.0 - SECOND_MOMENT) * slopes**2
        self.mean.assign(mean)
        self.square.assign(square)
        mean = mean / (1.0 - self._smoothing**updates)
        deviation = tf.sqrt(square / (1.0 - SECOND_MOMENT**updates))
        bound = float(np.log((1 - LEAST) / LEAST))
        moved = self.values - self._rate * mean / (deviation + SMALL)
        self.values.assign(tf.clip_by_value(moved, -bound, bound))
