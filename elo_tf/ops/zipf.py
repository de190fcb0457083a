"""The distance of clusters from a Zipf distribution (Sec. 3.2.2, Eq. 3-5).

    p(c_i|x) = softmax_i(−‖x − c_i‖² / 2σ²)       Eq. 3-4
    p(c_i)   = mean over the N videos of p(c_i|x), sorted descending: rank i is what Zipf's law speaks of
    q(c_i)   = i^(−s) / H_{K,s}                   Zipf's law
    score    = KL(p ‖ q) = Σ p log(p / q)         Eq. 5, to be minimised

That p is sorted is a reading of the paper, which does not say in what order clusters meet the ranks of q. k-means
numbers them as its starts come: without an order, the score would be one of the numbering.

Two variants. *Literal*: the features as they are and 2σ² = 1, so that a rescaling of the features moves the score.
*Scale-free*: `normalise` the features and take 2σ² = mean squared distance within the clusters.

Known holes: a collapsed encoder is far from the worst, since its uniform p scores 0.56 at K = 50; see `health`. And
both variants see how few dimensions features have and how tight their clusters are before they see sizes: classes that
are all equally frequent score as well as those of Zipf's law (experiments/planted_clusters.py).
"""

import tensorflow as tf

# Least 2σ² of the scale-free variant, a millionth of the squared length of the features: only features that coincide
# with their centres get there, and the softmax is a hard assignment by then.
_SMALLEST_SPREAD = 1e-6


def normalise(features: tf.Tensor) -> tf.Tensor:
    """Each dimension to mean 0 and variance 1 over the N videos, then each video to length 1.

    A dimension that is constant up to rounding carries nothing and becomes 0, and so does a video without length.

    Args:
      features: [N,D] float32, finite.

    Returns:
      [N,D] float32.
    """
    return unit_length(standardise(features))


def standardise(features: tf.Tensor) -> tf.Tensor:
    """The first half of `normalise`: each dimension to mean 0 and variance 1."""
    centred = features - tf.reduce_mean(features, axis=0)
    deviation = tf.sqrt(tf.reduce_mean(tf.square(centred), axis=0))
    alive = deviation > 1e-6 * tf.reduce_max(tf.abs(features), axis=0)
    return tf.where(alive, centred / tf.where(alive, deviation, 1.0), 0.0)


def unit_length(features: tf.Tensor) -> tf.Tensor:
    """The second half of `normalise`: each video to length 1."""
    length = tf.norm(features, axis=1, keepdims=True)
    return tf.where(length > 0.0, features / tf.where(length > 0.0, length, 1.0), 0.0)


def within_cluster_spread(inertia: tf.Tensor, videos: int) -> tf.Tensor:
    """2σ² of the scale-free variant, the mean squared distance of a video to its centre.

    Args:
      inertia: [R] float32 of a clustering of normalised features.
      videos: N.

    Returns:
      [R] float32, positive.
    """
    return tf.maximum(inertia / videos, _SMALLEST_SPREAD)


def assignment_probabilities(features: tf.Tensor, centres: tf.Tensor, two_sigma_squared: tf.Tensor) -> tf.Tensor:
    """p(c_i|x) of Eq. 3-4 in a form that neither overflows nor divides 0 by 0.

    Eq. 4 divides exp(−‖x−c‖²/2σ²) by its sum; at real D each is 0 in float32. The softmax of the exponents is the same
    ratio, and ‖x‖² cancels in it.

    Args:
      features: [N,D] float32.
      centres: [R,K,D] float32.
      two_sigma_squared: [R] or scalar float32, 2σ².

    Returns:
      [R,N,K] float32, rows sum to 1. For many restarts at large N use `cluster_distribution`, which needs less memory.
    """
    # Distances do not change with the origin, and float32 keeps more of them when it lies amid the features.
    origin = tf.reduce_mean(features, axis=0)
    features, centres = features - origin, centres - origin
    products = tf.einsum("nd,rkd->rnk", features, centres)
    exponents = 2.0 * products - tf.reduce_sum(tf.square(centres), axis=2)[:, None, :]
    return tf.nn.softmax(exponents / tf.reshape(two_sigma_squared, [-1, 1, 1]), axis=2)


def cluster_distribution(features: tf.Tensor, centres: tf.Tensor, two_sigma_squared: tf.Tensor) -> tf.Tensor:
    """p(c_i), the mean of p(c_i|x) over the N videos; one restart at a time, to bound the memory.

    Args:
      features: [N,D] float32.
      centres: [R,K,D] float32.
      two_sigma_squared: [R] float32.

    Returns:
      [R,K] float32, rows sum to 1, in the order of the centres.
    """

    def one(own):
        return tf.reduce_mean(assignment_probabilities(features, own[0][None], own[1]), axis=1)[0]

    return tf.map_fn(one, (centres, two_sigma_squared), fn_output_signature=tf.float32, parallel_iterations=1)


def zipf_prior(clusters: int, exponent: float) -> tf.Tensor:
    """q(c_i) = i^(−s) / H_{K,s} for i = 1..K; H_{K,s} is the generalised harmonic number.

    Args:
      clusters: K.
      exponent: s; 0 gives the uniform distribution.

    Returns:
      [K] float32, descending, sums to 1.
    """
    weights = tf.range(1, clusters + 1, dtype=tf.float32) ** -exponent
    return weights / tf.reduce_sum(weights)


def divergence(distribution: tf.Tensor, exponent: float) -> tf.Tensor:
    """KL(p ‖ q) of Eq. 5 in nats, with p sorted descending (our reading) and 0 log 0 = 0.

    Args:
      distribution: [R,K] float32, p in any order.
      exponent: s of the prior.

    Returns:
      [R] float32; 0 for a perfect Zipf distribution, to be minimised.
    """
    ranked = tf.sort(distribution, axis=1, direction="DESCENDING")
    prior = zipf_prior(distribution.shape[1], exponent)
    return tf.reduce_sum(tf.math.xlogy(ranked, ranked) - ranked * tf.math.log(prior), axis=1)
