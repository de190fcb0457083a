"""The part of other modalities, or of labels, that RGB cannot predict: 1 - R² of ridge regression, differentiable.

    features [N,D] ─ standardise ─> ridge on one half of the videos ─> R² on the other ─> mean over halves and targets

The form of `elo_tf.search.fitness.predictability` that a gradient passes through: two halves for five folds, and one
penalty for one chosen of five.
"""

from typing import Tuple

import tensorflow as tf

from elo_tf.model.outer.base import OuterObjective

# Multiple of the mean eigenvalue of the features' covariance; the second largest that the fitness chooses from.
PENALTY = 1.0
SMALL = 1e-6


class Predictability(OuterObjective):
    """1 - R², the mean over the targets.

    Targets are descriptors of flow and sound or, the counterpart of ELo-weak, labels as [N, classes] of 0 and 1.
    """

    def value(self, features, videos, targets, present):
        return tf.add_n([unexplained(features, targets[name], present[name], videos) for name in targets]) / len(
            targets
        )


def unexplained(features: tf.Tensor, target: tf.Tensor, present: tf.Tensor, videos: tf.Tensor) -> tf.Tensor:
    """1 - R² of a target, each half of the videos foretold from the other; videos never stand on both sides.

    R² is that of all dimensions of the target together, which are standardised by the half that is learned from.

    Args:
      features: [N,D] float32.
      target: [N,d] float32.
      present: [N], 0 for clips that lack the target.
      videos: [N] int64 numbers that say nothing of the videos, such as hashes: odd ones are one half.

    Returns:
      A scalar float32 >= 0; 1 where features foretell nothing.
    """
    odd = tf.cast(videos % 2, tf.float32)
    halves = [present * odd, present * (1.0 - odd)]
    return 0.5 * (_left(features, target, *halves) + _left(features, target, *halves[::-1]))


def _left(features: tf.Tensor, target: tf.Tensor, seen: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Squared error on the clips of weight `other` over their squared deviation; learned from those `seen`."""
    x, y = _standardised(features, seen), _standardised(target, seen)
    known = x * seen[:, tf.newaxis]  # Rows of 0 teach nothing.
    products = tf.matmul(known, known, transpose_b=True)  # [N,N]: N is seldom more than a few D.
    penalty = PENALTY * tf.linalg.trace(products) / features.shape[1] + SMALL
    factor = tf.linalg.cholesky(products + penalty * tf.eye(tf.shape(products)[0]))
    predicted = tf.matmul(x, tf.matmul(known, tf.linalg.cholesky_solve(factor, y * seen[:, tf.newaxis]), True))
    errors, squares = (tf.reduce_sum(tf.square(part) * other[:, tf.newaxis]) for part in (y - predicted, y))
    return errors / tf.maximum(squares, SMALL)


def _standardised(values: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """In units of the clips of weight `seen`; dimensions that are constant there become 0."""
    mean, variance = _moments(values, seen)
    alive = variance > SMALL * tf.reduce_max(variance)
    return tf.where(alive, (values - mean) * tf.math.rsqrt(tf.where(alive, variance, 1.0)), 0.0)


def _moments(values: tf.Tensor, seen: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    weights = (seen / tf.maximum(tf.reduce_sum(seen), 1.0))[:, tf.newaxis]
    mean = tf.reduce_sum(weights * values, axis=0)
    return mean, tf.reduce_sum(weights * tf.square(values - mean), axis=0)
