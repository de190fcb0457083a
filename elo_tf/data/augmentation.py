"""Random variation of training clips, the same for every frame, segment and modality of a clip.

One crop, one mirroring and one change of colour hold for all that is shown of a video: were the crop of `other` a
different one, the aligned pair could be told from the misaligned by its crop, without a look at time.
"""

import dataclasses

import tensorflow as tf

from elo_tf.data.clips import NOISE, centre
from elo_tf.data.stored_flow import LEVELS, ZERO
from elo_tf.runtime.addons import tfa

# Python ops instead of the compiled kernel: they run on every device and announce nothing.
tfa.options.disable_custom_kernel()

MAX_HUE_TURN = 0.5  # radians, at color_jitter = 1

# Numbers drawn for a clip: crop row and column, mirroring, hue, saturation, value; then those of the views.
DRAWS = 6 + NOISE


@dataclasses.dataclass
class Augmentation:
    """How one clip is varied, or not.

    Attributes:
      size: H = W of the result, pixels.
      row, column: Upper left corner of the crop, scalar int32 tensors.
      mirrored: Scalar boolean tensor: left and right change places.
      hue, saturation, value: Scalar float32 tensors: turn in radians, two factors; None for no change.
    """

    size: int
    row: tf.Tensor
    column: tf.Tensor
    mirrored: tf.Tensor
    hue: tf.Tensor = None
    saturation: tf.Tensor = None
    value: tf.Tensor = None

    @classmethod
    def centred(cls, stored: int, size: int) -> "Augmentation":
        """The centre crop, unchanged otherwise, of frames of `stored` pixels."""
        corner = tf.constant(centre(stored, size).start)
        return cls(size, corner, corner, tf.constant(False))

    @classmethod
    def drawn(cls, draws: tf.Tensor, stored: int, size: int, flip: bool, color_jitter: float) -> "Augmentation":
        """A random variation.

        Args:
          draws: [DRAWS] uniform numbers in [0,1).
          stored: Side of the stored frames, pixels.
          size: Side of the crop.
          flip: Whether half of the clips are mirrored.
          color_jitter: 0..1; saturation and value change by up to this part.
        """
        corners = tf.cast(draws[:2] * (stored - size + 1), tf.int32)
        around = color_jitter * (2.0 * draws[3:6] - 1.0)
        color = (around[0] * MAX_HUE_TURN, 1.0 + around[1], 1.0 + around[2]) if color_jitter else ()
        return cls(size, corners[0], corners[1], (draws[2] < 0.5) if flip else tf.constant(False), *color)

    def rgb(self, frames: tf.Tensor) -> tf.Tensor:
        """uint8 [T,h,w,3] -> float32 [T,H,W,3] in [0,1]."""
        frames = tf.cast(self._place(frames), tf.float32) / 255.0
        if self.hue is None:
            return frames
        frames = tfa.image.adjust_hsv_in_yiq(frames, self.hue, self.saturation, self.value)
        return tf.clip_by_value(frames, 0.0, 1.0)

    def flow(self, fields: tf.Tensor) -> tf.Tensor:
        """uint8 [T,h,w,2] as stored -> float32 [T,H,W,2] in [-1,1], where 1 is the bound of the records.

        In a mirror what moves right moves left: u changes its sign.
        """
        fields = (tf.cast(self._place(fields), tf.float32) - ZERO) / LEVELS
        return fields * tf.where(self.mirrored, [-1.0, 1.0], [1.0, 1.0])

    def _place(self, frames: tf.Tensor) -> tf.Tensor:
        frames = frames[:, self.row : self.row + self.size, self.column : self.column + self.size]
        frames = tf.cond(self.mirrored, lambda: frames[:, :, ::-1], lambda: frames)
        return tf.ensure_shape(frames, [None, self.size, self.size, frames.shape[-1]])
