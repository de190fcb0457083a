"""Homoscedastic uncertainty: each term is divided by a learned variance.

L = sum_i L_i exp(-s_i) / 2 + s_i / 2,        s_i = log variance of term i          Kendall et al., Eq. 7
s_i <- s_i - rate (1 - L_i exp(-s_i)) / 2

Kendall, Gal and Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics (CVPR
2018). At rest a term weighs half of one over its value, so that all of them have the same share of the sum.
"""

import tensorflow as tf

from elo_tf.model.weighting.base import Weighting


class Uncertainty(Weighting, known_as="uncertainty"):
    """Weights exp(-s) / 2, from s = 0 on. See `Weighting` for the arguments.

    Departure: all terms have the form of regression; the paper leaves out the 2 for classification. s is learned by
    plain gradient descent at `--lambda_rate`. A term of value 0, which no clip of the batch counts for, leaves its s.
    """

    def __init__(self, start):
        super().__init__(start)
        self.log_variances = self._state("log_variances", tf.zeros([self.terms]))

    def ask(self, losses, gradients):
        del gradients
        precisions = tf.exp(-self.log_variances)
        slope = tf.where(losses > 0, 0.5 * (1.0 - losses * precisions), 0.0)
        self.log_variances.assign_sub(self.start.config.lambda_rate * slope)
        return 0.5 * precisions
