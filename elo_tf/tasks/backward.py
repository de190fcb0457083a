"""Does this clip run forward or backward? (Sec. 3.3, Eq. 7; [31])

clip          -> tower -> embedding -> W -> logit, truth 1
reversed clip -> tower -> embedding -> W -> logit, truth 0        L = (L_B of forward + L_B of reversed) / 2
"""

from elo_tf.equations import balanced_cross_entropy
from elo_tf.layers import binary_head
from elo_tf.tasks.base import Task, register


@register
class Backward(Task):
    """Forward against reversed, by a single fully connected layer; flow is that of the reversed video.

    Each class is averaged by itself, so the two weigh the same though only every second clip is reversed.
    """

    kind = "backward"
    symbol = "B"
    equation = "Eq. 7"
    in_paper = True

    @classmethod
    def instances(cls, modalities, config):
        return [
            cls(config, [modality], views=[(modality, "plain"), (modality, "reversed")], teaches=[modality])
            for modality in modalities
        ]

    def build(self, sizes, channels):
        self.head = binary_head()
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        (modality,) = self.modalities
        forward, backward = (self.head(features[modality, view]["embedding"]) for view in ("plain", "reversed"))
        return balanced_cross_entropy(forward, backward, self.present(clips), self.present(clips, "reversed"))
