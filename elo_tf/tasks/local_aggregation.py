"""Local aggregation: pulls close neighbours closer, pushes the background apart (Sec. 3.3; [49]).

rgb -> tower -> embedding -> W -> unit length = v [B,W]             memory: vectors u_j of the videos seen
B = the videos most similar to v (background),  C = those that share a cluster with v in one of H clusterings (close)
L = -2t log ( sum over C and B of exp(v.u_j / t) / sum over B of exp(v.u_j / t) ),     t = 0.07
"""

import tensorflow as tf

from elo_tf.ops.equations import average, gather_replicas
from elo_tf.tasks.base import Task, register
from elo_tf.tasks.memory import VideoMemory


@register
class LocalAggregation(Task):
    """Videos are drawn to those they are clustered with, out of those that are near anyway.

    Temperature, momentum of the memory, which begins as random vectors, and number of clusterings are those of [49]. A
    video always is its own close neighbour, by what the memory holds of it; until the first clustering it is the only
    one, as [49] begins by telling all videos apart. Departure: the factor 2t, which makes |v - u|^2 = 2 - 2 v.u the
    unit. Without it the gradient at the start is 13 times that of Eq. 8 (experiments/clustering_terms.py).
    """

    kind = "local_aggregation"
    symbol = "LA"
    equation = "[49]"
    in_paper = True
    width = 64
    temperature = 0.07
    momentum = 0.5
    clusterings = 3
    background = 256

    @classmethod
    def instances(cls, modalities, config):
        return [cls(config, ["rgb"], views=[("rgb", "plain")], teaches=["rgb"])]

    def build(self, sizes, channels):
        clusters = self.config.pseudo_labels
        self.projection = tf.keras.layers.Dense(self.width, use_bias=False, dtype=tf.float32)
        self.memory = VideoMemory(
            max(self.config.memory_videos, clusters),
            self.width,
            clusters,
            self.clusterings,
            every=self.config.recluster_every,
        )
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        vectors = tf.math.l2_normalize(self.projection(features["rgb", "plain"]["embedding"]), axis=1)  # [B, W]
        videos, present, memory = clips["video"], self.present(clips), self.memory
        scores = tf.matmul(vectors, memory.vectors, transpose_b=True) / self.temperature  # [B, N]
        own = memory.slots_of(videos)[:, tf.newaxis] == tf.range(memory.slots, dtype=tf.int64)
        in_batch = memory.slots_of(gather_replicas(videos))[:, tf.newaxis] == tf.range(memory.slots, dtype=tf.int64)
        counts = (memory.owners >= 0) | tf.reduce_any(in_batch, axis=0)
        ranked = tf.where(counts, tf.stop_gradient(scores), scores.dtype.min)
        least = tf.math.top_k(ranked, min(self.background, memory.slots)).values[:, -1:]
        near = own | (counts & (ranked >= least))
        values = _log_sum(scores, near) - _log_sum(scores, near & (own | self._close(videos)))
        values *= 2.0 * self.temperature
        if training:
            memory.write(videos, memory.mixed(videos, tf.stop_gradient(vectors), self.momentum), present)
        return average(values, present)

    def _close(self, videos):
        """Whether a remembered video shares a cluster with one of the batch: [B,N]."""
        memory = self.memory
        labels = tf.gather(memory.labels, memory.slots_of(videos))  # [B, H]
        shared = tf.reduce_any(labels[:, tf.newaxis] == memory.labels[tf.newaxis], axis=2)
        return shared & memory.is_clustered() & memory.known(videos)[:, tf.newaxis] & (memory.owners >= 0)


def _log_sum(scores: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """log of the sum of exp of the chosen entries of each row, [B]."""
    return tf.reduce_logsumexp(tf.where(chosen, scores, -1e9), axis=1)
