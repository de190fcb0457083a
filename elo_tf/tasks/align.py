"""Are the two modalities of the same moment? (Sec. 3.3, Fig. 4, Eq. 7)

rgb now -> tower -> W1 -> a                        logit = W [a, b, a * b]
other modality, now                 -> tower -> W2 -> b, truth 1
other modality, another moment of the same video -> b, truth 0
"""

import tensorflow as tf

from elo_tf.equations import average, binary_cross_entropy
from elo_tf.tasks.base import Task, register


@register
class Align(Task):
    """Aligned against misaligned, for each modality paired with RGB.

    Departure: one layer on the concatenation cannot beat chance. Its logit is a sum of a function of each input, both
    inputs have the same distribution in both classes, and by Jensen's inequality the loss stays above ln 2. The
    product of the two projected features lets the layer see whether they agree.
    """

    kind = "align"
    symbol = "A"
    equation = "Eq. 7"
    width = 64

    @classmethod
    def instances(cls, modalities):
        return [
            cls(
                ["rgb", modality],
                views=[("rgb", "plain"), (modality, "plain"), (modality, "other")],
                teaches=["rgb", modality],
            )
            for modality in modalities
            if modality != "rgb"
        ]

    def build(self, sizes, channels):
        self.projections = [tf.keras.layers.Dense(self.width, dtype=tf.float32) for _ in range(2)]
        self.head = tf.keras.layers.Dense(1, dtype=tf.float32)
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        rgb, other = self.modalities
        anchor = self.projections[0](features[rgb, "plain"]["embedding"])
        aligned = self.projections[1](features[other, "plain"]["embedding"])
        misaligned = self.projections[1](features[other, "other"]["embedding"])
        present = self.present(clips)
        aligned = binary_cross_entropy(self._logit(anchor, aligned), True)
        misaligned = binary_cross_entropy(self._logit(anchor[::2], misaligned), False)
        return 0.5 * (average(aligned, present) + average(misaligned, present[::2]))

    def _logit(self, first, second):
        return self.head(tf.concat([first, second, first * second], axis=1))
