"""Decodes encoded frames in the graph, for clients that do not send floats.

    JPEG or PNG bytes -> RGB -> centre square -> stored x stored -> centre, size x size -> [0,1]

It is the way of a held-out clip: `elo_tf.decoding.decode` stores the square of the picture's short side, scaled
bilinearly with antialiasing, and the tower sees its centre. A picture of size x size pixels has come that way and is
not changed. An image's EXIF orientation is not looked at.
"""

import tensorflow as tf

from elo_tf.data.clips import centre


def decode_frames(frames: tf.Tensor, size: int, stored: int) -> tf.Tensor:
    """Decodes clips.

    Args:
      frames: [B,T] strings, each a JPEG or PNG image (colour, grey or with transparency, which is dropped). Their sizes
        may differ.
      size: Side of the result, pixels.
      stored: Side to which the centre square of a frame is scaled, pixels; at least `size`.

    Returns:
      [B,T,size,size,3] float32 in [0,1].

    Raises:
      tf.errors.InvalidArgumentError: when run, a string is no image.
    """
    images = tf.map_fn(
        lambda encoded: _decode(encoded, size, stored),
        tf.reshape(frames, [-1]),
        fn_output_signature=tf.TensorSpec([size, size, 3], tf.float32),
    )
    shape = tf.shape(frames)
    return tf.reshape(images, [shape[0], shape[1], size, size, 3])


def _decode(encoded: tf.Tensor, size: int, stored: int) -> tf.Tensor:
    """One frame, [size,size,3] in [0,1]."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)  # uint8, [H, W, 3]
    shape = tf.shape(image)[:2]
    inner = centre(stored, size)
    frame = tf.cond(
        tf.reduce_all(shape == size),
        lambda: tf.cast(image, tf.float32),
        lambda: tf.image.resize(_square(image, shape), [stored, stored], "bilinear", antialias=True)[inner, inner],
    )
    return tf.ensure_shape(tf.clip_by_value(frame / 255.0, 0.0, 1.0), [size, size, 3])


def _square(image: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """The centre, as wide and as high as the short side."""
    side = tf.reduce_min(shape)
    top, left = tf.unstack((shape - side) // 2)
    return tf.ensure_shape(image[top : top + side, left : left + side], [None, None, 3])
