"""Joint embedding of two modalities (Sec. 3.3, Eq. 8).

clip in m1 -> tower -> embedding -> W1 -> BN -> unit length = x1
clip in m2 -> tower -> embedding -> W2 -> BN -> unit length = x2
L = ||x1 - x2|| + mean over other videos n of max(0, 1.4 - ||x1 - xn||)
"""

import itertools

import tensorflow as tf

from elo_tf.networks.layers import batch_normalization
from elo_tf.ops.equations import average, contrastive, gather_replicas
from elo_tf.tasks.base import Task, register


@register
class Embed(Task):
    """The same video close, other videos apart, for each pair of modalities.

    Departure: Eq. 8 on the representations themselves, with margin 1 and one negative, collapses to a point, where
    its value is the margin. Projections normalised over the batch, without scale and shift, cannot collapse; on the
    unit sphere 1.4 is about the distance of unrelated points, sqrt(2). All other videos of the batch are negatives.
    `--embed_head=literal --embed_margin=1` is the printed form; its one negative is the next video of the batch.
    """

    kind = "embed"
    symbol = "E"
    equation = "Eq. 8"
    in_paper = True
    width = 64

    @classmethod
    def instances(cls, modalities, config):
        return [
            cls(config, pair, views=[(modality, "plain") for modality in pair], teaches=pair)
            for pair in itertools.combinations(modalities, 2)
        ]

    def build(self, sizes, channels):
        if self.config.embed_head == "normalized":
            self.projections = [tf.keras.layers.Dense(self.width, use_bias=False, dtype=tf.float32) for _ in range(2)]
            self.norms = [batch_normalization(affine=False) for _ in range(2)]
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        first, second = (features[modality, "plain"]["embedding"] for modality in self.modalities)
        present, margin = self.present(clips), self.config.embed_margin
        if self.config.embed_head == "literal":
            following, videos, counts = (tf.roll(each, -1, axis=0) for each in (second, clips["video"], present))
            is_next = tf.linalg.eye(tf.shape(present)[0]) * counts[tf.newaxis] > 0
            allowed = is_next & (clips["video"][:, tf.newaxis] != videos[tf.newaxis])
            return average(contrastive(first, second, following, allowed, margin), present)
        first, second = (
            tf.math.l2_normalize(norm(projection(x), training=training), axis=1, epsilon=1e-6)
            for x, projection, norm in zip((first, second), self.projections, self.norms)
        )
        gathered = gather_replicas if self.config.gather else tf.identity
        allowed = clips["video"][:, tf.newaxis] != gathered(clips["video"])[tf.newaxis]
        values = contrastive(
            first, second, gathered(second), allowed, margin, gathered(present), self.config.embed_negatives
        )
        return average(values, present)
