"""k-means in the graph, R restarts at once (Sec. 3.2.2).

    features [N,D] ──┬─ k-means++ ──> centres [R,K,D]
                     │                   │  ▲
                     ├─ assign: argmin_k ‖x − c_k‖²           one product [N,D]·[D,R·K], in chunks of N
                     │                   ▼  │
                     └─ update: c_k = mean of its x           segment sums; an empty cluster takes a far point

All arithmetic is float32 and every shape is static, so the function runs eagerly, in a `tf.function`, and under XLA.
The same features and seed give the same result on the same kind of device; on a GPU this needs
`tf.config.experimental.enable_op_determinism`, because its segment sums add in any order otherwise. XLA draws other
random numbers from the same seed.
"""

from typing import NamedTuple, Optional, Tuple

import tensorflow as tf

from elo_tf.config import InputError

# Entries of one block of the distance matrix (16 MiB): large enough to keep the product efficient, small next to the
# features at any N and K.
_BLOCK_ENTRIES = 1 << 22


class KMeans(NamedTuple):
    """R independent clusterings of the same N features.

    Attributes:
      centres: [R,K,D] float32.
      assignment: [R,N] int32 in [0,K), the nearest of `centres`.
      inertia: [R] float32, sum over the N features of the squared distance to their centre.
    """

    centres: tf.Tensor
    assignment: tf.Tensor
    inertia: tf.Tensor


def check_clusters(videos: int, clusters: int) -> None:
    """Raises `InputError` where there are fewer videos than clusters."""
    if videos < clusters:
        raise InputError(f"{videos} videos cannot form --clusters={clusters} clusters; lower it or score more videos")


def kmeans(
    features: tf.Tensor,
    clusters: int,
    restarts: int,
    iterations: int,
    seed: Optional[tf.Tensor] = None,
    centres: Optional[tf.Tensor] = None,
) -> KMeans:
    """Lloyd's algorithm from k-means++ starts, or from given ones.

    Ends early once no assignment changes in any restart. An empty cluster is moved to the feature farthest from its own
    centre (several: to as many such features), which is also what scikit-learn does.

    Args:
      features: [N,D], finite; cast to float32.
      clusters: K.
      restarts: R.
      iterations: Greatest number of Lloyd iterations.
      seed: [2] int32 tensor for the k-means++ starts; not used where `centres` are given.
      centres: [R,K,D] starting centres.

    Raises:
      InputError: there are fewer features than clusters (`check_clusters`).
      ValueError: neither or both of seed and centres are given, or centres have another shape.
    """
    features = tf.cast(features, tf.float32)
    check_clusters(features.shape[0], clusters)
    if (seed is None) == (centres is None):
        raise ValueError("give either a seed or the starting centres")
    # Distances do not change with the origin, and float32 keeps more of them when it lies amid the features.
    origin = tf.reduce_mean(features, axis=0)
    features -= origin
    if centres is None:
        centres = plus_plus_centres(features, clusters, restarts, seed)
    elif tuple(centres.shape) != (restarts, clusters, features.shape[1]):
        raise ValueError(f"centres have shape {tuple(centres.shape)}, not {(restarts, clusters, features.shape[1])}")
    else:
        centres = tf.cast(centres, tf.float32) - origin
    centres, assignment = _lloyd(features, centres, iterations)
    inertia = tf.reduce_sum(_squared_distances(features, centres, assignment), axis=1)
    return KMeans(centres + origin, assignment, inertia)


def plus_plus_centres(features: tf.Tensor, clusters: int, restarts: int, seed: tf.Tensor) -> tf.Tensor:
    """k-means++ starts (Arthur and Vassilvitskii, 2007): the next centre is drawn in proportion to D(x)².

    Args:
      features: [N,D] float32, best centred.
      clusters: K.
      restarts: R.
      seed: [2] int32 tensor.

    Returns:
      [R,K,D] float32, rows of `features`.
    """
    videos = features.shape[0]
    # Rounding must not leave a feature at a distance from itself or its copies, or it could be drawn again.
    norms = tf.reduce_sum(tf.square(features), axis=1) * (1.0 - 1e-5)  # [N]
    transposed = tf.transpose(features)  # once: as the right-hand side of a thin product it is read in its own order
    uniform = tf.random.stateless_uniform([clusters, restarts], seed)
    first = tf.minimum(tf.cast(uniform[0] * videos, tf.int32), videos - 1)
    chosen = tf.TensorArray(tf.int32, clusters, element_shape=[restarts]).write(0, first)

    def add(step, newest, nearest, chosen):
        centre = tf.gather(features, newest)  # [R,D]
        distance = norms + tf.matmul(-2.0 * centre, transposed) + tf.gather(norms, newest)[:, None]
        nearest = tf.minimum(nearest, tf.maximum(distance, 0.0))  # [R,N]
        cumulative = tf.cumsum(nearest, axis=1)
        target = uniform[step][:, None] * cumulative[:, -1:]
        drawn = tf.reduce_sum(tf.cast(cumulative <= target, tf.int32), axis=1)  # [R]
        drawn = tf.minimum(drawn, videos - 1)
        return step + 1, drawn, nearest, chosen.write(step, drawn)

    infinite = tf.fill([restarts, videos], features.dtype.max)
    *_, chosen = tf.while_loop(
        lambda step, *_: step < clusters, add, (1, first, infinite, chosen), maximum_iterations=clusters - 1
    )
    return tf.gather(features, tf.transpose(chosen.stack()))  # [R,K,D]


