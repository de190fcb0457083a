"""Reconstruction of a clip from its own representation (Sec. 3.3, Eq. 6).

clip -> tower -> stage4 [B,T/8,H/16,W/16,C] -> decoder -> clip'        L = distance(clip', clip)
"""

from elo_tf.networks.decoder import Decoder
from elo_tf.ops.equations import average
from elo_tf.tasks.base import Task, register


@register
class Reconstruct(Task):
    """Each modality is decoded from the last map of its own tower."""

    kind = "reconstruct"
    symbol = "Rec"
    equation = "Eq. 6"
    in_paper = True
    segment = "now"  # of the video, which is decoded

    @classmethod
    def instances(cls, modalities, config):
        return [
            cls(
                config,
                [modality],
                views=[(modality, "plain")],
                teaches=[modality],
                endpoints=["stage4"],
                targets=[(cls.segment, modality)],
            )
            for modality in modalities
        ]

    def build(self, sizes, channels):
        (modality,) = self.modalities
        self.decoder = Decoder.of(self.segment, modality, sizes=sizes, config=self.config)
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        (modality,) = self.modalities
        values = self.decoder.loss(features[modality, "plain"]["stage4"], clips[self.segment][modality], training)
        return average(values, self.present(clips))

    def example(self, features, clips):
        maps = features[self.modalities[0], "plain"]["stage4"]
        return self.decoder.compare(maps, clips[self.segment][self.modalities[0]], training=False)
