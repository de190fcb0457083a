"""The small decoder of the reconstruction and prediction tasks (Sec. 3.3).

    map [B,T',h,w,C] -> conv -> (x2 -> conv) x 4 -> conv -> [B,T,H,W,c]

Exactly six convolutions, none over time: all that is needed to tell the frames apart must be in the representation.
The frames that one position of the map stands for come out as groups of channels. Repetition doubles the size, since
resizing by interpolation has no deterministic gradient on every device and does not compile for TPUs.
"""

from typing import Tuple

import tensorflow as tf

from elo_tf.backbone import SPATIAL_REDUCTION
from elo_tf.layers import batch_normalization, sizes_of

DOUBLINGS = SPATIAL_REDUCTION.bit_length() - 1


class Decoder(tf.keras.layers.Layer):
    """Six convolutions from the last map of a tower to frames.

    Args:
      target: (frames, height, width, channels) of what is put out.
      width: Channels of the first convolution; halved at each doubling, but not below 16.
    """

    def __init__(self, target: Tuple[int, int, int, int], width: int = 64):
        super().__init__()
        self.target = target
        self.widths = [max(16, width >> step) for step in range(DOUBLINGS + 1)]
        self.norms = [batch_normalization() for _ in self.widths]

    def build(self, shape):
        frames, _, _, channels = self.target
        # Each of the T' positions stands for ceil(frames / T') frames.
        self.group = -(-frames // shape[1])
        self.convs = [tf.keras.layers.Conv2D(width, 3, padding="same", use_bias=False) for width in self.widths]
        self.last = tf.keras.layers.Conv2D(self.group * channels, 3, padding="same", dtype=tf.float32)

    def call(self, features, training=False):
        """Decodes a map.

        Args:
          features: [B,T',h,w,C], `stage4` of a tower.
          training: Whether batch normalisation uses the statistics of this batch.

        Returns:
          [B, frames, height, width, channels] float32.
        """
        frames, height, width, channels = self.target
        batch, time, rows, columns, depth = sizes_of(features)
        maps = tf.reshape(features, [batch * time, rows, columns, depth])
        for step, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            if step:
                maps = tf.repeat(tf.repeat(maps, 2, axis=1), 2, axis=2)
            maps = tf.nn.relu(norm(conv(maps), training=training))
        maps = self.last(maps)[:, :height, :width]  # [B*T', H, W, group*c]
        maps = tf.reshape(maps, [batch, time, height, width, self.group, channels])
        maps = tf.transpose(maps, [0, 1, 4, 2, 3, 5])  # [B, T', group, H, W, c]
        return tf.reshape(maps, [batch, time * self.group, height, width, channels])[:, :frames]
