"""Do two modalities show the same moment? (Sec. 3.3, Fig. 4, Eq. 7)

rgb now -> tower -> W1 -> a                        logit = W [a, b, a * b]
other modality, now                 -> tower -> W2 -> b, truth 1
other modality, another moment of the same video -> b, truth 0
"""

import tensorflow as tf

from elo_tf.networks.layers import binary_head
from elo_tf.ops.equations import balanced_cross_entropy
from elo_tf.tasks.base import Task, register
from elo_tf.tasks.views import find


@register
class Align(Task):
    """Aligned against misaligned, for each modality paired with RGB.

    Departure: one layer on the concatenation cannot beat chance. Its logit is a sum of a function of each input, both
    inputs have the same distribution in both classes, and by Jensen's inequality the loss stays above ln 2. The
    product of the two projected features lets the layer see whether they agree. `--align_head=literal` is the printed
    form.
    """

    kind = "align"
    symbol = "A"
    equation = "Eq. 7"
    in_paper = True
    width = 64

    @classmethod
    def instances(cls, modalities, config):
        return [
            cls(
                config,
                ["rgb", modality],
                views=[("rgb", "plain"), (modality, "plain"), (modality, "other")],
                teaches=["rgb", modality],
            )
            for modality in modalities
            if modality != "rgb"
        ]

    def build(self, sizes, channels):
        self.projections = []
        if self.config.align_head == "product":
            self.projections = [tf.keras.layers.Dense(self.width, dtype=tf.float32) for _ in range(2)]
        self.head = binary_head()
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        rgb, other = self.modalities
        anchor = features[rgb, "plain"]["embedding"]
        aligned = self._logit(anchor, features[other, "plain"]["embedding"])
        misaligned = self._logit(anchor[:: find("other").every], features[other, "other"]["embedding"])
        return balanced_cross_entropy(aligned, misaligned, self.present(clips), self.present(clips, "other"))

    def _logit(self, first, second):
        if not self.projections:
            return self.head(tf.concat([first, second], axis=1))
        first, second = (projection(x) for projection, x in zip(self.projections, (first, second)))
        return self.head(tf.concat([first, second, first * second], axis=1))
