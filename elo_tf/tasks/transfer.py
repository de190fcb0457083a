"""Cross-modal transfer: decodes one modality from the tower of another (Sec. 3.3, Eq. 6).

source clip -> tower -> stage4 [B,T/8,h,w,C] -> decoder -> target clip'        L = distance(target', target)
"""

from elo_tf.config import TaskConfig
from elo_tf.data.clips import MODALITIES
from elo_tf.networks.decoder import Decoder
from elo_tf.ops.equations import average
from elo_tf.tasks.base import Task, register

# The paper names "RGB to Flow, Flow to RGB, etc."; sound and RGB, and grey to RGB, complete the list.
DIRECTIONS = (("rgb", "flow"), ("flow", "rgb"), ("grey", "rgb"), ("rgb", "audio"), ("audio", "rgb"))


@register
class Transfer(Task):
    """The source's tower is taught to hold what the other modality shows of the same moment."""

    kind = "transfer"
    symbol = "T"
    equation = "Eq. 6"
    in_paper = True

    @classmethod
    def instances(cls, modalities, config):
        return [cls(config, *pair) for pair in DIRECTIONS if set(pair) <= set(modalities)]

    def __init__(self, config: TaskConfig, source: str, target: str):
        super().__init__(
            config,
            [source, target],
            views=[(source, "plain")],
            teaches=[source],
            endpoints=["stage4"],
            targets=[("now", target)],
        )
        self.code = f"{MODALITIES[source].letter}2{MODALITIES[target].letter}"

    def build(self, sizes, channels):
        self.decoder = Decoder.of("now", self.modalities[1], sizes=sizes, config=self.config)
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        source, target = self.modalities
        values = self.decoder.loss(features[source, "plain"]["stage4"], clips["now"][target], training)
        return average(values, self.present(clips))

    def example(self, features, clips):
        maps = features[self.modalities[0], "plain"]["stage4"]
        return self.decoder.compare(maps, clips["now"][self.modalities[1]], training=False)
