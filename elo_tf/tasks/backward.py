"""Does a clip run forward or backward? (Sec. 3.3, Eq. 7; [31])

clip          -> tower -> embedding -> W -> logit, truth 1
reversed clip -> tower -> embedding -> W -> logit, truth 0        L = (L_B of forward + L_B of reversed) / 2
"""

from elo_tf.config import TaskConfig
from elo_tf.tasks.base import register
from elo_tf.tasks.shuffle import Shuffle


@register
class Backward(Shuffle):
    """Forward against reversed, by a single fully connected layer; flow is that of the reversed video.

    Each class is averaged by itself, so the two weigh the same though only every second clip is reversed.
    """

    kind = "backward"
    symbol = "B"

    @staticmethod
    def false_view(config: TaskConfig) -> str:
        return "reversed"
