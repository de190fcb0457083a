"""Joint embedding of two modalities (Sec. 3.3, Eq. 8).

clip in m1 -> tower -> embedding -> W1 -> BN -> unit length = x1
clip in m2 -> tower -> embedding -> W2 -> BN -> unit length = x2
L = ||x1 - x2|| + mean over other videos n of max(0, 1.4 - ||x1 - xn||)
"""

import itertools

import tensorflow as tf

from elo_tf.equations import average, contrastive, gather_replicas
from elo_tf.layers import batch_normalization
from elo_tf.tasks.base import Task, register


@register
class Embed(Task):
    """The same video close, other videos apart, for each pair of modalities.

    Departure: Eq. 8 on the representations themselves, with margin 1 and one negative, collapses to a point, where
    its value is the margin. Projections normalised over the batch, without scale and shift, cannot collapse; on the
    unit sphere 1.4 is about the distance of unrelated points, sqrt(2). All other videos of the batch are negatives.
    """

    kind = "embed"
    symbol = "E"
    equation = "Eq. 8"
    width = 64

    @classmethod
    def instances(cls, modalities):
        return [
            cls(pair, views=[(modality, "plain") for modality in pair], teaches=pair)
            for pair in itertools.combinations(modalities, 2)
        ]

    def build(self, sizes, channels):
        self.projections = [tf.keras.layers.Dense(self.width, use_bias=False, dtype=tf.float32) for _ in range(2)]
        self.norms = [batch_normalization(affine=False) for _ in range(2)]
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        first, second = (
            tf.math.l2_normalize(
                norm(projection(features[modality, "plain"]["embedding"]), training=training), axis=1, epsilon=1e-6
            )
            for modality, projection, norm in zip(self.modalities, self.projections, self.norms)
        )
        present = self.present(clips)
        allowed = clips["video"][:, tf.newaxis] != gather_replicas(clips["video"])[tf.newaxis]
        values = contrastive(first, second, gather_replicas(second), allowed, weights=gather_replicas(present))
        return average(values, present)
