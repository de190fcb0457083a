"""Encoded frames, decoded in the graph: what a client sends who does not want to send floats.

    JPEG or PNG bytes -> RGB -> centre square -> size x size -> [0,1]

It is the way of `elo_tf.ingest.decode`: the square of the picture's short side, then bilinear scaling with
antialiasing. A frame that has the size already is not changed. An image's EXIF orientation is not looked at.
"""

import tensorflow as tf


def decode_frames(frames: tf.Tensor, size: int) -> tf.Tensor:
    """Decodes clips.

    Args:
      frames: [B,T] strings, each a JPEG or PNG image (colour, grey or with transparency, which is dropped). Their sizes
        may differ.
      size: Side of the result, pixels.

    Returns:
      [B,T,size,size,3] float32 in [0,1].

    Raises:
      tf.errors.InvalidArgumentError: when run, a string is no image.
    """
    images = tf.map_fn(
        lambda encoded: _decode(encoded, size),
        tf.reshape(frames, [-1]),
        fn_output_signature=tf.TensorSpec([size, size, 3], tf.float32),
    )
    shape = tf.shape(frames)
    return tf.reshape(images, [shape[0], shape[1], size, size, 3])


def _decode(encoded: tf.Tensor, size: int) -> tf.Tensor:
    """One frame, [size,size,3] in [0,1]."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)  # uint8, [H, W, 3]
    shape = tf.shape(image)
    side = tf.minimum(shape[0], shape[1])
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    square = tf.ensure_shape(image[top : top + side, left : left + side], [None, None, 3])
    scaled = tf.image.resize(square, [size, size], method="bilinear", antialias=True)
    return tf.clip_by_value(scaled / 255.0, 0.0, 1.0)
