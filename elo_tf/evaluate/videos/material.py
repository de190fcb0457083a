"""Cuts the clips of an evaluation as training did."""

import contextlib
import dataclasses
from typing import Callable, Iterator, Optional, Sequence

import numpy as np

from elo_tf.config import DataConfig, InputError, ProtocolConfig
from elo_tf.data.clips import Clips
from elo_tf.data.reader import UNREADABLE, Reader
from elo_tf.data.records import Manifest, identity
from elo_tf.evaluate.videos.damage import UnreadableError, unreadable
from elo_tf.evaluate.videos.split import LabelledVideo
from elo_tf.networks.tower import Description

RGB = frozenset({("now", "rgb")})


@dataclasses.dataclass(frozen=True)
class Material:
    """Records, and how clips are cut from them.

    Attributes:
      manifest: Of the records.
      data: Settings of the reader; T, H and W are those of the tower.
      warning: In what the records differ from those of the training; None where they do not.
      salvage: Whether damaged records lie beside those that are read, and are passed over.
    """

    manifest: Manifest
    data: DataConfig
    warning: Optional[str]
    salvage: bool = False

    @classmethod
    def open(cls, records: str, about: Description, config: ProtocolConfig) -> "Material":
        """Opens records for a tower.

        Raises:
          InputError: there are none, they are unfinished, or their frames do not fit those that the tower knows.
        """
        manifest = Manifest.load(records)
        manifest.require_complete()
        fps, size = manifest.settings["fps"], manifest.settings["size"]
        if abs(fps - about.fps) > 1e-6 * about.fps:
            raise InputError(
                f"{records} has {fps:g} frames a second, the tower was trained at {about.fps:g}; "
                f"convert the videos again with --fps={about.fps:g}"
            )
        if size < about.size:
            raise InputError(
                f"{records} has frames of {size} pixels, the tower wants clips of {about.size}; "
                f"convert the videos again with --size={about.stored_size}"
            )
        warning = None
        if size != about.stored_size:
            warning = (
                f"{records} has frames of {size} pixels, the tower was trained on crops of {about.size} from frames of "
                f"{about.stored_size}: it sees another part of them; --size={about.stored_size} of prepare fits"
            )
        data = DataConfig(
            frames=about.frames,
            crop_size=about.size,
            batch_size=config.batch_size,
            flip=config.flip,
            color_jitter=config.color_jitter,
            resident_gb=config.resident_gb,
        )
        return cls(manifest, data, warning)

    def reader(self, videos: Sequence[LabelledVideo]) -> Reader:
        """Reads RGB clips of exactly these videos; those shorter than a clip begin again."""
        classes = {record: video.label for video in videos for record in video.records}
        return Reader.of(self.manifest, "labelled", RGB, self.data, classes, loop=True, salvage=self.salvage)

    @contextlib.contextmanager
    def reading(self, videos: Sequence[LabelledVideo]) -> Iterator[None]:
        """Around what reads clips of these videos: an error that a damaged record explains is that record's.

        Raises:
          UnreadableError: records of the videos are damaged, or others of their shards, which can be passed over.
        """
        try:
            yield
        except Exception as error:
            damaged = unreadable(self.manifest, {record for video in videos for record in video.records})
            if damaged or (isinstance(error, UNREADABLE) and not self.salvage):
                raise UnreadableError(self.manifest.folder, damaged) from error
            raise

    def _read(self, videos: Sequence[LabelledVideo], windows: int) -> Iterator[Clips]:
        """Batches of evenly spread clips.

        Raises:
          UnreadableError: a record is missing or damaged.
        """
        with self.reading(videos):
            yield from self.reader(videos).windows(windows)

    def apply(self, function: Callable, videos: Sequence[LabelledVideo], windows: int) -> np.ndarray:
        """The results of a function for evenly spread clips of each video.

        Args:
          function: [B,T,H,W,3] float32 in [0,1] -> [B,D].
          videos: V of them.
          windows: Clips a video; of one in several records they are spread over all of them.

        Returns:
          [V,windows,D] float32, in the order of the videos.

        Raises:
          UnreadableError: records of some of the videos are missing or damaged.
          InputError: a result is not finite.
        """
        records = [record for video in videos for record in video.records]
        places = {identity(record)[0]: place for place, record in enumerate(records)}
        results: Optional[np.ndarray] = None
        filled = np.zeros(len(records), np.int64)
        for clips in self._read(videos, windows):
            values = np.asarray(function(clips["now"]["rgb"]), np.float32)
            if results is None:
                results = np.empty([len(records), windows, values.shape[1]], np.float32)
            for index, value in zip(clips["video"].numpy().tolist(), values):
                place = places[index]
                results[place, filled[place]] = value
                filled[place] += 1
        missing = {record: "not in the shards" for record, count in zip(records, filled) if count < windows}
        if missing or results is None:
            raise UnreadableError(self.manifest.folder, missing)
        if not np.isfinite(results).all():
            bad = np.count_nonzero(~np.isfinite(results).all(axis=(1, 2)))
            raise InputError(
                f"the features of {bad} of {len(videos)} videos are not finite; use another checkpoint, or a lower "
                "--finetune_learning_rate"
            )
        return _of_videos(results, videos)


def _of_videos(results: np.ndarray, videos: Sequence[LabelledVideo]) -> np.ndarray:
    """Results of records [R,W,D] -> of videos [V,W,D]: of one in several records, W of them, evenly spread."""
    if len(results) == len(videos):
        return results
    windows, first, found = results.shape[1], 0, []
    for video in videos:
        count = len(video.records)
        own = results[first : first + count].reshape(count * windows, -1)
        found.append(own[((np.arange(windows) + 0.5) * count).astype(np.int64)])
        first += count
    return np.stack(found)
