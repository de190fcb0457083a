"""Joins a model, the weighting of its terms and, where λ are learned, the objective on held-out clips."""

from typing import Optional

import tensorflow as tf

from elo_tf.data.held_out import HeldOutClips
from elo_tf.model.elo_model import EloModel, Weigh
from elo_tf.model.outer.base import OuterObjective
from elo_tf.model.weighting.base import VALUES, Weighting
from elo_tf.model.weighting.term_gradients import TermGradients, mean_of_replicas


class Weigher:
    """Weighs the terms of a model at the steps at which the weighting is to be asked.

    Args:
      model: Compiled; its variables are made.
      weighting: Of its terms. It becomes a part of the model, so that checkpoints hold it.
      outer: Of held-out clips; None for a weighting that needs none.
    """

    def __init__(self, model: EloModel, weighting: Weighting, outer: Optional[OuterObjective] = None):
        self.weighting = weighting
        self._model = model
        self._outer = outer
        model.weighting = weighting
        model.objective.lambdas.assign(weighting.first())

    @property
    def every(self) -> int:
        """Steps from one to the next at which it is asked."""
        return 1 if self.weighting.looks_at == VALUES else self.weighting.start.config.lambda_every

    def at(self, held_out: Optional[HeldOutClips] = None) -> Weigh:
        """What weighs the terms of a step (`EloModel.compute_gradients`), by these held-out clips if λ are learned."""

        second_order = self.weighting.second_order
        # Second-order effects pass through the other towers: what teaches a teacher.
        towers = self._model.towers.values() if second_order else [self._model.towers["rgb"]]
        variables = [variable for tower in towers for variable in tower.trainable_variables]

        def ask(losses: tf.Tensor, tape: tf.GradientTape) -> tf.Tensor:
            gradients = TermGradients(
                tape,
                losses,
                variables,
                self._model.optimizer,
                None if held_out is None else lambda: self._value(held_out),
            )
            return self.weighting.ask(mean_of_replicas(losses), gradients)

        return Weigh(ask, second_order)

    def _value(self, clips: HeldOutClips) -> tf.Tensor:
        # In inference mode: statistics of the training clips stay what they are, as they are when the tower is used.
        features = self._model(clips["rgb"], training=False)
        return self._outer.value(features, clips["video"], clips["targets"], clips["present"])
