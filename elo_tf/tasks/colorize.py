"""Predicts the colours of grey frames with the grey tower (Sec. 3.3, Eq. 6; [42]).

decoder   grey -> tower -> stage4 -> decoder -> colour'
pointer   grey -> tower -> stage2 [B,T/2,H/4,W/4,C] -> W -> f      A_ij = softmax_i f_j . f_i,  i over the first time
          colour'_j = sum_i A_ij colour_i                          colours pooled to the map
L = distance(colour', colour),      colour = rgb - grey [B,T,H,W,3], the chroma
"""

from typing import Tuple

import tensorflow as tf

from elo_tf.networks.decoder import Decoder
from elo_tf.networks.layers import sizes_of
from elo_tf.ops.equations import average, distance
from elo_tf.tasks.base import Task, register


@register
class Colorize(Task):
    """Colours are decoded, or, with `--colorize_head=pointer`, copied from where the first frames show them.

    Departure: what is predicted is the chroma, since luma is what the tower is given; whole frames from grey are the
    term `grey-rgb/transfer`. The pointer copies colours themselves, where [42] classifies quantised ones, so that
    Eq. 6 serves both.
    """

    kind = "colorize"
    symbol = "C"
    equation = "Eq. 6"
    in_paper = True
    width = 64

    @classmethod
    def instances(cls, modalities, config):
        if "grey" not in modalities:
            return []
        endpoint = "stage2" if config.colorize_head == "pointer" else "stage4"
        return [
            cls(
                config,
                ["grey"],
                views=[("grey", "plain")],
                teaches=["grey"],
                endpoints=[endpoint],
                targets=[("now", "rgb")],
            )
        ]

    def build(self, sizes, channels):
        if self.config.colorize_head == "pointer":
            self.projection = tf.keras.layers.Dense(self.width)
        else:
            self.decoder = Decoder.of("now", "rgb", sizes=sizes, config=self.config)
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        chroma = clips["now"]["rgb"] - clips["now"]["grey"]  # [B, T, H, W, 3]
        if self.config.colorize_head == "pointer":
            copied, true = self._copy(features["grey", "plain"]["stage2"], chroma)
            values = distance(copied, true, self.config.norm)
        else:
            values = self.decoder.loss(features["grey", "plain"]["stage4"], chroma, training)
        return average(values, self.present(clips))

    def example(self, features, clips):
        if self.config.colorize_head == "pointer":
            return None
        maps, colours = features["grey", "plain"]["stage4"], clips["now"]["rgb"]
        _, target = self.decoder.compare(maps, colours, training=False)
        decoded, chroma = self.decoder.compare(maps, colours - clips["now"]["grey"], training=False)
        return decoded + target - chroma, target  # On the true grey.

    def _copy(self, maps, chroma):
        """Copied and true colours of all positions but those of the first time: [B,(T'-1)H'W',3] each."""
        batch, time, height, width, _ = sizes_of(maps)
        keys = tf.reshape(self.projection(maps), [batch, time * height * width, self.width])
        places = height * width
        scores = tf.matmul(keys[:, places:], keys[:, :places], transpose_b=True)
        attention = tf.nn.softmax(tf.cast(scores, tf.float32) / self.width**0.5, axis=2)
        colours = tf.reshape(_pool(chroma, (time, height, width)), [batch, time * places, 3])
        return tf.matmul(attention, colours[:, :places]), colours[:, places:]


def _pool(video: tf.Tensor, sizes: Tuple[int, int, int]) -> tf.Tensor:
    """The mean of the blocks of [B,T,H,W,C] that the positions of a map of the given sizes stand for."""
    window = [1, *(-(-full // part) for full, part in zip(video.shape[1:4], sizes)), 1]
    return tf.nn.avg_pool3d(video, window, window, padding="SAME")
