"""How well features predict other modalities: cross-validated ridge regression, in the graph.

    features [N,D] ──── standardise ─> ridge regression ─> descriptors of flow, of sound [N,d]
                                       R² on videos left out                                  one number a modality

A score that needs no labels and, as the best gain over the untrained tower among the modalities at hand, names none of
them: what a tower has learned to read out of RGB is what it did not see there before. Descriptors are the plain ones
(`descriptors.py`), so that a collapsed tower foretells nothing, and one that knows only what the untrained one knew
gains nothing.

Folds are made of videos: two windows of one video never stand on both sides. The penalty is chosen among `PENALTIES` by
a second cross-validation inside of the training folds.
"""

import dataclasses
from typing import Dict, Mapping, Optional, Tuple

import numpy as np
import tensorflow as tf

FOLDS = 5
LEAST_VIDEOS = 2 * FOLDS  # Fewer cannot be dealt out to folds, and again inside of them.
# Multiples of the mean eigenvalue of the features' covariance: from hardly any penalty to hardly any prediction.
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


@dataclasses.dataclass(frozen=True)
class Target:
    """What is to be foretold of one modality.

    Attributes:
      descriptors: [n,d] float32, of the clips that have the modality.
      present: [N] boolean, which of the scoring clips these are.
      folds: [n] int32 (`assign_folds`).
    """

    descriptors: np.ndarray
    present: np.ndarray
    folds: np.ndarray


class Predictability:
    """Measures towers against the same targets.

    Args:
      targets: Modality -> target; modalities that too few clips have are left out beforehand.

    Attributes:
      untrained: Modality -> [FOLDS] R² of the untrained tower, from which gains are measured; None before it is set.
    """

    def __init__(self, targets: Mapping[str, Target]):
        self._targets = dict(targets)
        # A graph a modality, of fixed shape: traced once a search.
        self._explained = tf.function(explained, autograph=False, reduce_retracing=True)
        self.untrained: Optional[Dict[str, np.ndarray]] = None

    def measure(self, features: np.ndarray) -> Dict[str, np.ndarray]:
        """Modality -> [FOLDS] R² of its descriptors from these features, [N,D] of all scoring clips."""
        return {
            modality: self._explained(features[target.present], target.descriptors, target.folds).numpy()
            for modality, target in self._targets.items()
        }

    def gains(self, features: np.ndarray) -> Dict[str, np.ndarray]:
        """Modality -> [FOLDS] what R² has gained over the untrained tower; empty before `untrained` is set."""
        if self.untrained is None:
            return {}
        return {modality: found - self.untrained[modality] for modality, found in self.measure(features).items()}


def best(gains: Mapping[str, np.ndarray]) -> np.ndarray:
    """[FOLDS] gains of the modality whose mean gain is greatest: the score, which names none."""
    return max(gains.values(), key=np.mean)


def standard_error(values: np.ndarray) -> float:
    """Of the mean over the folds, paired where these are differences."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def assign_folds(videos: np.ndarray, folds: int = FOLDS) -> np.ndarray:
    """The fold of each clip, [N] int32: all clips of a video in one, videos dealt out in a fixed random order.

    Args:
      videos: [N] integers, the video that a clip is of.
    """
    names, place = np.unique(videos, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    return (order % folds)[place].astype(np.int32)


def explained(features: tf.Tensor, targets: tf.Tensor, folds: tf.Tensor) -> tf.Tensor:
    """R² of the targets from the features, on each fold left out: 1 - squared error / squared deviation.

    Both are standardised by the clips of the other folds, and R² is that of all dimensions of the target together, each
    of which thus counts the same; one that is constant does not count. Below 0 where prediction is worse than the mean.

    Args:
      features: [N,D] float32, finite.
      targets: [N,d] float32, finite.
      folds: [N] int32 in [0, FOLDS).

    Returns:
      [FOLDS] float64.
    """
    features, targets = tf.cast(features, tf.float64), tf.cast(targets, tf.float64)
    scores = []
    for fold in range(FOLDS):
        seen = folds != fold
        x, left_x = _standardised(features, seen)
        y, left_y = _standardised(targets, seen)
        rest = tf.boolean_mask(folds, seen)
        inner = [_errors(x, y, rest != other) for other in range(FOLDS) if other != fold]
        best = tf.argmin(tf.add_n(inner))
        predicted = _ridge(x, y, left_x)[best]
        scores.append(1.0 - _mean_square(left_y - predicted) / tf.maximum(_mean_square(left_y), 1e-12))
    return tf.stack(scores)


def _standardised(values: tf.Tensor, seen: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    """The rows that are seen and the others, in units of those seen; dimensions that are constant there become 0."""
    known, left = tf.boolean_mask(values, seen), tf.boolean_mask(values, ~seen)
    mean, deviation = tf.reduce_mean(known, 0), tf.math.reduce_std(known, 0)
    alive = deviation > 1e-6 * tf.reduce_max(tf.abs(known), 0)
    scale = tf.where(alive, 1.0 / tf.where(alive, deviation, 1.0), tf.zeros_like(deviation))
    return (known - mean) * scale, (left - mean) * scale


def _errors(x: tf.Tensor, y: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """[penalties] squared error on the rows that are not seen."""
    predicted = _ridge(tf.boolean_mask(x, seen), tf.boolean_mask(y, seen), tf.boolean_mask(x, ~seen))
    return tf.reduce_sum(tf.square(predicted - tf.boolean_mask(y, ~seen)), [1, 2])


def _ridge(x: tf.Tensor, y: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """[penalties, n', d] predictions for other rows; one decomposition serves all penalties."""
    values, vectors = tf.linalg.eigh(tf.matmul(x, x, transpose_a=True))  # [D], [D,D]
    penalties = tf.constant(PENALTIES, tf.float64) * tf.maximum(tf.reduce_mean(values), 1e-12)
    along = tf.matmul(vectors, tf.matmul(x, y, transpose_a=True), transpose_a=True)  # [D,d]
    shrunk = along[tf.newaxis] / (values[tf.newaxis, :, tf.newaxis] + penalties[:, tf.newaxis, tf.newaxis])
    return tf.matmul(tf.matmul(others, vectors)[tf.newaxis], shrunk)


def _mean_square(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(values))
