"""PCGrad: removes from each term's gradient what conflicts with another term.

for each i, for each j in random order:  g_i <- g_i - <g_i, ∇L_j> / |∇L_j|^2 ∇L_j  where <g_i, ∇L_j> < 0        Alg. 1
step along sum_i g_i = sum_j w_j ∇L_j

Yu et al., Gradient Surgery for Multi-Task Learning (NeurIPS 2020). The step is a weighted sum of the terms' gradients,
whose weights follow from the products <∇L_i, ∇L_j> alone.
"""

import tensorflow as tf

from elo_tf.model.weighting.base import GRADIENTS, Weighting


class GradientSurgery(Weighting, known_as="pcgrad"):
    """Weights of at least 1. See `Weighting` for the arguments.

    Conflicts are those in the RGB tower; the weights found there hold for all towers. Departure: all look at the others
    in one order, where the paper draws one for each. The gradients of all G terms are in memory at a time.
    """

    looks_at = GRADIENTS

    def __init__(self, start):
        super().__init__(start)
        self.steps = self._state("steps", tf.constant(0, tf.int64))

    def ask(self, losses, gradients):
        del losses
        seed = tf.stack([tf.constant(self.start.seed, tf.int64), self.steps])
        order = tf.argsort(tf.random.stateless_uniform([self.terms], seed))
        self.steps.assign_add(1)
        return surgery(gradients.products(), order)


def surgery(products: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Weights [G] of the gradients in the sum of those that were operated on.

    Args:
      products: [G,G] <g_i, g_j>.
      order: [G] int32, in which all look at the others.
    """
    count = products.shape[0]

    def look(index, weights):
        """Row i of [G,G]: g_i as it is now, by weights of all gradients."""
        other = order[index]
        against = tf.linalg.matvec(weights, products[other])  # [G], <g_i, g_other>
        against = tf.where(tf.range(count) == other, 0.0, tf.minimum(against, 0.0))
        share = tf.math.divide_no_nan(against, products[other, other])
        return index + 1, weights - share[:, tf.newaxis] * tf.one_hot(other, count)[tf.newaxis]

    _, weights = tf.while_loop(lambda index, _: index < count, look, (0, tf.eye(count)))
    return tf.reduce_sum(weights, axis=0)
