"""The paper's loss equations as functions of tensors: Eq. 2 and 6 (distances), Eq. 7 (binary), Eq. 8 (contrastive).

All of them compute in float32 and return one number an example; `average` turns those into the loss of a step. They
hold no state and know nothing of tasks, so that each can be compared with NumPy.
"""

from typing import Optional

import tensorflow as tf

NORMS = ("root_mean_square", "l2", "squared")
NEGATIVES = ("all", "active", "hardest")

# Under the root, so that its gradient is finite where two tensors agree.
EPSILON = 1e-6


def average(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The weighted mean over the examples of all replicas.

    Args:
      values: [B] losses; what stands at weight 0 is never read, be it NaN.
      weights: [B] in [0,1], such as whether a video has sound.

    Returns:
      A scalar whose mean over the replicas is the mean over the global batch; 0 where no example counts.
    """
    return _average(values, weights, _count(weights))


def _average(values: tf.Tensor, weights: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    weights = tf.cast(weights, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(tf.where(weights > 0, values, 0.0) * weights), count)


def _count(weights: tf.Tensor) -> tf.Tensor:
    """The sum of the weights, averaged over the replicas."""
    count = tf.reduce_sum(tf.cast(weights, tf.float32))
    replica = tf.distribute.get_replica_context()
    if replica is not None and replica.num_replicas_in_sync > 1:
        count = replica.all_reduce(tf.distribute.ReduceOp.MEAN, count)
    return count


def gather_replicas(tensor: tf.Tensor) -> tf.Tensor:
    """[B,...] of this replica -> [B x replicas,...] of all; gradients flow back to where the rows came from."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return tensor
    # Of the replica's device; with several processes, what comes straight from the data has none and is refused.
    return replica.all_gather(tf.identity(tensor), axis=0)


def distance(first: tf.Tensor, second: tf.Tensor, norm: str = "root_mean_square") -> tf.Tensor:
    """How far two tensors are apart, an example each (Eq. 2 and Eq. 6).

    Departure: the paper's norm, ||a - b||_2, starts near 10^2 to 10^3 for frames and grows with their size, where
    Eq. 7 starts at 0.69, so that no lambda in [0,1] could balance them. The default divides by the number of elements.

    Args:
      first, second: [B,...] of the same shape.
      norm: `root_mean_square` sqrt(mean(d^2) + eps), `l2` sqrt(sum(d^2) + eps) as printed, `squared` mean(d^2).

    Returns:
      [B] float32, >= 0.

    Raises:
      ValueError: the norm is unknown.
    """
    squares = tf.square(tf.cast(first, tf.float32) - tf.cast(second, tf.float32))
    axes = list(range(1, squares.shape.rank))
    if norm == "root_mean_square":
        return tf.sqrt(tf.reduce_mean(squares, axes) + EPSILON)
    if norm == "l2":
        return tf.sqrt(tf.reduce_sum(squares, axes) + EPSILON)
    if norm == "squared":
        return tf.reduce_mean(squares, axes)
    raise ValueError(f"norm {norm!r} is unknown; choose from {', '.join(NORMS)}")


def binary_cross_entropy(logits: tf.Tensor, truth: bool) -> tf.Tensor:
    """Eq. 7 of one class: -log p where `truth`, else -log(1 - p), with p = sigmoid(logit).

    The paper writes p = Wx; a sigmoid is meant, else p is no probability. [B] or [B,1] -> [B] float32.
    """
    logits = tf.reshape(tf.cast(logits, tf.float32), [-1])
    return tf.nn.softplus(-logits if truth else logits)


def balanced_cross_entropy(
    positives: tf.Tensor, negatives: tf.Tensor, positive_weights: tf.Tensor, negative_weights: tf.Tensor
) -> tf.Tensor:
    """Eq. 7 over two classes that weigh the same, however many examples each has; ln 2 where logits are 0.

    Args:
      positives, negatives: [B] or [B,1] logits of the examples whose truth is 1, and 0; their numbers may differ.
      positive_weights, negative_weights: [B] weights of each (`average`).

    Returns:
      A scalar, as `average` gives; 0 where a class has no example that counts, in any replica: the other one alone
      would only teach how often that happens.
    """
    true_count, false_count = _count(positive_weights), _count(negative_weights)
    true = _average(binary_cross_entropy(positives, True), positive_weights, true_count)
    false = _average(binary_cross_entropy(negatives, False), negative_weights, false_count)
    return tf.where((true_count > 0) & (false_count > 0), 0.5 * (true + false), 0.0)


def contrastive(
    anchors: tf.Tensor,
    positives: tf.Tensor,
    negatives: tf.Tensor,
    allowed: tf.Tensor,
    margin: float = 1.4,
    weights: Optional[tf.Tensor] = None,
    counted: str = "all",
) -> tf.Tensor:
    """Eq. 8: ||x1 - x2||_2 + max(0, margin - ||x1 - xn||_2), the second term averaged over the negatives.

    Args:
      anchors: x1, [B,D].
      positives: x2, [B,D], the same videos in another modality.
      negatives: xn, [P,D].
      allowed: [B,P] boolean, false where a negative shows the anchor's own video.
      margin: alpha.
      weights: [P], 0 for negatives that do not count.
      counted: Negatives over which the second term is averaged: `all`, the `active` ones nearer than the margin, or
        the `hardest`, the nearest one.

    Returns:
      [B] float32; without any negative the second term is 0.

    Raises:
      ValueError: `counted` is unknown.
    """
    if counted not in NEGATIVES:
        raise ValueError(f"negatives {counted!r} are unknown; choose from {', '.join(NEGATIVES)}")
    anchors, positives, negatives = (tf.cast(x, tf.float32) for x in (anchors, positives, negatives))
    pull = tf.sqrt(tf.reduce_sum(tf.square(anchors - positives), 1) + EPSILON)
    squares = tf.reduce_sum(tf.square(anchors[:, tf.newaxis] - negatives[tf.newaxis]), 2)  # [B, P]
    push = tf.nn.relu(margin - tf.sqrt(squares + EPSILON))
    shares = tf.cast(allowed, tf.float32)
    shares = shares if weights is None else shares * weights[tf.newaxis]
    if counted == "active":
        shares *= tf.cast(push > 0, tf.float32)
    if counted == "hardest":
        return pull + tf.reduce_max(push * tf.cast(shares > 0, tf.float32), 1)
    return pull + tf.math.divide_no_nan(tf.reduce_sum(push * shares, 1), tf.reduce_sum(shares, 1))
