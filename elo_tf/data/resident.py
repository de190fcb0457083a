"""All videos of a split, decoded, in memory: of this process alone, or shared by the workers of a machine.

shards ── decoded once ──> frames of all videos end to end, one array a modality ── offset, length ──> a video
"""

import hashlib
from typing import Dict, Optional

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.data import frame_memory
from elo_tf.data.frame_memory import SharedFrames
from elo_tf.data.selection import Selection
from elo_tf.data.shard_reading import PARALLEL, parsed_records
from elo_tf.data.sources import WHOLE, Share, Video, around, decode_frames


def _every_frame(strings: tf.Tensor, modality: str, size: int, samples: int) -> tf.Tensor:
    """`decode_frames` of any number of frames."""
    if modality == "audio":
        return decode_frames(strings, modality, size, samples)
    channels = 3 if modality == "rgb" else 2
    return tf.map_fn(
        lambda string: decode_frames(string[tf.newaxis], modality, size, samples)[0],
        strings,
        fn_output_signature=tf.TensorSpec([size, size, channels], tf.uint8),
    )


class ResidentVideos:
    """All videos of a split, decoded, in memory: the way for sets that fit, since a search reads them again and again.

    Frames of all videos lie end to end in one array a modality; a video is an offset and a length. If `looped`, a video
    begins again where it ends. `salvage` leaves out damaged records, none of which may be of these videos.
    """

    def __init__(
        self,
        selection: Selection,
        looped: bool = False,
        salvage: bool = False,
        shared: Optional[SharedFrames] = None,
    ):
        """Decodes all of them, or takes what another process has decoded into `shared`.

        Raises:
          InputError: one is not in its shard, or there twice; or the shared ones are of other records.
        """
        self._looped = looped
        self.size = selection.manifest.settings["size"]
        self.samples = selection.manifest.samples_per_frame
        indices, places = selection.by_index()
        videos = selection.videos.take(places)
        lengths = videos.frames.astype(np.int64)
        offsets = np.cumsum(lengths) - lengths
        self._video = {
            "index": tf.constant(indices),
            "label": tf.constant(selection.classes[places]),
            "frames": tf.constant(lengths),
            "has_sound": tf.constant(videos.sound),
            "offset": tf.constant(offsets),
        }
        self.count = len(videos)
        total = int(lengths.sum())
        layout = {
            "rgb": ([total, self.size, self.size, 3], np.uint8),
            "flow": ([total, self.size, self.size, 2], np.uint8),
            "audio": ([total, self.samples], np.int16),
        }
        stretches = {
            index: slice(start, start + length)
            for index, start, length in zip(indices.tolist(), offsets.tolist(), lengths.tolist())
        }

        def decode(arrays: Dict[str, np.ndarray]) -> None:
            self._decode_into(arrays, selection, stretches, salvage)

        if shared:
            content = [(index, video.frames, video.sound, video.mark) for index, video in zip(indices.tolist(), videos)]
            digest = hashlib.sha256(repr((self.size, self.samples, content)).encode()).digest()
            self._flat = shared.load(selection.manifest.folder, digest, layout, decode)
        else:
            self._flat = frame_memory.load(layout, decode)

    def _decode_into(
        self, arrays: Dict[str, np.ndarray], selection: Selection, stretches: Dict[int, slice], salvage: bool
    ) -> None:
        """Fills arrays that are all zeros with the frames of the videos, whose stretches are given by their indices."""
        folder, left = selection.manifest.folder, dict(stretches)
        indices = tf.constant(list(stretches), tf.int64)
        chosen = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(indices, tf.range(len(stretches), dtype=tf.int64)), -1
        )
        parsed = parsed_records(list(selection.shards), salvage)
        # Others of the shards are not decoded.
        mine = parsed.filter(lambda video: chosen.lookup(video["index"]) >= 0)
        for decoded in mine.map(self._decode, PARALLEL).as_numpy_iterator():
            stretch = left.pop(int(decoded["index"]), None)
            if stretch is None:
                raise InputError(f"{folder} has a video twice; run python -m elo_tf.prepare --validate")
            for modality, array in arrays.items():
                if modality != "audio" or decoded["has_sound"]:
                    array[stretch] = decoded[modality]
        if left:
            raise InputError(f"{folder}: {len(left)} videos are missing; run python -m elo_tf.prepare --validate")

    def _decode(self, video):
        strings = {"rgb": video["rgb"], "flow": video["flow"], "audio": video["sound"]}
        decoded = {name: _every_frame(value, name, self.size, self.samples) for name, value in strings.items()}
        return {"index": video["index"], "has_sound": video["has_sound"], **decoded}

    def in_order(self) -> tf.data.Dataset:
        """Each video once, sorted by index."""
        return tf.data.Dataset.range(self.count).map(self._at)

    def shuffled(self, seed: int, batch: int = 1, share: Share = WHOLE, first: int = 0) -> tf.data.Dataset:
        """Videos for ever, each once an epoch, in another order each epoch. Elements have `epoch`.

        Args:
          seed: Of the orders.
          batch: Videos of a batch, of which the share is a block.
          share: What this process reads.
          first: Number of the batch to begin with.
        """
        block = batch // share.count

        def visit(step):
            step = step // block * batch + share.index * block + step % block
            epoch, place = step // self.count, step % self.count
            # A stateless permutation: the state of the iterator is one number.
            place = tf.random.experimental.index_shuffle(place, tf.stack([seed, epoch]), self.count - 1)
            return {**self._at(place), "epoch": epoch}

        return tf.data.Dataset.range(first * block, np.iinfo(np.int64).max).map(visit)

    def _at(self, place: tf.Tensor) -> Video:
        return {name: values[place] for name, values in self._video.items()}

    def frames(self, video: Video, modality: str, start: tf.Tensor, count: int) -> tf.Tensor:
        """[count,...] stored frames of a video from `start` on."""
        flat, first = self._flat[modality], video["offset"] + start
        if self._looped:
            frames = tf.gather(flat, video["offset"] + around(start, count, video["frames"]))
        else:
            frames = flat[first : first + count]
        return tf.ensure_shape(frames, [count, *frames.shape[1:]])
