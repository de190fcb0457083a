"""The small decoder of the reconstruction and prediction tasks (Sec. 3.3).

    map [B,T',h,w,C] -> conv -> conv -> conv -> (x2 -> conv) x 2 -> conv, 2 x 2 pixels a place -> [B,T,H/2,W/2,c]

Exactly six convolutions, none over time: all that is needed to tell the frames apart must be in the representation.
The frames that one position of the map stands for come out as groups of channels, and so do the 2 x 2 pixels of each
place: the convolution before the last, its normalisation and their gradients then work on a quarter of the places.
Where the places of the map are not those of the target, as between sound and pictures, the map is averaged over them
and one fully connected layer lays out the places anew. Repetition doubles the size, since resizing by interpolation has
no deterministic gradient on every device and does not compile for TPUs; what no target needs is cut off at once.

Departure: frames are decoded at half their size, and compared with targets averaged to it. A decoder of full frames
costs four times as much, half of a `tiny` tower, and the paper wants it small and cheap; `--decode_size=full` decodes
all pixels, by one more doubling in place of a repeated size. Sound always comes in full.
"""

from typing import Tuple

import tensorflow as tf

from elo_tf.config import TaskConfig
from elo_tf.data.clips import ClipSizes
from elo_tf.networks.backbone import SPATIAL_REDUCTION
from elo_tf.networks.layers import batch_normalization, sizes_of
from elo_tf.ops.equations import distance

CONVOLUTIONS = 6


class Decoder(tf.keras.layers.Layer):
    """Six convolutions from the last map of a tower to frames.

    Args:
      target: (frames, height, width, channels) of the clips to decode.
      stride: 2 decodes half of the height and width, 1 all of it.
      norm: Of Eq. 6, see `elo_tf.ops.equations.distance`.
      width: Channels of the first convolution; halved at each further one, but not below 16.
    """

    def __init__(
        self, target: Tuple[int, int, int, int], stride: int = 1, norm: str = "root_mean_square", width: int = 64
    ):
        super().__init__()
        frames, height, columns, channels = target
        self.stride = stride
        self.norm = norm
        self.sizes = (frames, -(-height // stride), -(-columns // stride), channels)
        doublings = (SPATIAL_REDUCTION // stride).bit_length() - 1
        # (height, width) before the first doubling, after it, and so on, up to half of what is decoded.
        self.grids = [tuple(-(-size // 2**left) for size in self.sizes[1:3]) for left in range(doublings, 0, -1)]
        self.widths = [max(16, width >> step) for step in range(CONVOLUTIONS - 1)]
        self.norms = [batch_normalization() for _ in self.widths]

    @classmethod
    def of(cls, segment: str, modality: str, sizes: ClipSizes, config: TaskConfig) -> "Decoder":
        """The decoder of a segment of a modality, as the settings of the tasks want it."""
        stride = 2 if config.decode_size == "half" and modality != "audio" else 1
        return cls(sizes.segment_shape(segment, modality), stride, config.norm)

    def build(self, shape):
        frames, _, _, channels = self.sizes
        self.layout = None
        if tuple(shape[2:4]) != self.grids[0]:
            self.layout = tf.keras.layers.Dense(self.grids[0][0] * self.grids[0][1] * self.widths[0])
        # Each of the T' positions stands for ceil(frames / T') frames.
        self.group = -(-frames // shape[1])
        self.convs = [tf.keras.layers.Conv2D(width, 3, padding="same", use_bias=False) for width in self.widths]
        self.last = tf.keras.layers.Conv2D(self.group * 4 * channels, 3, padding="same", dtype=tf.float32)

    def call(self, features, training=False):
        """Decodes a map.

        Args:
          features: [B,T',h,w,C], `stage4` of a tower.
          training: Whether batch normalisation uses the statistics of this batch.

        Returns:
          [B, frames, height / stride, width / stride, channels] float32.
        """
        frames, height, width, channels = self.sizes
        batch, time, rows, columns, depth = sizes_of(features)
        maps = tf.reshape(features, [batch * time, rows, columns, depth])
        if self.layout is not None:
            maps = self.layout(tf.reduce_mean(maps, axis=[1, 2]))
            maps = tf.reshape(maps, [batch * time, *self.grids[0], self.widths[0]])
        first_doubling = len(self.convs) - len(self.grids) + 1
        for step, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            if step >= first_doubling:
                rows, columns = self.grids[step - first_doubling + 1]
                maps = tf.repeat(tf.repeat(maps, 2, axis=1), 2, axis=2)[:, :rows, :columns]
            maps = tf.nn.relu(norm(conv(maps), training=training))
        rows, columns = self.grids[-1]
        maps = tf.reshape(self.last(maps), [batch * time, rows, columns, self.group, 2, 2 * channels])
        maps = tf.transpose(maps, [0, 3, 1, 4, 2, 5])  # [B*T', group, H/2, 2, W/2, 2*c]
        maps = tf.reshape(maps, [batch, time * self.group, 2 * rows, 2 * columns, channels])
        return maps[:, :frames, :height, :width]

    def loss(self, features: tf.Tensor, target: tf.Tensor, training: bool) -> tf.Tensor:
        """Eq. 6: how far what is decoded is from the target, averaged to its size.

        Args:
          features: [B,T',h,w,C].
          target: [B,T,H,W,c].
          training: As in `call`.

        Returns:
          [B] float32.
        """
        return distance(*self.compare(features, target, training), self.norm)

    def compare(self, features: tf.Tensor, target: tf.Tensor, training: bool) -> Tuple[tf.Tensor, tf.Tensor]:
        """What is decoded, and the target averaged to its size; arguments as in `loss`."""
        if self.stride > 1:
            target = self._averaged(target)
        return self(features, training=training), target

    def _averaged(self, target):
        """[B,T,H,W,c] -> [B,T,H/stride,W/stride,c]: the means of blocks, frame by frame, which is faster than in 3D."""
        batch, time, height, width, channels = sizes_of(target)
        frames = tf.reshape(target, [batch * time, height, width, channels])
        frames = tf.nn.avg_pool2d(frames, self.stride, self.stride, padding="SAME")
        return tf.reshape(frames, [batch, time, *self.sizes[1:]])
