"""Reconstruction of a clip from its own representation (Sec. 3.3, Eq. 6).

clip -> tower -> stage4 [B,T/8,H/16,W/16,C] -> decoder -> clip'        L = distance(clip', clip)
"""

from elo_tf.decoder import Decoder
from elo_tf.equations import average, distance
from elo_tf.tasks.base import Task, register


@register
class Reconstruct(Task):
    """Each modality is decoded from the last map of its own tower."""

    kind = "reconstruct"
    symbol = "Rec"
    equation = "Eq. 6"

    @classmethod
    def instances(cls, modalities):
        return [
            cls(
                [modality],
                views=[(modality, "plain")],
                teaches=[modality],
                endpoints=["stage4"],
                targets=[("now", modality)],
            )
            for modality in modalities
        ]

    def build(self, sizes, channels):
        self.decoder = Decoder(sizes.segment_shape("now", self.modalities[0]))
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        (modality,) = self.modalities
        decoded = self.decoder(features[modality, "plain"]["stage4"], training=training)
        return average(distance(decoded, clips["now"][modality]), self.present(clips))
