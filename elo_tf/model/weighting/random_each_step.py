"""RLW: random weights, drawn anew at each step.

w = softmax(z), z ~ N(0,1)^G                                                             Lin et al.

Lin et al., Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning (2022), Sec. 3, with the
normal distribution. What no weighting is ahead of, is not worth its cost.
"""

import tensorflow as tf

from elo_tf.model.weighting.base import Weighting


class RandomEachStep(Weighting, known_as="rlw"):
    """Weights in (0,1) that sum to 1. See `Weighting` for the arguments."""

    is_lambda = True

    def __init__(self, start):
        super().__init__(start)
        self.steps = self._state("steps", tf.constant(0, tf.int64))

    def ask(self, losses, gradients):
        del losses, gradients
        drawn = tf.random.stateless_normal([self.terms], tf.stack([tf.constant(self.start.seed, tf.int64), self.steps]))
        self.steps.assign_add(1)
        return tf.nn.softmax(drawn)
