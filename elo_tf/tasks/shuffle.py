"""Are these frames in their order, or shuffled? (Sec. 3.3, Eq. 7; [26])

clip          -> tower -> embedding -> W -> logit, truth 1
shuffled clip -> tower -> embedding -> W -> logit, truth 0        L = (L_B of ordered + L_B of shuffled) / 2
"""

import tensorflow as tf

from elo_tf.equations import average, binary_cross_entropy
from elo_tf.tasks.base import Task, register


@register
class Shuffle(Task):
    """Ordered against shuffled frames, by a single fully connected layer.

    Each class is averaged by itself, so the two weigh the same though only every second clip is shuffled.
    """

    kind = "shuffle"
    symbol = "S"
    equation = "Eq. 7"

    @classmethod
    def instances(cls, modalities):
        return [
            cls([modality], views=[(modality, "plain"), (modality, "shuffled")], teaches=[modality])
            for modality in modalities
        ]

    def build(self, sizes, channels):
        self.head = tf.keras.layers.Dense(1, dtype=tf.float32)
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        (modality,) = self.modalities
        present = self.present(clips)
        ordered = binary_cross_entropy(self.head(features[modality, "plain"]["embedding"]), True)
        shuffled = binary_cross_entropy(self.head(features[modality, "shuffled"]["embedding"]), False)
        return 0.5 * (average(ordered, present) + average(shuffled, present[::2]))
