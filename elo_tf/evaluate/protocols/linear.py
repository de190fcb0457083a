"""1-layer: one fully connected layer on the frozen network (Sec. 4, protocol 2; Table 1, second column).

    training clips [V·W,D] ─> standardise ─> softmax(W x + b), L2 penalty on W, minimised to the end
    test clips     [V',W',D] ──────────────> softmax ─> mean over the W' clips of a video ─> most likely class

The function is that of scikit-learn's `LogisticRegression`: with C the inverse strength of the penalty, averaged over n
clips,

    mean cross-entropy + ‖W‖² / (2 C n)

(for two classes that package fits a single vector; with C it gives what this gives with C / 2). C is the one of
`STRENGTHS` with the least cross-entropy on every fourth training video of each class, which the layer then has not
seen; the layer is fitted again on all.
"""

from typing import Dict, NamedTuple, Tuple

import numpy as np
import tensorflow as tf
from scipy.optimize import minimize

from elo_tf.evaluate.protocols.base import Case, Features, Prediction, Protocol, register, standardise

STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0)
# One in so many videos of a class chooses the strength.
_HELD_BACK = 4
# For classes of fewer than two videos there is nothing to choose by.
_DEFAULT_STRENGTH = 0.01
# Greatest entry of the gradient of the mean loss at the end.
TOLERANCE = 1e-6
ITERATIONS = 1000


class Layer(NamedTuple):
    """A fully connected layer: kernel [D,K] and bias [K], float64, and whether its fit has converged."""

    kernel: np.ndarray
    bias: np.ndarray
    converged: bool


@register
class LinearProtocol(Protocol):
    """Logistic regression."""

    name = "linear"
    title = "1-layer"
    needs_network = False

    def predict(self, case: Case) -> Prediction:
        train, test = standardise(case.features("train"), case.features("test"))
        classes = len(case.split.classes)
        strength, held_back = choose_strength(train, classes, case.seed)
        layer = _fit_clips(train, classes, strength)
        labels = probabilities(layer, test.clips).mean(axis=1).argmax(axis=1)
        details = {"strength": strength, "converged": layer.converged, "cross_entropy": held_back}
        return Prediction(labels[np.newaxis], details)


def fit(features: np.ndarray, labels: np.ndarray, classes: int, strength: float, start: Layer = None) -> Layer:
    """Multinomial logistic regression.

    Args:
      features: [n,D], about standardised.
      labels: [n] in [0,K).
      classes: K.
      strength: C, the inverse strength of the L2 penalty on the kernel; the bias has none.
      start: A layer to begin with; zeros where it is not given.

    Returns:
      The layer at which no entry of the gradient of the mean loss is much above `TOLERANCE`, if `converged`.
    """
    count, width = features.shape
    inputs = tf.constant(features, tf.float64)
    targets = tf.constant(labels, tf.int32)
    decay = tf.constant(1.0 / (strength * count), tf.float64)

    def function(point: np.ndarray) -> Tuple[float, np.ndarray]:
        kernel, bias = (tf.constant(part) for part in _unpack(point, width, classes))
        value, kernel_gradient, bias_gradient = _loss(inputs, targets, kernel, bias, decay)
        return float(value), np.concatenate([kernel_gradient.numpy().ravel(), bias_gradient.numpy()])

    if start is None:
        first = np.zeros((width + 1) * classes)
    else:
        first = np.concatenate([start.kernel.ravel(), start.bias])
    options = {"gtol": TOLERANCE, "ftol": 0.0, "maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS}
    found = minimize(function, first, jac=True, method="L-BFGS-B", options=options)
    # Near the bottom the value may stop changing before the last digits of the slope do.
    slope = np.abs(found.jac).max()
    return Layer(*_unpack(found.x, width, classes), bool(slope <= 10 * TOLERANCE))


# One graph for all sizes.
@tf.function(
    autograph=False,
    input_signature=[
        tf.TensorSpec([None, None], tf.float64),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, None], tf.float64),
        tf.TensorSpec([None], tf.float64),
        tf.TensorSpec([], tf.float64),
    ],
)
def _loss(inputs, targets, kernel, bias, decay):
    """The value of the function, and its gradients by kernel and bias."""
    with tf.GradientTape() as tape:
        tape.watch((kernel, bias))
        logits = tf.matmul(inputs, kernel) + bias
        entropy = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))
        total = entropy + decay * tf.nn.l2_loss(kernel)
    return (total, *tape.gradient(total, (kernel, bias)))


def _unpack(point: np.ndarray, width: int, classes: int) -> Tuple[np.ndarray, np.ndarray]:
    return point[: width * classes].reshape(width, classes), point[width * classes :]


def probabilities(layer: Layer, features: np.ndarray) -> np.ndarray:
    """[...,D] -> [...,K] softmax."""
    logits = features.astype(np.float64) @ layer.kernel + layer.bias
    logits -= logits.max(axis=-1, keepdims=True)
    likely = np.exp(logits)
    return likely / likely.sum(axis=-1, keepdims=True)


def _fit_clips(train: Features, classes: int, strength: float, start: Layer = None) -> Layer:
    """Fits on every clip of the videos, each with the label of its video."""
    windows = train.clips.shape[1]
    flat = train.clips.reshape(-1, train.clips.shape[-1])
    return fit(flat, np.repeat(train.labels, windows), classes, strength, start)


def choose_strength(train: Features, classes: int, seed: int) -> Tuple[float, Dict[str, float]]:
    """The best of `STRENGTHS` for training videos held back, and the mean cross-entropy of their clips with each.

    No video of a class that has only one is held back; where all are so, the choice is `_DEFAULT_STRENGTH`.
    """
    held_back = hold_back(train.labels, seed)
    if not held_back.any():
        return _DEFAULT_STRENGTH, {}
    known = Features(train.clips[~held_back], train.labels[~held_back])
    own = train.labels[held_back][:, np.newaxis, np.newaxis]
    layer, entropies = None, {}
    for strength in STRENGTHS:
        layer = _fit_clips(known, classes, strength, layer)
        likely = np.take_along_axis(probabilities(layer, train.clips[held_back]), own, axis=2)
        entropies[strength] = float(-np.log(np.maximum(likely, np.finfo(float).tiny)).mean())
    return min(STRENGTHS, key=entropies.get), {str(strength): value for strength, value in entropies.items()}


def hold_back(labels: np.ndarray, seed: int) -> np.ndarray:
    """[V] boolean: about every fourth video of each class of two or more, at random."""
    chosen = np.zeros(len(labels), bool)
    random = np.random.default_rng(seed)
    for label in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == label))
        if len(own) > 1:
            chosen[own[: -(-len(own) // _HELD_BACK)]] = True
    return chosen
