"""Gradients of single terms in the RGB tower, from one forward pass.

    losses [G] ─ tape ─┬─ one backward pass, and one back through it ─> <∇L_i, v> of all terms     `along`
                       └─ a backward pass a term ─────────────────────> |∇L_i|, <∇L_i, ∇L_j>       `norms`, `products`

`along` costs the same for any number of terms: s(w) = <∇ Σ w_i L_i, v> is linear in w, and ds/dw_i = <∇L_i, v>. That
is forward-mode differentiation by two passes of reverse mode, which every operation of the terms supports.
"""

from typing import Callable, List, Optional, Sequence, Tuple

import tensorflow as tf

Vectors = List[tf.Tensor]

# The outer value is differentiated at this scale, which the direction does not depend on: float16 keeps more of it.
_SCALE = 2.0**10


class TermGradients:
    """Gradients of the terms of one step.

    Args:
      tape: Persistent; has recorded the losses, and records no longer.
      losses: [G], terms of this replica over their units.
      variables: Of the RGB tower; of all towers where gradients of gradients are taken.
      optimizer: Of the model; None where steps follow the plain gradient.
      outer: The outer objective on held-out clips, a scalar to be minimised, the same on every replica; None without.
    """

    def __init__(
        self,
        tape: tf.GradientTape,
        losses: tf.Tensor,
        variables: Sequence[tf.Variable],
        optimizer: Optional[tf.keras.optimizers.Optimizer] = None,
        outer: Optional[Callable[[], tf.Tensor]] = None,
    ):
        self._tape = tape
        self._losses = losses
        self._variables = list(variables)
        self._optimizer = optimizer
        self._outer = outer

    def total(self, weights: tf.Tensor) -> Vectors:
        """∇ Σ w_i L_i of the global batch, for weights [G]."""
        return _mean(self._of(weights))

    def along(self, direction: Vectors) -> tf.Tensor:
        """[G] <∇L_i, direction>, directional derivatives of the terms of the global batch."""
        weights = tf.ones_like(self._losses)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            product = inner(self._of(weights), direction)
        return _mean([tape.gradient(product, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)])[0]

    def norms(self) -> tf.Tensor:
        """[G] |∇L_i|; 0 for a term that does not teach the RGB tower."""
        return self._each(lambda gradient: tf.linalg.global_norm(gradient))

    def products(self) -> tf.Tensor:
        """[G,G] <∇L_i, ∇L_j>; all G gradients are in memory at once."""
        rows = self._each(lambda gradient: tf.concat([tf.reshape(part, [-1]) for part in gradient], axis=0))
        return tf.matmul(rows, rows, transpose_b=True)

    def outer(self) -> Tuple[tf.Tensor, Vectors]:
        """The outer objective, and a multiple of its gradient.

        Raises:
          ValueError: there is none.
        """
        if self._outer is None:
            raise ValueError("these gradients were made without an outer objective")
        with tf.GradientTape() as tape:
            value = self._outer()
            scaled = value * _SCALE
        return value, tape.gradient(scaled, self._variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def curvature(self, weights: tf.Tensor, vectors: Vectors) -> Vectors:
        """H times the vectors, H the Hessian of Σ w_i L_i, for weights [G]; the tape must be recording still.

        Pearlmutter, Fast Exact Multiplication by the Hessian (1994): the gradient of <∇ Σ w_i L_i, vectors>.
        """
        product = inner(self._of(weights), [tf.stop_gradient(vector) for vector in vectors])
        zero = tf.UnconnectedGradients.ZERO
        return [
            tf.convert_to_tensor(part)
            for part in self._tape.gradient(product, self._variables, unconnected_gradients=zero)
        ]

    def step_of(self, vectors: Vectors) -> Vectors:
        """What the optimiser makes of a gradient, up to a factor and momentum: P times it.

        P = 1 / (sqrt(v) + eps) with Adam's second moments v as they are; 1 for SGD.
        """
        optimizer = self._inner_optimizer
        if not isinstance(optimizer, tf.keras.optimizers.legacy.Adam):
            return vectors
        moments = [optimizer.get_slot(variable, "v") for variable in self._variables]
        return [part / (tf.sqrt(moment) + optimizer.epsilon) for part, moment in zip(vectors, moments)]

    def rate(self) -> tf.Tensor:
        """η, by which `step_of` a gradient is the step of the optimiser.

        Raises:
          ValueError: there is no optimiser.
        """
        optimizer = self._inner_optimizer
        if optimizer is None:
            raise ValueError("these gradients were made without an optimiser")
        rate = optimizer.learning_rate
        return tf.cast(rate(optimizer.iterations) if callable(rate) else rate, tf.float32)

    @property
    def _inner_optimizer(self) -> Optional[tf.keras.optimizers.Optimizer]:
        return getattr(self._optimizer, "inner_optimizer", self._optimizer)

    def _of(self, weights: tf.Tensor) -> Vectors:
        zero = tf.UnconnectedGradients.ZERO
        gradient = self._tape.gradient(
            self._losses, self._variables, output_gradients=weights, unconnected_gradients=zero
        )
        return [tf.convert_to_tensor(part) for part in gradient]

    def _each(self, measure: Callable[[Vectors], tf.Tensor]) -> tf.Tensor:
        """What is measured of the gradient of each term, stacked."""
        count = self._losses.shape[0]

        def one(index):
            return measure(_mean(self._of(tf.one_hot(index, count))))

        if _replicas() == 1:
            return tf.map_fn(one, tf.range(count), fn_output_signature=tf.float32, parallel_iterations=1)
        # Replicas cannot meet inside of a loop of the graph, as batch normalisation of all of them must.
        return tf.stack([one(index) for index in range(count)])


def inner(first: Vectors, second: Vectors) -> tf.Tensor:
    """<first, second>, a scalar."""
    return tf.add_n([tf.reduce_sum(one * other) for one, other in zip(first, second)])


def mean_of_replicas(losses: tf.Tensor) -> tf.Tensor:
    """[G] losses of this replica -> those of the global batch."""
    return _mean([losses])[0]


def _replicas() -> int:
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def _mean(vectors: Vectors) -> Vectors:
    """Means over the replicas: a loss of the global batch is the mean of theirs, and so is its gradient."""
    if _replicas() == 1:
        return vectors
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, vectors)
