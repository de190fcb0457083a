"""Prediction of the N frames that follow a clip (Sec. 3.3, Eq. 6; [37]).

T frames -> tower -> stage4 [B,T/8,H/16,W/16,C] -> decoder -> N frames'        L = distance(N frames', N frames)
"""

from elo_tf.decoder import Decoder
from elo_tf.equations import average
from elo_tf.tasks.base import Task, register


@register
class Predict(Task):
    """The future of each modality from what its tower has seen; the frames to come enter no tower."""

    kind = "predict"
    symbol = "P"
    equation = "Eq. 6"
    in_paper = True

    @classmethod
    def instances(cls, modalities, config):
        return [
            cls(
                config,
                [modality],
                views=[(modality, "plain")],
                teaches=[modality],
                endpoints=["stage4"],
                targets=[("next", modality)],
            )
            for modality in modalities
        ]

    def build(self, sizes, channels):
        self.decoder = Decoder.of("next", *self.modalities, sizes=sizes, config=self.config)
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        (modality,) = self.modalities
        values = self.decoder.loss(features[modality, "plain"]["stage4"], clips["next"][modality], training)
        return average(values, self.present(clips))
