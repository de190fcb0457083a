"""1-layer: one fully connected layer on the frozen network (Sec. 4, protocol 2; Table 1, second column).

    training clips [V·W,D] ─> standardise ─> softmax(W x + b), L2 penalty on W, minimised to the end
    test clips     [V',W',D] ──────────────> softmax ─> mean over the W' clips of a video ─> most likely class

The fit is scikit-learn's `LogisticRegression`: with C the inverse strength of the penalty, averaged over n clips,

    mean cross-entropy + ‖W‖² / (2 C n)

C is the one of `STRENGTHS` with the least cross-entropy on every fourth training video of each class, which the layer
then has not seen; the layer is fitted again on all.
"""

import warnings
from typing import Dict, NamedTuple, Tuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from elo_tf.evaluate.protocols.base import Case, Features, Prediction, Protocol, register, standardise

STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0)
# One in so many videos of a class chooses the strength.
_HELD_BACK = 4
# For classes of fewer than two videos there is nothing to choose by.
_DEFAULT_STRENGTH = 0.01
# Greatest entry of the gradient of the mean loss at the end.
TOLERANCE = 1e-6
ITERATIONS = 1000
# Multiplications of a pass over the clips below which threads of linear algebra wait for each other longer than they
# work: twenty times as long on a busy machine.
_MANY = 10**8


class Layer(NamedTuple):
    """A fully connected layer: kernel [D,K] and bias [K], float64, and whether its fit has converged.

    A class that had no clip has a bias of minus infinity: it is never the most likely one.
    """

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


def fit(features: np.ndarray, labels: np.ndarray, classes: int, strength: float) -> Layer:
    """Multinomial logistic regression.

    Args:
      features: [n,D], about standardised.
      labels: [n] in [0,K).
      classes: K.
      strength: C, the inverse strength of the L2 penalty on the kernel; the bias has none.
    """
    kernel, bias = np.zeros([features.shape[1], classes]), np.full(classes, -np.inf)
    present = np.unique(labels)
    if len(present) == 1:  # Nothing to tell apart.
        bias[present] = 0.0
        return Layer(kernel, bias, True)
    # For two classes scikit-learn fits the difference of their kernels, whose penalty is half of that of the two.
    inverse = 2 * strength if len(present) == 2 else strength
    found = LogisticRegression(C=inverse, tol=TOLERANCE, max_iter=ITERATIONS)
    few = features.size * classes < _MANY
    with warnings.catch_warnings(), threadpool_limits(1 if few else None):
        warnings.simplefilter("ignore", ConvergenceWarning)  # `converged` tells.
        found.fit(features.astype(np.float64), labels)
    coefficients, intercepts = found.coef_, found.intercept_
    if len(present) == 2:
        coefficients, intercepts = (np.concatenate([-part, part]) / 2 for part in (coefficients, intercepts))
    kernel[:, present], bias[present] = coefficients.T, intercepts
    return Layer(kernel, bias, bool(found.n_iter_.max() < ITERATIONS))


def probabilities(layer: Layer, features: np.ndarray) -> np.ndarray:
    """[...,D] -> [...,K] softmax."""
    logits = features.astype(np.float64) @ layer.kernel + layer.bias
    logits -= logits.max(axis=-1, keepdims=True)
    likely = np.exp(logits)
    return likely / likely.sum(axis=-1, keepdims=True)


def _fit_clips(train: Features, classes: int, strength: float) -> Layer:
    """Fits on every clip of the videos, each with the label of its video."""
    windows = train.clips.shape[1]
    flat = train.clips.reshape(-1, train.clips.shape[-1])
    return fit(flat, np.repeat(train.labels, windows), classes, strength)


def choose_strength(train: Features, classes: int, seed: int) -> Tuple[float, Dict[str, float]]:
    """The best of `STRENGTHS` for training videos held back, and the mean cross-entropy of their clips with each.

    No video of a class that has only one is held back; where all are so, the choice is `_DEFAULT_STRENGTH`.
    """
    held_back = hold_back(train.labels, seed)
    if not held_back.any():
        return _DEFAULT_STRENGTH, {}
    known = Features(train.clips[~held_back], train.labels[~held_back])
    own = train.labels[held_back][:, np.newaxis, np.newaxis]
    entropies = {}
    for strength in STRENGTHS:
        layer = _fit_clips(known, classes, strength)
        likely = np.take_along_axis(probabilities(layer, train.clips[held_back]), own, axis=2)
        entropies[strength] = float(-np.log(np.maximum(likely, np.finfo(float).tiny)).mean())
    return min(STRENGTHS, key=lambda strength: entropies[strength]), {
        str(strength): value for strength, value in entropies.items()
    }


def hold_back(labels: np.ndarray, seed: int) -> np.ndarray:
    """[V] boolean: about every fourth video of each class of two or more, at random."""
    chosen = np.zeros(len(labels), bool)
    random = np.random.default_rng(seed)
    for label in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == label))
        if len(own) > 1:
            chosen[own[: -(-len(own) // _HELD_BACK)]] = True
    return chosen
