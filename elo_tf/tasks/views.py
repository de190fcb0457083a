"""The views of a clip that towers see: the clip itself, shuffled, reversed, or another moment.

A task names the views that it needs; the model makes each once a step and runs each tower once on all of its views
together. A view other than the clip itself is made of every second clip of the batch: enough for its task, at half of
the cost, and, unlike the first half, the same clips however a batch is spread over replicas.
"""

import dataclasses
import functools
from typing import Callable, Dict, Iterable, List

import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.data.clips import NOISE, Clips


def permutation(noise: tf.Tensor, moved: int = 0) -> tf.Tensor:
    """An order of the frames of each clip that is neither forward nor backward.

    Args:
      noise: [B,T] uniform numbers, T >= 3.
      moved: k, frames that leave their place; 0 means that any may.

    Returns:
      [B,T] int32. Uniform over all orders, or over the cycles of k frames, but that the two forbidden orders are
      replaced by themselves with their first two frames swapped.

    Raises:
      InputError: T < 3, for which no such order exists, or k is 1 or more than T.
    """
    frames = noise.shape[1]
    _check_order(frames, moved)
    order = tf.argsort(noise, axis=1)
    forward = tf.range(frames)[tf.newaxis]
    if moved:
        # The first k of the random order pass their places on in a circle: p1 <- p2 <- ... <- pk <- p1.
        places = tf.one_hot(order[:, :moved], frames, dtype=tf.int32)  # [B, k, T]
        cycled = tf.reduce_sum(places * tf.roll(order[:, :moved], -1, axis=1)[..., tf.newaxis], axis=1)
        order = tf.where(tf.reduce_sum(places, axis=1) > 0, cycled, forward)
    forbidden = tf.reduce_all(order == forward, 1) | tf.reduce_all(order == frames - 1 - forward, 1)
    swapped = tf.concat([order[:, 1:2], order[:, 0:1], order[:, 2:]], axis=1)
    return tf.where(forbidden[:, tf.newaxis], swapped, order)


def _check_order(frames: int, moved: int) -> None:
    if frames < 3:
        raise InputError(
            f"{frames} frames, or fields of flow, have only a forward and a backward order; use a larger --frames"
        )
    if moved == 1 or moved > frames:
        raise InputError(f"--shuffle_frames={moved} cannot be shuffled among {frames} frames; use 0 or 2 to {frames}")


def check(name: str, modality: str, frames: int) -> None:
    """Whether the view of a name can be made of clips of so many frames, known before any clip is.

    Raises:
      InputError: it cannot.
    """
    kind, _, moved = name.partition("-")
    if kind == "shuffled":
        _check_order(frames - (modality == "flow"), int(moved or 0))
        if frames > NOISE:
            raise InputError(
                f"--frames={frames} are too many to shuffle; use {NOISE} or less, or leave shuffle out of --tasks"
            )


def shuffle(clip: tf.Tensor, modality: str, noise: tf.Tensor, moved: int = 0) -> tf.Tensor:
    """All T frames, or k of them, in a random order, never the original nor its reversal (Sec. 3.3; [26]: k = 3).

    Of flow, the T-1 fields that differ: the last one repeats the one before it in every clip, and would tell the order.
    """
    if modality == "flow":
        fields = shuffle(clip[:, :-1], "", noise, moved)
        return tf.concat([fields, fields[:, -1:]], axis=1)
    return tf.gather(clip, permutation(noise[:, : clip.shape[1]], moved), batch_dims=1)


def reverse(clip: tf.Tensor, modality: str, noise: tf.Tensor) -> tf.Tensor:
    """The clip backwards (Sec. 3.3, [31]).

    Flow is what the reversed video would give: between frames t+1 and t it is, to first order, minus the flow between
    t and t+1, so the fields are reversed and negated; as in every clip the last field repeats the one before it.
    Of sound, the spectra [T,S,M,1] within a frame are reversed too.
    """
    del noise
    # Gathered, since frames are then copied whole; a strided slice copies number by number on a CPU.
    backwards = tf.gather(clip, tf.range(clip.shape[1] - 1, -1, -1), axis=1)
    if modality == "audio":
        return backwards[:, :, ::-1]
    if modality != "flow":
        return backwards
    fields = -backwards[:, 1:]  # [B, T-1, H, W, 2]
    return tf.concat([fields, fields[:, -1:]], axis=1)


def _unchanged(clip: tf.Tensor, modality: str, noise: tf.Tensor) -> tf.Tensor:
    del modality, noise
    return clip


@dataclasses.dataclass(frozen=True)
class View:
    """How a view is made.

    Attributes:
      segment: Segment of the video that it shows (`elo_tf.data.clips`).
      every: 1 if it holds every clip of the batch, 2 if every second one.
      transform: (clip, modality, noise) -> clip.
    """

    segment: str
    every: int
    transform: Callable[[tf.Tensor, str, tf.Tensor], tf.Tensor]

    def make(self, clips: Clips, modality: str) -> tf.Tensor:
        """The view of one modality: [B/every,T,...]."""
        clip, noise = clips[self.segment][modality], clips["noise"]
        if self.every > 1:
            chosen = tf.range(0, tf.shape(clip)[0], self.every)
            clip, noise = tf.gather(clip, chosen), tf.gather(noise, chosen)
        return self.transform(clip, modality, noise)


VIEWS: Dict[str, View] = {
    "plain": View("now", 1, _unchanged),
    "shuffled": View("now", 2, shuffle),
    "reversed": View("now", 2, reverse),
    "other": View("other", 2, _unchanged),
}


def find(name: str) -> View:
    """The view of a name: one of `VIEWS`, or `shuffled-k`, of which k frames are out of place.

    Raises:
      KeyError: there is no such view.
    """
    kind, _, moved = name.partition("-")
    view = VIEWS[kind]
    if not moved:
        return view
    if kind != "shuffled" or not moved.isdecimal():
        raise KeyError(name)
    return dataclasses.replace(view, transform=functools.partial(shuffle, moved=int(moved)))


def in_order(names: Iterable[str]) -> List[str]:
    """Names of views in the order of `VIEWS`, the clip itself first."""
    return sorted(names, key=lambda name: (list(VIEWS).index(name.partition("-")[0]), name))
