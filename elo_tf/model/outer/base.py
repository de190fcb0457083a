"""The contract of an outer objective.

held-out clips ─> RGB tower, in inference mode ─> embeddings [N,D] ─┐
             └──> descriptors of flow, of sound, or labels [N,d] ───┴─> J, to be minimised
"""

import abc
from typing import Mapping

import tensorflow as tf

# Name -> [N,d] float32, what embeddings are held against, and [N], 1 where a clip has it, else 0.
Targets = Mapping[str, tf.Tensor]


class OuterObjective(abc.ABC):
    """A differentiable measure of embeddings, without state."""

    @abc.abstractmethod
    def value(self, features: tf.Tensor, videos: tf.Tensor, targets: Targets, present: Targets) -> tf.Tensor:
        """J, a scalar float32 to be minimised.

        Args:
          features: [N,D] float32.
          videos: [N] int64, the video that a clip is of.
          targets: Name -> [N,d].
          present: Name -> [N].
        """