def _lloyd(features: tf.Tensor, centres: tf.Tensor, iterations: int) -> Tuple[tf.Tensor, tf.Tensor]:
    """Assigns and updates in turn. Returns centres [R,K,D] and the assignment [R,N] to exactly these centres."""
    blocks = _blocks(features, centres.shape[0] * centres.shape[1])

    def step(iteration, centres, assignment, _):
        updated = _update(features, centres, assignment)
        following = _assign(features, blocks, updated)
        return iteration + 1, updated, following, tf.reduce_any(following != assignment)

    state = (0, centres, _assign(features, blocks, centres), True)
    _, centres, assignment, _ = tf.while_loop(
        lambda iteration, centres, assignment, moved: moved, step, state, maximum_iterations=iterations
    )
    return centres, assignment


def _blocks(features: tf.Tensor, columns: int) -> tf.Tensor:
    """The features and a column of ones, cut along N: [blocks, rows, D+1]; the last block is filled up with zeros."""
    videos, width = features.shape
    count = -(-videos * columns // _BLOCK_ENTRIES)
    count = min(count, videos)
    rows = -(-videos // count)
    extended = tf.concat([features, tf.ones([videos, 1])], axis=1)
    extended = tf.pad(extended, [[0, count * rows - videos], [0, 0]])
    return tf.reshape(extended, [count, rows, width + 1])


def _assign(features: tf.Tensor, blocks: tf.Tensor, centres: tf.Tensor) -> tf.Tensor:
    """The nearest centre of each feature, [R,N] int32.

    ‖x‖² is the same for all centres, so that argmin_k of ‖c_k‖² − 2 x·c_k is enough: the product of (x, 1) with
    (−2 c_k, ‖c_k‖²), without a pass over the matrix to add the norms.
    """
    restarts, clusters, width = centres.shape
    extended = tf.concat([-2.0 * centres, tf.reduce_sum(tf.square(centres), axis=2, keepdims=True)], axis=2)
    extended = tf.reshape(extended, [restarts * clusters, width + 1])

    def nearest(block):
        scores = tf.matmul(block, extended, transpose_b=True)  # [rows, R·K]
        return tf.argmin(tf.reshape(scores, [-1, restarts, clusters]), axis=2, output_type=tf.int32)

    # One block at a time bounds the memory.
    assignment = tf.map_fn(nearest, blocks, fn_output_signature=tf.int32, parallel_iterations=1)
    return tf.transpose(tf.reshape(assignment, [-1, restarts])[: features.shape[0]])


def _update(features: tf.Tensor, centres: tf.Tensor, assignment: tf.Tensor) -> tf.Tensor:
    """The mean of each cluster, [R,K,D]; empty clusters are moved to far features first."""
    sizes = _cluster_sizes(assignment, centres.shape[1])
    assignment, sizes = tf.cond(
        tf.reduce_any(sizes == 0),
        lambda: _fill_empty(features, centres, assignment, sizes),
        lambda: (assignment, sizes),
    )
    # Segment sums touch each feature once a restart; the product with a one-hot matrix would double the work. Each has
    # one thread, so that restarts go side by side.
    sums = tf.map_fn(
        lambda labels: tf.math.unsorted_segment_sum(features, labels, centres.shape[1]),
        assignment,
        fn_output_signature=tf.float32,
        parallel_iterations=centres.shape[0],
    )
    means = sums / tf.cast(tf.maximum(sizes, 1), tf.float32)[:, :, None]
    return tf.where(sizes[:, :, None] > 0, means, centres)


def _fill_empty(
    features: tf.Tensor, centres: tf.Tensor, assignment: tf.Tensor, sizes: tf.Tensor
) -> Tuple[tf.Tensor, tf.Tensor]:
    """Gives the j-th empty cluster of a restart the j-th farthest feature; returns the assignment and its sizes."""
    restarts, clusters, _ = centres.shape
    distance, farthest = tf.math.top_k(_squared_distances(features, centres, assignment), clusters)  # [R,K]
    receivers = tf.argsort(tf.minimum(sizes, 1), axis=1, stable=True)  # empty clusters first
    empties = tf.reduce_sum(tf.cast(sizes == 0, tf.int32), axis=1, keepdims=True)
    # Where all features lie on their centres there is nothing to give: the cluster stays empty.
    moves = (tf.range(clusters) < empties) & (distance > 0.0)
    labels = tf.where(moves, receivers, tf.gather(assignment, farthest, batch_dims=1))
    rows = tf.repeat(tf.range(restarts)[:, None], clusters, axis=1)
    assignment = tf.tensor_scatter_nd_update(assignment, tf.stack([rows, farthest], axis=2), labels)
    return assignment, _cluster_sizes(assignment, clusters)


def _cluster_sizes(assignment: tf.Tensor, clusters: int) -> tf.Tensor:
    """Number of features in each cluster, [R,K] int32."""
    restarts, videos = assignment.shape
    flat = assignment + clusters * tf.range(restarts)[:, None]
    ones = tf.ones([restarts * videos], tf.int32)
    return tf.reshape(tf.math.unsorted_segment_sum(ones, tf.reshape(flat, [-1]), restarts * clusters), [restarts, -1])


def _squared_distances(features: tf.Tensor, centres: tf.Tensor, assignment: tf.Tensor) -> tf.Tensor:
    """‖x − c‖² of each feature to its own centre, [R,N], from the difference: exact also where it is small."""
    return tf.map_fn(
        lambda own: tf.reduce_sum(tf.math.squared_difference(features, tf.gather(own[0], own[1])), axis=1),
        (centres, assignment),
        fn_output_signature=tf.float32,
        parallel_iterations=1,
    )
