"""Distillation of another modality into the RGB tower (Sec. 3.1.1, Eq. 2).

rgb   -> tower -> map of stage s (-> 1x1x1 adapter where channels differ) -> M
other -> tower -> map of stage s -> stop gradient                         -> L        L_d = distance(L, M)
"""

from typing import Tuple

import tensorflow as tf

from elo_tf.config import TaskConfig
from elo_tf.networks.backbone import STAGES
from elo_tf.ops.equations import average, distance
from elo_tf.tasks.base import Task, register


@register
class Distill(Task):
    """The RGB maps follow those of a teacher, trained at the same time; each (modality, stage) is a term of its own.

    `--nodistillation` takes these terms out of the genome; `--distill_both_ways` lets the teacher follow as well.
    """

    kind = "distill"
    symbol = "D"
    equation = "Eq. 2"
    in_paper = True

    @classmethod
    def instances(cls, modalities, config):
        if not config.distillation:
            return []
        return [cls(config, modality, stage) for modality in modalities if modality != "rgb" for stage in STAGES]

    def __init__(self, config: TaskConfig, modality: str, stage: str):
        super().__init__(
            config,
            [modality],
            views=[("rgb", "plain"), (modality, "plain")],
            teaches=["rgb", modality] if config.distill_both_ways else ["rgb"],
            endpoints=[stage],
            detail=stage,
        )
        self.stage = stage
        self.adapter = None

    def build(self, sizes, channels):
        (teacher,) = self.modalities
        if channels["rgb"][self.stage] != channels[teacher][self.stage]:
            self.adapter = tf.keras.layers.Dense(channels[teacher][self.stage], use_bias=False)
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        (modality,) = self.modalities
        student = features["rgb", "plain"][self.stage]
        student = student if self.adapter is None else self.adapter(student)
        teacher = features[modality, "plain"][self.stage]
        teacher = teacher if self.config.distill_both_ways else tf.stop_gradient(teacher)
        return average(distance(*_match(student, teacher), self.config.norm), self.present(clips))


def _match(first: tf.Tensor, second: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    """Maps [B,T,H,W,C] that can be compared: where their places do not correspond, as with sound, means over them."""
    if first.shape[2:4] == second.shape[2:4]:
        return first, second
    return tuple(tf.reduce_mean(tf.cast(maps, tf.float32), axis=[2, 3]) for maps in (first, second))
