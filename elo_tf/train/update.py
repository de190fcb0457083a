"""From the gradients of a batch to one update: in parts, summed over replicas, clipped, applied.

clips of a replica [B,...] -> k parts -> gradients, averaged -> sum over replicas -> clip -> optimiser
                                                                       └ not finite: 0 in their place
"""

from typing import Dict, List, Optional, Tuple

import tensorflow as tf

from elo_tf.data.clips import Clips
from elo_tf.model.elo_model import EloModel, Weigh
from elo_tf.tasks.memory import VideoMemory

Losses = Dict[str, tf.Tensor]


class Update:
    """One step of the optimiser for a batch, to be run on every replica.

    Args:
      model: Compiled with its optimiser.
      clip_norm: Greatest global norm of the gradient of all towers and heads; 0 leaves it as it is.
      parts: k, which divides B; a batch that does not fit into memory is taken in so many parts. Batch normalisation
        then sees a part at a time, and terms that compare videos with each other find their negatives in it.
    """

    def __init__(self, model: EloModel, clip_norm: float = 0.0, parts: int = 1):
        self._model = model
        self._clip_norm = clip_norm
        self._parts = parts
        for layer in model.submodules:
            if isinstance(layer, VideoMemory):
                layer.parts = parts

    def __call__(self, clips: Clips, weigh: Optional[Weigh] = None) -> Tuple[Losses, tf.Tensor]:
        """Updates all weights.

        Args:
          clips: A batch of this replica.
          weigh: Sets the lambdas of this step (`EloModel.compute_gradients`), of a batch in one part; None leaves them.

        Returns:
          The unweighted terms, means over the parts of this replica; and whether the gradient was finite, which of a
          scaled loss (mixed_float16) it need not be: the optimiser sees to that.
        """
        losses, variables, gradients = self._gradients(clips, weigh)
        replica = tf.distribute.get_replica_context()
        if replica.num_replicas_in_sync > 1:
            gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm, finite = tf.linalg.global_norm(gradients), tf.constant(True)
        if not isinstance(self._model.optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            # A finite term can have an infinite gradient. Weights then must not change: the trainer finds it by them.
            finite = tf.math.is_finite(norm)
            gradients = [tf.where(finite, gradient, 0.0) for gradient in gradients]
        if self._clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm, use_norm=tf.where(finite, norm, 0.0))
        pairs = list(zip(gradients, variables))
        self._model.optimizer.apply_gradients(pairs, experimental_aggregate_gradients=False)
        return losses, finite

    def _gradients(self, clips: Clips, weigh: Optional[Weigh]) -> Tuple[Losses, List[tf.Variable], List[tf.Tensor]]:
        """Terms, variables and gradients of the whole batch of this replica."""
        if self._parts == 1:
            losses, pairs = self._model.compute_gradients(clips, weigh)
            return losses, [variable for _, variable in pairs], [gradient for gradient, _ in pairs]
        size = clips["video"].shape[0] // self._parts
        names = self._model.objective.names
        variables: List[tf.Variable] = []

        def part(index, clips):
            cut = tf.nest.map_structure(lambda values: values[index * size : (index + 1) * size], clips)
            cut = tf.nest.map_structure(lambda values: tf.ensure_shape(values, [size, *values.shape[1:]]), cut)
            losses, pairs = self._model.compute_gradients(cut)
            variables[:] = [variable for _, variable in pairs]
            return [losses[name] for name in names], [gradient for gradient, _ in pairs]

        # The first part outside of the loop says which variables have a gradient, and how the sums begin.
        values, gradients = part(tf.constant(0), clips)

        def add(index, values, gradients, clips=clips):
            more, further = part(index, clips)
            return (
                index + 1,
                [value + other for value, other in zip(values, more)],
                [gradient + other for gradient, other in zip(gradients, further)],
            )

        if tf.distribute.get_replica_context().num_replicas_in_sync == 1:
            _, values, gradients = tf.while_loop(
                lambda index, *_: index < self._parts, add, (tf.constant(1), values, gradients), parallel_iterations=1
            )
        else:
            # Replicas cannot meet inside of a loop of the graph, as batch normalisation of all of them must.
            for index in range(1, self._parts):
                with tf.control_dependencies(gradients):  # One part after the other, or all would be in memory at once.
                    later = tf.nest.map_structure(tf.identity, clips)
                _, values, gradients = add(tf.constant(index), values, gradients, later)
        losses = {name: value / self._parts for name, value in zip(names, values)}
        return losses, variables, [gradient / self._parts for gradient in gradients]
