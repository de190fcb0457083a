"""The views of a clip that towers look at: the clip itself, its frames shuffled or reversed, another moment.

A task names the views that it needs; the model makes each once a step and runs each tower once on all of its views
together. A view other than the clip itself is made of every second clip of the batch: enough for its task, at half of
the cost, and, unlike the first half, the same clips however a batch is spread over replicas.
"""

import dataclasses
from typing import Callable, Dict

import tensorflow as tf

from elo_tf.clips import Clips


def permutation(noise: tf.Tensor) -> tf.Tensor:
    """An order of the frames of each clip that is neither forward nor backward.

    Args:
      noise: [B,T] uniform numbers, T >= 3.

    Returns:
      [B,T] int32. Uniform over all orders, but that the two forbidden ones are replaced by themselves with their
      first two frames swapped.

    Raises:
      ValueError: T < 3, for which no such order exists.
    """
    frames = noise.shape[1]
    if frames < 3:
        raise ValueError(f"{frames} frames have no order but forward and backward; use --frames=3 or more")
    order = tf.argsort(noise, axis=1)
    forward = tf.range(frames)[tf.newaxis]
    forbidden = tf.reduce_all(order == forward, 1) | tf.reduce_all(order == frames - 1 - forward, 1)
    swapped = tf.concat([order[:, 1:2], order[:, 0:1], order[:, 2:]], axis=1)
    return tf.where(forbidden[:, tf.newaxis], swapped, order)


def shuffle(clip: tf.Tensor, modality: str, noise: tf.Tensor) -> tf.Tensor:
    """All T frames in a random order, never the original nor its reversal (Sec. 3.3; [26] moved three frames)."""
    del modality
    return tf.gather(clip, permutation(noise[:, : clip.shape[1]]), batch_dims=1)


def reverse(clip: tf.Tensor, modality: str, noise: tf.Tensor) -> tf.Tensor:
    """The clip backwards (Sec. 3.3, [31]).

    Flow is what the reversed video would give: between frames t+1 and t it is, to first order, minus the flow between
    t and t+1, so the fields are reversed and negated; as in the records the last field repeats the one before it.
    """
    del noise
    if modality != "flow":
        return clip[:, ::-1]
    fields = -clip[:, -2::-1]  # [B, T-1, H, W, 2]
    return tf.concat([fields, fields[:, -1:]], axis=1)


def _unchanged(clip: tf.Tensor, modality: str, noise: tf.Tensor) -> tf.Tensor:
    del modality, noise
    return clip


@dataclasses.dataclass(frozen=True)
class View:
    """How a view is made.

    Attributes:
      segment: Segment of the video that it shows (`elo_tf.clips`).
      every: 1 if it holds every clip of the batch, 2 if every second one.
      transform: (clip, modality, noise) -> clip.
    """

    segment: str
    every: int
    transform: Callable[[tf.Tensor, str, tf.Tensor], tf.Tensor]

    def make(self, clips: Clips, modality: str) -> tf.Tensor:
        """The view of one modality: [B/every,T,...]."""
        return self.transform(clips[self.segment][modality][:: self.every], modality, clips["noise"][:: self.every])


VIEWS: Dict[str, View] = {
    "plain": View("now", 1, _unchanged),
    "shuffled": View("now", 2, shuffle),
    "reversed": View("now", 2, reverse),
    "other": View("other", 2, _unchanged),
}
