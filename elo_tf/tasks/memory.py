"""Keeps a feature vector of each video from step to step, and clusters these vectors.

    videos [B], vectors [B,W] -> slots [N,W]  -- every few steps --> H clusterings of K: labels [H,N], centres [H,K,W]

Serves the tasks whose targets are clusters of the whole set, [5] and [49], without a pass over the set of its own.
"""

from typing import Tuple

import tensorflow as tf

from elo_tf.ops.equations import gather_replicas
from elo_tf.ops.kmeans import kmeans

KMEANS_ITERATIONS = 5


class VideoMemory(tf.keras.layers.Layer):
    """The last unit vectors of N videos and H clusterings of them.

    A video lies in slot `video mod N`; of two in one slot the later one drives the other out, which then counts as
    unseen. Cluster labels change only when all is clustered anew, each time from the former centres, so that they keep
    their meaning; an empty cluster takes a far vector (`elo_tf.ops.kmeans`). Every replica holds the same state.

    Args:
      slots: N.
      width: W.
      clusters: K, at most N.
      clusterings: H.
      every: Updates between two clusterings.

    Attributes:
      parts: Parts that the batch of an update is taken in: so often it is written to for each.
    """

    def __init__(self, slots: int, width: int, clusters: int, clusterings: int, every: int):
        super().__init__()
        self.slots = slots
        self.every = every
        self.parts = 1
        starts = tf.math.l2_normalize(tf.random.normal([clusterings, clusters, width]), axis=-1)
        vectors = tf.math.l2_normalize(tf.random.normal([slots, width]), axis=-1)
        self.owners = self._state("owners", tf.fill([slots], tf.constant(-1, tf.int64)))
        self.vectors = self._state("vectors", vectors)
        self.labels = self._state("labels", tf.zeros([slots, clusterings], tf.int32))
        self.centres = self._state("centres", starts)
        self.steps = self._state("steps", tf.constant(0, tf.int64))

    def _state(self, name: str, value: tf.Tensor) -> tf.Variable:
        return tf.Variable(value, trainable=False, name=name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

    def slots_of(self, videos: tf.Tensor) -> tf.Tensor:
        """[B] int64 in [0,N): where videos lie."""
        return videos % self.slots

    def known(self, videos: tf.Tensor) -> tf.Tensor:
        """[B] boolean: whether a video is remembered."""
        return tf.gather(self.owners, self.slots_of(videos)) == videos

    def is_clustered(self) -> tf.Tensor:
        """Whether labels are those of a clustering yet; before, they are the nearest of random centres."""
        return self.steps >= self.every * self.parts

    def labels_of(self, videos: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
        """Clusters of videos, [B,H]: those of the last clustering, or, of unseen ones, the nearest to their vectors.

        Args:
          videos: [B] int64 numbers.
          vectors: [B,W] of unit length.
        """
        nearest = tf.argmax(tf.einsum("bw,hkw->bhk", vectors, self._unit_centres()), axis=2, output_type=tf.int32)
        stored = tf.gather(self.labels, self.slots_of(videos))
        return tf.where(self.known(videos)[:, tf.newaxis], stored, nearest)

    def mixed(self, videos: tf.Tensor, vectors: tf.Tensor, momentum: float) -> tf.Tensor:
        """[B,W] unit vectors: momentum x the remembered + (1 - momentum) x the new; the new ones of unseen videos."""
        stored = tf.gather(self.vectors, self.slots_of(videos))
        both = tf.math.l2_normalize(momentum * stored + (1.0 - momentum) * vectors, axis=1)
        return tf.where(self.known(videos)[:, tf.newaxis], both, vectors)

    def write(self, videos: tf.Tensor, vectors: tf.Tensor, present: tf.Tensor) -> None:
        """Remembers the videos of all replicas that are present, and clusters all anew when it is time.

        Args:
          videos: [B] int64 numbers.
          vectors: [B,W] of unit length.
          present: [B], 0 for what is not to be remembered.
        """
        videos, vectors, present = (gather_replicas(each) for each in (videos, tf.stop_gradient(vectors), present))
        slots, keep = self.slots_of(videos), present > 0
        labels = self.labels_of(videos, vectors)
        for variable, values in ((self.owners, videos), (self.vectors, vectors), (self.labels, labels)):
            wanted = tf.reshape(keep, [-1] + [1] * (values.shape.rank - 1))
            values = tf.where(wanted, values, tf.gather(variable, slots))
            variable.scatter_update(tf.IndexedSlices(values, slots))
        self.steps.assign_add(1)
        # The assignments stay outside of the branch, where replicas could not meet.
        centres, labels = tf.cond(
            self.steps % (self.every * self.parts) == 0,
            self._cluster,
            lambda: (self.centres.read_value(), self.labels.read_value()),
        )
        self.centres.assign(centres)
        self.labels.assign(labels)

    def sizes(self) -> tf.Tensor:
        """Videos in each cluster, [H,K] float32."""
        clusterings, clusters, _ = self.centres.shape
        weights = tf.cast(self.owners >= 0, tf.float32)
        return tf.stack(
            [tf.math.unsorted_segment_sum(weights, self.labels[:, index], clusters) for index in range(clusterings)]
        )

    def _unit_centres(self) -> tf.Tensor:
        return tf.math.l2_normalize(self.centres, axis=2)

    def _cluster(self) -> Tuple[tf.Tensor, tf.Tensor]:
        """Centres [H,K,W] and labels [N,H] after a few more iterations of k-means."""
        clusterings, clusters, _ = self.centres.shape
        empty = tf.cast(self.owners < 0, tf.int32)
        filled = tf.maximum(self.slots - tf.reduce_sum(empty), 1)
        # Shapes are static: empty slots stand for copies of filled ones.
        order = tf.argsort(empty, stable=True)
        chosen = tf.gather(order, tf.range(self.slots) % filled)
        result = kmeans(tf.gather(self.vectors, chosen), clusters, clusterings, KMEANS_ITERATIONS, centres=self.centres)
        labels = tf.tensor_scatter_nd_update(self.labels, chosen[:, tf.newaxis], tf.transpose(result.assignment))
        return result.centres, labels
