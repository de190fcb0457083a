"""DeepCluster: clusters of the representation are its labels (Sec. 3.3; [5]).

rgb -> tower -> embedding -> BN -> unit length = z -> W -> logits of K clusters
                                                z -> memory -- every few steps: k-means --> label of the video
L = cross-entropy(logits, label)
"""

import tensorflow as tf

from elo_tf.networks.layers import batch_normalization
from elo_tf.ops.equations import average
from elo_tf.tasks.base import Task, register
from elo_tf.tasks.memory import VideoMemory


@register
class DeepCluster(Task):
    """A video's pseudo-label is its cluster when all were last clustered, most often from other frames of it.

    A video counts by one over the size of its cluster, so that big clusters do not dominate; empty clusters are
    re-seeded. Departure: [5] clusters after a pass over the whole set and begins a new classifier each time. Here the
    memory of what training saw is clustered, from the former centres, so the classifier goes on. What is classified has
    unit length, as what is clustered. Without that it is sqrt(D) times longer, and the gradient at the start ten times
    that of Eq. 8. At lambda 1 it still hinders embed (experiments/results/version_0.1/clustering_terms.md).
    """

    kind = "deep_cluster"
    symbol = "DC"
    equation = "[5]"
    in_paper = True

    @classmethod
    def instances(cls, modalities, config):
        return [cls(config, ["rgb"], views=[("rgb", "plain")], teaches=["rgb"])]

    def build(self, sizes, channels):
        clusters = self.config.pseudo_labels
        self.norm = batch_normalization(affine=False)
        self.head = tf.keras.layers.Dense(clusters, dtype=tf.float32)
        self.memory = VideoMemory(
            max(self.config.memory_videos, clusters),
            channels["rgb"]["embedding"],
            clusters,
            clusterings=1,
            every=self.config.recluster_every,
        )
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        features = self.norm(features["rgb", "plain"]["embedding"], training=training)
        features = tf.math.l2_normalize(features, axis=1, epsilon=1e-6)  # [B, D]
        vectors = tf.stop_gradient(features)
        labels = self.memory.labels_of(clips["video"], vectors)[:, 0]
        values = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, self.head(features))
        present = self.present(clips)
        weights = present / tf.maximum(tf.gather(self.memory.sizes()[0], labels), 1.0)
        if training:
            self.memory.write(clips["video"], vectors, present)
        return average(values, weights)
