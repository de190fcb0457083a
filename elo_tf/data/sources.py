"""The videos of a split as the reader needs them: streamed from the shards or, in `elo_tf.data.resident`, in memory.

Both kinds offer the same two things to `elo_tf.data.reader`: a dataset of videos, and `frames(video, modality, start,
count)` that fetches a stretch of one of them inside of a graph. Only what is fetched is decoded.
"""

import dataclasses
from typing import Any, Dict

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.data.selection import Selection
from elo_tf.data.shard_reading import parsed_records

Video = Dict[str, Any]

# Label of a video that lies in a shard with those that are read, but is none of them.
_NOT_CHOSEN = -2

# More epochs than any run has: keeps the random numbers of different seeds apart.
EPOCHS = 2**32


@dataclasses.dataclass(frozen=True)
class Share:
    """What one process reads of each batch: a block of it.

    Of videos in memory, all processes together see what one alone would. Streamed, each process fills its block from
    its own shards: another number of processes sees other batches, and where shards are few, videos of some are seen
    more often.

    Attributes:
      index, count: It is block `index` of `count`.
      cuts: Into how many smaller batches the block is cut, one for each replica of the process.
    """

    index: int = 0
    count: int = 1
    cuts: int = 1


WHOLE = Share()


def decode_frames(strings: tf.Tensor, modality: str, size: int, samples: int) -> tf.Tensor:
    """Encoded frames as `records.serialize` wrote them, decoded.

    Args:
      strings: [count] strings, count static.
      modality: `rgb`, `flow` or `audio`.
      size: Side of the stored frames.
      samples: Samples of sound a frame.

    Returns:
      uint8 [count,size,size,3] or [...,2], or int16 [count,samples].
    """
    if modality == "audio":
        return tf.reshape(tf.io.decode_raw(strings, tf.int16), [-1, samples])
    decoded = []
    for index in range(strings.shape[0]):
        if modality == "rgb":
            decoded.append(tf.ensure_shape(tf.io.decode_jpeg(strings[index], 3), [size, size, 3]))
        else:
            planes = tf.reshape(tf.io.decode_png(strings[index], 1), [2, size, size])
            decoded.append(tf.transpose(planes, [1, 2, 0]))
    return tf.stack(decoded)


def around(start: tf.Tensor, count: int, frames: tf.Tensor) -> tf.Tensor:
    """[count] int64 places of the frames from `start` on in a video that begins again after so many frames."""
    return (tf.cast(start, tf.int64) + tf.range(count, dtype=tf.int64)) % frames


class StreamedVideos:
    """Videos read from the shards as they are needed, for sets of any size. `looped` and `salvage` as above."""

    def __init__(
        self, selection: Selection, least_frames: int, ahead: int, looped: bool = False, salvage: bool = False
    ):
        """
        Args:
          selection: The videos.
          least_frames: What a video of the shards must have to be read.
          ahead: Videos that are shuffled together.
          looped: Whether a video begins again where it ends.
          salvage: Whether damaged records are left out.
        """
        self._looped, self._salvage = looped, salvage
        self.size = selection.manifest.settings["size"]
        self.samples = selection.manifest.samples_per_frame
        self.count = len(selection.videos)
        self._videos_of = selection.shards
        self._shards = list(self._videos_of)
        self._least_frames = least_frames
        self._ahead = ahead
        indices, places = selection.by_index()
        self._labels = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(indices, selection.classes[places]), default_value=_NOT_CHOSEN
        )

    def _usable(self, shards: Any) -> tf.data.Dataset:
        parsed = parsed_records(shards, self._salvage).map(
            lambda video: {**video, "label": self._labels.lookup(video["index"])}
        )
        return parsed.filter(lambda video: (video["frames"] >= self._least_frames) & (video["label"] != _NOT_CHOSEN))

    def in_order(self) -> tf.data.Dataset:
        """Each video once."""
        return self._usable(self._shards)

    def shuffled(self, seed: int, batch: int = 1, share: Share = WHOLE, first: int = 0) -> tf.data.Dataset:
        """Videos for ever, each once an epoch, in another order each epoch. Elements have `epoch`.

        A process reads its own part of the shards. Shards are permuted each epoch, and videos within stretches of what
        the buffer holds, still encoded. All of it follows from numbers, so that reading may begin anywhere: of the
        epoch that it begins in, what comes before is read but not decoded.

        Args:
          seed: Of the orders.
          batch: Videos of a batch, of which a share is as many as its block has.
          share: What this process reads.
          first: Number of the batch to begin with.

        Raises:
          InputError: there are fewer shards than processes.
        """
        shards = self._shards[share.index :: share.count]
        if not shards:
            raise InputError(
                f"{len(self._shards)} shards are too few for {share.count} processes; make the records again with a "
                "smaller --shard_mb"
            )
        videos = sum(self._videos_of[shard] for shard in shards)
        begun, done = divmod(first * (batch // share.count), max(1, videos))
        stretches, rest = divmod(done, self._ahead)
        names = tf.constant(shards)

        def one_epoch(epoch):
            order = tf.random.experimental.index_shuffle(
                tf.range(len(shards), dtype=tf.int64),
                tf.stack([seed, epoch]),
                tf.constant(len(shards) - 1, tf.int64),
            )
            found = self._usable(tf.gather(names, order))
            skipped = tf.where(epoch == begun, tf.constant(stretches, tf.int64), 0)

            def permute(number, stretch):
                count = tf.shape(stretch["index"])[0]
                draws = tf.random.stateless_uniform([count], tf.stack([seed * EPOCHS + epoch, number]))
                return {name: tf.gather(values, tf.argsort(draws)) for name, values in stretch.items()}

            whole = found.skip(skipped * self._ahead).ragged_batch(self._ahead).enumerate(skipped)
            return whole.map(permute).unbatch().map(lambda video: {**video, "epoch": epoch})

        return tf.data.Dataset.range(begun, np.iinfo(np.int64).max).flat_map(one_epoch).skip(rest)

    def frames(self, video: Video, modality: str, start: tf.Tensor, count: int) -> tf.Tensor:
        """[count,...] stored frames of a video from `start` on, decoded."""
        if modality == "audio":
            return tf.cond(
                video["has_sound"],
                lambda: self._stretch(video["sound"], modality, start, count),
                lambda: tf.zeros([count, self.samples], tf.int16),
            )
        return self._stretch(video[modality], modality, start, count)

    def _stretch(self, strings, modality, start, count):
        if self._looped:
            strings = tf.gather(strings, around(start, count, tf.size(strings, tf.int64)))
        strings = tf.ensure_shape(strings if self._looped else strings[start : start + count], [count])
        frames = decode_frames(strings, modality, self.size, self.samples)
        return tf.ensure_shape(frames, [count, *frames.shape[1:]])
