"""The distance of soft clusters of held-out clips from a Zipf distribution (Sec. 3.2.2, Eq. 3-5), scale-free.

features ─ normalise ─> k-means, held fixed ─> p(c|x) by softmax ─> mean, sorted ─> KL to Zipf's law

Gradients flow through the assignments, not through the centres. What Eq. 5 can be cheated by, lambdas learned from it
find sooner than those that evolve: see docs/search.md.
"""

import tensorflow as tf

from elo_tf.model.outer.base import OuterObjective
from elo_tf.ops import zipf
from elo_tf.ops.kmeans import kmeans

CLUSTERS = 20
RESTARTS = 4
ITERATIONS = 10
EXPONENT = 1.0


class Zipf(OuterObjective):
    """Eq. 5 of at most `CLUSTERS` clusters, the mean over `RESTARTS` clusterings; looks at RGB alone."""

    def value(self, features, videos, targets, present):
        del videos, targets, present
        unit = zipf.normalise(features)
        count = min(CLUSTERS, features.shape[0] // 4)
        found = kmeans(tf.stop_gradient(unit), count, RESTARTS, ITERATIONS, seed=tf.constant([0, 0]))
        spread = tf.stop_gradient(zipf.within_cluster_spread(found.inertia, features.shape[0]))
        centres = tf.stop_gradient(found.centres)
        mass = tf.reduce_mean(zipf.assignment_probabilities(unit, centres, spread), axis=1)  # [R,K]
        return tf.reduce_mean(zipf.divergence(mass, EXPONENT))
