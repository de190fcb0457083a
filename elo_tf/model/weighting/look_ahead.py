"""λ by gradient: λ follow the gradient of the held-out objective through one step of the towers.

J(θ')   the outer objective of the RGB tower after the step θ' = θ - η P g / |g|,   g = Σ λ_i ∇L_i,  |g|² = <g, P g>
dJ/dλ_i = -η <u, ∇L_i>,        u = P (v - <v, P g> / |g|² g) / |g|,                 v = ∇J

The sign of <∇J, ∇L_i> is the rule of Lin et al., Adaptive Auxiliary Task Weighting for Reinforcement Learning (NeurIPS
2019), and the one-step case of bilevel optimisation (Liu et al., DARTS, 2019, with its second-order term left out). The
step has a fixed length, as Adam's has, whatever the scale of the loss: λ of all terms together then do nothing, and the
slopes sum to 0 over the λ. P is what Adam divides by.

One step sees what a term does to the RGB tower now. A term that teaches another tower only, a teacher of tomorrow, has
a slope of 0 and stays where it starts (`unroll` sees it).
"""

import tensorflow as tf

from elo_tf.model.weighting.base import HELD_OUT, Weighting
from elo_tf.model.weighting.logits import Logits
from elo_tf.model.weighting.term_gradients import TermGradients, Vectors, inner

SMALL = 1e-20


class LookAhead(Weighting, known_as="lookahead"):
    """λ that descend the outer objective. See `Weighting` for the arguments.

    Attributes:
      logits: Of λ.
      outer_value: The outer objective at the last update.
    """

    looks_at = HELD_OUT
    is_lambda = True

    def __init__(self, start):
        super().__init__(start)
        config = start.config
        lambdas = [config.lambda_start] * self.terms if config.lambda_start else start.lambdas
        self.logits = Logits(lambdas, config.lambda_rate, config.lambda_smoothing, self._state)
        self.outer_value = self._state("outer_value", tf.constant(0.0))

    def first(self):
        return self.logits.lambdas().numpy()

    def ask(self, losses, gradients):
        del losses
        lambdas = self.logits.lambdas()
        value, outer = gradients.outer()
        slopes = slopes_ahead(lambdas, gradients, self._seen_from_here(outer, lambdas, gradients))
        self.outer_value.assign(value)
        self.logits.descend(slopes)
        return lambdas

    def _seen_from_here(self, outer: Vectors, lambdas: tf.Tensor, gradients: TermGradients) -> Vectors:
        """What the gradient of J after the steps that are looked ahead at is, seen from the weights as they are."""
        del lambdas, gradients
        return outer


def slopes_ahead(lambdas: tf.Tensor, gradients: TermGradients, outer: Vectors) -> tf.Tensor:
    """[G] slopes dJ/dλ over the length η |v| of the step; all 0 where the gradient of J or of the sum is.

    Args:
      lambdas: [G].
      gradients: Of the terms.
      outer: v, the gradient of J.
    """
    total = gradients.total(lambdas)
    step, ahead = gradients.step_of(total), gradients.step_of(outer)
    square, length = inner(total, step), tf.sqrt(inner(outer, ahead))
    share = tf.math.divide_no_nan(inner(outer, step), square)
    scale = tf.math.divide_no_nan(1.0, length * tf.sqrt(tf.maximum(square, SMALL)))
    direction = [scale * (one - share * other) for one, other in zip(ahead, step)]
    return -gradients.along(direction)
