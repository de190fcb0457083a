"""DWA: terms that decrease more slowly get larger weights.

w_i = G softmax_i(r_i / 2),        r_i = mean L_i of the last window / mean L_i of the window before it

Liu, Johns and Davison, End-to-End Multi-Task Learning with Attention (CVPR 2019), Eq. 7, with temperature 2.
"""

import tensorflow as tf

from elo_tf.model.weighting.base import Weighting

TEMPERATURE = 2.0
WINDOW = 50  # steps


class DynamicAverage(Weighting, known_as="dwa"):
    """Weights that sum to G; 1 each until two windows are full. See `Weighting` for the arguments.

    Departure: means are over windows of steps, where the paper has epochs: a training here may be shorter than one.
    """

    def __init__(self, start):
        super().__init__(start)
        self.steps = self._state("steps", tf.constant(0, tf.int64))
        # Sums over the window under way, the last one, and the one before it.
        self.sums = self._state("sums", tf.zeros([3, self.terms]))

    def ask(self, losses, gradients):
        del gradients
        begins = (self.steps > 0) & (self.steps % WINDOW == 0)
        sums = self.sums.read_value()
        sums = tf.where(begins, tf.concat([tf.zeros_like(sums[:1]), sums[:2]], axis=0), sums)
        # A term without any value in a window, or before there are two, counts as one that stays.
        ratios = tf.where(sums[2] > 0, sums[1] / tf.where(sums[2] > 0, sums[2], 1.0), 1.0)
        self.sums.assign(tf.concat([sums[:1] + losses, sums[1:]], axis=0))
        self.steps.assign_add(1)
        return self.terms * tf.nn.softmax(ratios / TEMPERATURE)
