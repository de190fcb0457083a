"""Joins a model, the weighting of its terms and, where λ are learned, the objective on held-out clips."""

from typing import Optional

import tensorflow as tf

from elo_tf.config import DataConfig
from elo_tf.data.held_out import LABELS, HeldOut, HeldOutClips
from elo_tf.data.records import Manifest
from elo_tf.model.elo_model import EloModel, Weigh
from elo_tf.model.outer import base as outer_objectives
from elo_tf.model.weighting.base import HELD_OUT, VALUES, Weighting
from elo_tf.model.weighting.term_gradients import TermGradients, mean_of_replicas


class Weigher:
    """Weighs the terms of a model at the steps at which the weighting is to be asked.

    Args:
      model: Compiled; its variables are made.
      weighting: Of its terms. It becomes a part of the model, so that checkpoints hold it.
      manifest: Of the records, of whose held-out videos λ are learned.
      data: How clips are cut.

    Attributes:
      weighting: As given.
      held_out: Held-out clips; None where λ are not learned.

    Raises:
      InputError: λ are to be learned, and the records do not have what is needed.
    """

    def __init__(self, model: EloModel, weighting: Weighting, manifest: Manifest, data: DataConfig):
        self.weighting = weighting
        self.held_out: Optional[HeldOut] = None
        self._model = model
        if weighting.looks_at == HELD_OUT:
            config = weighting.start.config
            self._outer = outer_objectives.create(config.lambda_objective)
            labelled = config.lambda_objective == LABELS
            self.held_out = HeldOut.of(manifest, data, config.lambda_clips, config.lambda_targets, labelled)
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
