"""Gradient norms of each term in the towers, and each term's share of the whole gradient.

Values of terms that look balanced can have gradients that differ a hundredfold. The norms at the start are the units
of `--loss_units=gradient`; the shares during training tell which terms teach the RGB tower, and which are along for
the ride.
"""

from typing import Dict, Iterable

import numpy as np
import tensorflow as tf

from elo_tf.data.clips import Clips
from elo_tf.model.elo_model import EloModel


class GradientNorms:
    """Measures the gradients of single terms. One graph serves all terms: each is run with its lambda 1, the others 0.

    Args:
      model: Built. Its state (lambdas, statistics of batch normalisation, memories) is put back after each measurement.
    """

    def __init__(self, model: EloModel):
        self.model = model
        self._norms = tf.function(self._tower_norms, autograph=False)

    def _tower_norms(self, clips: Clips) -> Dict[str, tf.Tensor]:
        towers = {modality: tower.trainable_variables for modality, tower in self.model.towers.items()}
        with tf.GradientTape() as tape:
            losses = self.model.compute_losses(clips, training=True)
            values = tf.stack([losses[name] for name in self.model.objective.names])
            weights = self.model.objective.lambdas.read_value()
            total = tf.reduce_sum(tf.where(weights > 0, weights * values, 0.0))
        gradients = tape.gradient(total, towers, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return {modality: tf.linalg.global_norm(values) for modality, values in gradients.items()}

    def measure(self, clips: Clips, names: Iterable[str] = ()) -> Dict[str, Dict[str, float]]:
        """Norms of the gradients of the unweighted terms.

        Args:
          clips: A batch.
          names: Terms to measure; none means all.

        Returns:
          name -> modality -> norm of the gradient in that tower.
        """
        state = [(variable, variable.numpy()) for variable in self.model.non_trainable_variables]
        objective = self.model.objective
        state.append((objective.lambdas, objective.lambdas.numpy()))
        norms = {}
        try:
            for name in tuple(names) or objective.names:
                objective.lambdas.assign([float(other == name) for other in objective.names])
                norms[name] = {modality: float(norm) for modality, norm in self._norms(clips).items()}
        finally:
            for variable, value in state:
                variable.assign(value)
        return norms

    def units(self, batches: Iterable[Clips]) -> Dict[str, float]:
        """The mean norm of each term's gradient in the tower that it teaches: in RGB where it teaches several."""
        measured = [self.measure(clips) for clips in batches]
        taught = {task.name: "rgb" if "rgb" in task.teaches else task.teaches[0] for task in self.model.tasks}
        return {name: float(np.mean([norms[name][tower] for norms in measured])) for name, tower in taught.items()}

    def shares(self, clips: Clips) -> Dict[str, float]:
        """The part of each term in the gradients of the RGB tower: lambda_i |g_i| / u_i over their sum, for lambda > 0.

        Norms of single terms are added, so that terms that pull against each other do not hide.
        """
        objective = self.model.objective
        weights = dict(zip(objective.names, (objective.lambdas / objective.units).numpy()))
        norms = self.measure(clips, [name for name, weight in weights.items() if weight > 0])
        pulls = {name: weights[name] * towers["rgb"] for name, towers in norms.items()}
        total = sum(pulls.values())
        return {name: pull / total if total > 0 else 0.0 for name, pull in pulls.items()}
