"""Prediction of the N frames that follow a clip (Sec. 3.3, Eq. 6; [37]).

T frames -> tower -> stage4 [B,T/8,H/16,W/16,C] -> decoder -> N frames'        L = distance(N frames', N frames)
"""

from elo_tf.tasks.base import register
from elo_tf.tasks.reconstruct import Reconstruct


@register
class Predict(Reconstruct):
    """The future of each modality from what its tower has seen; the frames to come enter no tower."""

    kind = "predict"
    symbol = "P"
    segment = "next"
