"""GradNorm: balances gradient norms, larger for terms that decrease slowly.

n_i = w_i |∇L_i|,   target_i = mean(n) (f_i / mean(f))^1.5,   f_i = L_i / L_i at the start        Chen et al., Eq. 1-2
w_i <- w_i - rate sign(n_i - target_i) |∇L_i| / mean |∇L|,   then scaled so that their mean is 1

Chen, Badrinarayanan, Lee and Rabinovich, GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep
Multitask Networks (ICML 2018), Alg. 1.
"""

import tensorflow as tf

from elo_tf.model.weighting.base import GRADIENTS, Weighting

ASYMMETRY = 1.5  # alpha of Eq. 1
SMALLEST = 1e-3


class GradientNorm(Weighting, known_as="gradnorm"):
    """Weights with mean 1, not below `SMALLEST`. See `Weighting` for the arguments.

    Norms are those in the whole RGB tower, which terms enter at different stages; the paper takes the last layer that
    all share. Terms that do not teach that tower keep a weight of 1. Departure: slopes are over the mean norm, so that
    the rate (`--lambda_rate`) has no unit.
    """

    looks_at = GRADIENTS

    def __init__(self, start):
        super().__init__(start)
        self.weights = self._state("weights", tf.ones([self.terms]))
        # 0 until a term has had a value.
        self.first_losses = self._state("first_losses", tf.zeros([self.terms]))

    def ask(self, losses, gradients):
        weights, norms = self.weights.read_value(), gradients.norms()
        self.first_losses.assign(tf.where(self.first_losses > 0, self.first_losses, losses))
        counts = tf.cast(norms > 0, tf.float32)
        number = tf.maximum(tf.reduce_sum(counts), 1.0)
        left = tf.math.divide_no_nan(losses, self.first_losses)
        left = tf.math.divide_no_nan(left, tf.reduce_sum(left * counts) / number)
        weighed = weights * norms
        target = tf.reduce_sum(weighed) / number * left**ASYMMETRY
        slopes = tf.math.divide_no_nan(tf.sign(weighed - target) * norms, tf.reduce_sum(norms) / number)
        moved = tf.maximum(weights - self.start.config.lambda_rate * slopes, SMALLEST)
        moved *= number / tf.maximum(tf.reduce_sum(moved * counts), SMALLEST)
        self.weights.assign(tf.where(norms > 0, moved, weights))
        return weights
