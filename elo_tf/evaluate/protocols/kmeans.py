"""k-means: clusters of the training videos classify the test videos (Sec. 4, protocol 1; Table 1, first column).

    training videos [V,D] ─> k-means ─> centres [K,D] ─> each takes the label of most training videos in its cluster
    test videos     [V',D] ──────────> nearest centre ─> its label

A video is the mean of its standardised clip embeddings. As in the fitness of ELo-weak ("the clusters are used for
nearest-neighbors classification", Sec. 3.2.2). Departure: no cluster takes its label from videos that it is then judged
by, so that features of noise are right as often as chance, which they are not where test videos vote for themselves.
"""

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.evaluate.protocols.base import Case, Prediction, Protocol, register, standardise
from elo_tf.ops.kmeans import kmeans

_in_graph = tf.function(kmeans, autograph=False)


@register
class KMeansProtocol(Protocol):
    """Nearest centre of k-means."""

    name = "kmeans"
    title = "k-means"
    needs_network = False

    def predict(self, case: Case) -> Prediction:
        config = self.config
        train, test = standardise(case.features("train"), case.features("test"))
        clusters = config.clusters or len(case.split.classes)
        if clusters > len(train.labels):
            raise InputError(
                f"--clusters={clusters} is more than the {len(train.labels)} training videos; use fewer clusters, or a "
                "larger label budget"
            )
        seed = tf.constant([case.seed, 0], tf.int32)
        features = tf.constant(train.clips.mean(axis=1))
        found = _in_graph(features, clusters, config.restarts, config.kmeans_iterations, seed)
        given = cluster_labels(found.assignment.numpy(), train.labels, clusters)
        nearest = nearest_centres(test.clips.mean(axis=1), found.centres.numpy())
        labels = np.take_along_axis(given, nearest, axis=1)
        return Prediction(labels, {"clusters": clusters, "inertia": float(np.mean(found.inertia))})


def cluster_labels(assignment: np.ndarray, labels: np.ndarray, clusters: int) -> np.ndarray:
    """The most frequent label in each cluster; an empty cluster takes the most frequent of all.

    Args:
      assignment: [R,V] integers in [0,K).
      labels: [V] integers >= 0.
      clusters: K.

    Returns:
      [R,K] integers.
    """
    given = []
    for own in assignment:
        counts = np.zeros([clusters, labels.max() + 1], np.int64)
        np.add.at(counts, (own, labels), 1)
        given.append(np.where(counts.any(axis=1), counts.argmax(axis=1), np.bincount(labels).argmax()))
    return np.stack(given)


def nearest_centres(features: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """[V,D] features, [R,K,D] centres -> [R,V] places of the nearest centres."""
    nearest = []
    for own in centres.astype(np.float64):
        # ‖x‖² is the same for all centres.
        nearest.append((np.square(own).sum(axis=1) - 2.0 * features @ own.T).argmin(axis=1))
    return np.stack(nearest)
