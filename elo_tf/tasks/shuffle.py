"""Are the frames of a clip in order, or shuffled? (Sec. 3.3, Eq. 7; [26])

clip          -> tower -> embedding -> W -> logit, truth 1
shuffled clip -> tower -> embedding -> W -> logit, truth 0        L = (L_B of ordered + L_B of shuffled) / 2
"""

from elo_tf.config import TaskConfig
from elo_tf.networks.layers import binary_head
from elo_tf.ops.equations import balanced_cross_entropy
from elo_tf.tasks.base import Task, register


@register
class Shuffle(Task):
    """Ordered against shuffled frames, by a single fully connected layer.

    Each class is averaged by itself, so the two weigh the same though only every second clip is shuffled.
    """

    kind = "shuffle"
    symbol = "S"
    equation = "Eq. 7"
    in_paper = True

    @classmethod
    def instances(cls, modalities, config):
        return [cls(config, modality) for modality in modalities]

    def __init__(self, config: TaskConfig, modality: str):
        self.view = self.false_view(config)
        super().__init__(config, [modality], views=[(modality, "plain"), (modality, self.view)], teaches=[modality])

    @staticmethod
    def false_view(config: TaskConfig) -> str:
        """Name of the view whose truth is 0."""
        return f"shuffled-{config.shuffle_frames}" if config.shuffle_frames else "shuffled"

    def build(self, sizes, channels):
        self.head = binary_head()
        super().build(sizes, channels)

    def loss(self, features, clips, training):
        (modality,) = self.modalities
        true, false = (self.head(features[modality, view]["embedding"]) for view in ("plain", self.view))
        return balanced_cross_entropy(true, false, self.present(clips), self.present(clips, self.view))
