"""Records -> `tf.data` of clips (`elo_tf.data.clips`).

    videos -> windows (now, next, other) -> crop, mirror, colour -> batches -> log-mel -> clips

All that is random about a clip follows from (seed, video, epoch) through stateless ops: two runs agree, and an iterator
can be saved and restored. Segments and modalities that no task asks for are neither decoded nor computed.
"""

import contextlib
import dataclasses
import math
from typing import Dict, FrozenSet, Iterator, Mapping, Optional, Tuple, Type, Union

import tensorflow as tf

from elo_tf.config import DataConfig, InputError
from elo_tf.data.augmentation import DRAWS, Augmentation
from elo_tf.data.clips import NOISE, Clips, ClipSizes
from elo_tf.data.frame_memory import SharedFrames
from elo_tf.data.records import Manifest
from elo_tf.data.resident import ResidentVideos
from elo_tf.data.selection import GIB, Selection
from elo_tf.data.shard_reading import PARALLEL
from elo_tf.data.sources import EPOCHS, WHOLE, Share, StreamedVideos, Video
from elo_tf.data.spectrogram import log_mel
from elo_tf.runtime import machine

# What a reader delivers: (segment, stored modality) pairs.
Needs = FrozenSet[Tuple[str, str]]

# Batches made ahead of the step, and of these, those whose spectrograms are made at a time.
READY_BATCHES = 4
FINISHED_AT_A_TIME = 2


def clip_sizes(manifest: Manifest, config: DataConfig) -> ClipSizes:
    """What the clips of these records measure under these settings.

    Raises:
      InputError: the crop is larger than the stored frames, or a frame of sound cannot be cut into S steps.
    """
    stored = manifest.settings["size"]
    size = crop_size(stored, config)
    if size > stored:
        raise InputError(f"--crop_size={size} is larger than the {stored} pixels of the records in {manifest.folder}")
    if manifest.samples_per_frame % config.audio_steps:
        raise InputError(f"--audio_steps={config.audio_steps} is not one of 1, 2, 4, 8, 16")
    return sizes_at(size, config)


def crop_size(stored: int, config: DataConfig) -> int:
    """Side of the clips, pixels: --crop_size, or by default 7/8 of the stored size, rounded to a multiple of 4."""
    return config.crop_size or 4 * round(stored * 7 / 8 / 4)


def sizes_at(size: int, config: DataConfig) -> ClipSizes:
    """What clips of H = W = `size` pixels measure under these settings."""
    return ClipSizes(config.frames, config.future_frames, size, config.audio_steps, config.mel_bins)


def least_frames(needs: Needs, config: DataConfig) -> int:
    """Frames that a video must have for all segments in use to fit, without overlap."""
    segments = {segment for segment, _ in needs}
    length = {"now": config.frames, "next": config.future_frames, "other": config.frames}
    return sum(length[segment] for segment in segments | {"now"})


def check_memory(needed: int, records: str, workers: int = 1) -> None:
    """Refuses what would end by a signal without a word, when memory runs out.

    Not by streaming instead: videos then come in another order, and results would depend on the machine.

    Args:
      needed: Bytes of the decoded records that a process keeps, or that all of them share.
      records: Their folder.
      workers: Processes of this machine that each keep them; 1 where they are shared.

    Raises:
      InputError: they are more than this machine, or its container, has.
    """
    if needed * workers > machine.memory():
        each, fewer = (f" in each of {workers} processes", ", or use fewer --workers") if workers > 1 else ("", "")
        raise InputError(
            f"the decoded videos of {records} take {needed / GIB:.1f} GiB{each}, and the machine has "
            f"{machine.memory() / GIB:.1f} GiB; stream them with --resident_gb=0{fewer}"
        )


# What TensorFlow raises where a shard is damaged or missing, and for nothing else.
UNREADABLE = (tf.errors.DataLossError, tf.errors.NotFoundError)


@contextlib.contextmanager
def reading(records: str, errors: Union[Type[Exception], Tuple[Type[Exception], ...]] = UNREADABLE) -> Iterator[None]:
    """Makes errors of reading records an `InputError`, which names the remedy.

    Args:
      records: Their folder.
      errors: Which; `tf.errors.OpError` where nothing is done but reading.
    """
    try:
        yield
    except errors as error:
        # From within a graph the reason comes after a title and a trace.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = next((line for line in lines if "record" in line or "No such file" in line), lines[0]).strip()[:200]
        raise InputError(f"{records} cannot be read ({reason}); run python -m elo_tf.prepare --validate") from None


@dataclasses.dataclass
class Reader:
    """Clips of one split.

    Attributes:
      videos: Where frames come from.
      manifest: Of the records.
      sizes: What the clips measure.
      config: Settings.
      needs: (segment, stored modality) pairs to deliver.
      shortest: Frames of the shortest video in use.
      excluded: Videos left out since they are too short for all segments in use; 0 where they are looped.
      sounding: Videos in use that have sound.
    """

    videos: Union[ResidentVideos, StreamedVideos]
    manifest: Manifest
    sizes: ClipSizes
    config: DataConfig
    needs: Needs
    shortest: int
    excluded: int
    sounding: int

    @classmethod
    def open(
        cls,
        records: str,
        split: str,
        needs: Needs,
        config: DataConfig,
        classes: Optional[Mapping[str, int]] = None,
        loop: bool = False,
        salvage: bool = False,
    ) -> "Reader":
        """Reads the manifest of a folder of records, and opens them as `of` does."""
        return cls.of(Manifest.load(records), split, needs, config, classes, loop, salvage)

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        split: str,
        needs: Needs,
        config: DataConfig,
        classes: Optional[Mapping[str, int]] = None,
        loop: bool = False,
        salvage: bool = False,
        shared: Optional[SharedFrames] = None,
    ) -> "Reader":
        """Opens the records of a manifest; decodes them all where they fit into `--resident_gb`.

        Args:
          manifest: Of the records.
          split: `train` or `holdout`; where `classes` are given, only a name for messages.
          needs: (segment, stored modality) pairs to deliver.
          config: Settings.
          classes: id -> class of exactly the videos to read, whichever part of the records they lie in.
          loop: Whether videos too short for the segments in use begin again; else they are left out.
          salvage: Whether damaged records beside those of the videos are passed over.
          shared: Memory for the decoded videos, which other processes use with the same arguments; unused where videos
            are streamed.

        Raises:
          InputError: no video of the split is long enough, or one is not in its shard.
        """
        sizes = clip_sizes(manifest, config)
        least = least_frames(needs, config)
        chosen = Selection.of(manifest, split, classes)
        kept = 1 if loop else least
        long_enough = chosen.of_length(kept)
        if not len(long_enough.videos):
            longest = chosen.videos.frames.max()
            raise InputError(
                f"no {split} video of {manifest.folder} has the {least} frames needed (the longest has {longest}); "
                "use fewer --frames or make records with a higher --fps"
            )
        shortest = int(long_enough.videos.frames.min())
        looped = shortest < least  # A gather, where a slice would do, costs time: only if it is needed.
        resident = long_enough.resident_bytes(config.resident_gb)
        videos: Union[ResidentVideos, StreamedVideos]
        if resident:
            check_memory(resident, manifest.folder)
            videos = ResidentVideos(long_enough, looped, salvage, shared)
        else:
            videos = StreamedVideos(long_enough, kept, config.max_sources_ahead, looped, salvage)
        excluded = len(chosen.videos) - len(long_enough.videos)
        sounding = int(long_enough.videos.sound.sum())
        return cls(videos, manifest, sizes, config, needs, shortest, excluded, sounding)

    def training(self, seed: int, share: Share = WHOLE, first: int = 0) -> tf.data.Dataset:
        """Endless batches of varied clips; the same for the same seed.

        Args:
          seed: Of all that is random about them.
          share: What this process reads of each batch, for several processes or replicas.
          first: Number of the batch to begin with, where an earlier run ended.

        Raises:
          InputError: a batch cannot be dealt out evenly.
        """
        size, rest = divmod(self.config.batch_size, share.count * share.cuts)
        if rest or not size:
            raise InputError(
                f"--batch_size={self.config.batch_size} cannot be split over {share.count * share.cuts} replicas; use "
                "a multiple of their number"
            )

        def cut(video):
            draws = tf.random.stateless_uniform([DRAWS + 3], tf.stack([seed * EPOCHS + video["epoch"], video["index"]]))
            starts = self._draw_starts(video, draws[DRAWS:])
            augmentation = Augmentation.drawn(
                draws[:DRAWS], self.videos.size, self.sizes.size, self.config.flip, self.config.color_jitter
            )
            return self._cut(video, starts, augmentation, draws[DRAWS - NOISE : DRAWS])

        videos = self.videos.shuffled(seed, self.config.batch_size, share, first)
        return self._batches(videos.map(cut, PARALLEL).batch(size, drop_remainder=True))

    def scoring(self, clips: int) -> tf.data.Dataset:
        """Batches of unvaried clips (segment `now`), the same at each call; the last batch may be smaller.

        Videos come in a fixed order, each with as many windows, evenly spread and without overlap, as are needed to
        reach the number of clips; where that cannot be, there are fewer.
        """
        return self._batches(self._spread(self.windows_per_video(clips)).take(clips).batch(self.config.batch_size))

    def windows(self, count: int) -> tf.data.Dataset:
        """As `scoring`, but with exactly `count` windows of each video; they overlap where it is too short for that."""
        return self._batches(self._spread(count).batch(self.config.batch_size))

    def _spread(self, windows: int) -> tf.data.Dataset:
        """Single unvaried clips: so many evenly spread windows of each video, one video after the other."""

        def all_windows(video):
            last = tf.cast(tf.maximum(video["frames"] - self.sizes.frames, 0), tf.float32)
            places = (tf.range(windows, dtype=tf.float32) + 0.5) / windows
            return tf.data.Dataset.from_tensor_slices(tf.cast(places * (last + 1), tf.int64)).map(
                lambda start: self._cut(
                    video,
                    {"now": start},
                    Augmentation.centred(self.videos.size, self.sizes.size),
                    tf.zeros([NOISE]),
                )
            )

        return self.videos.in_order().flat_map(all_windows)

    def _batches(self, clips: tf.data.Dataset) -> tf.data.Dataset:
        """The last stages, the same for training and scoring."""
        options = tf.data.Options()
        options.autotune.enabled = False  # See PARALLEL.
        # To rewrite the graph, TensorFlow makes a tensor of zeros as large as each that a function captures, at every
        # new iterator, and keeps the memory: resident videos would count twice.
        options.experimental_optimization.apply_default_optimizations = False
        return clips.map(self._finish, FINISHED_AT_A_TIME).prefetch(READY_BATCHES).with_options(options)

    def windows_per_video(self, clips: int) -> int:
        """Windows that `scoring` takes of each video to reach a number of clips."""
        return max(1, min(math.ceil(clips / self.videos.count), self.shortest // self.sizes.frames))

    def _draw_starts(self, video: Video, draws: tf.Tensor) -> Dict[str, tf.Tensor]:
        """Where the segments start: `next` follows `now`, `other` comes before or after both, without overlap.

        Two places a <= b are drawn within what room there is; half of the time the clip is the earlier window.
        """
        frames, future = self.sizes.frames, self.sizes.future_frames
        segments = {segment for segment, _ in self.needs}
        least = least_frames(self.needs, self.config)
        room = tf.cast(tf.maximum(video["frames"] - least, 0) + 1, tf.float32)
        places = tf.cast(tf.sort(draws[:2]) * room, tf.int64)
        if "other" not in segments:
            now = tf.cast(draws[0] * room, tf.int64)
            return {"now": now, "next": now + frames}
        tail = frames + (future if "next" in segments else 0)
        earlier = draws[2] < 0.5
        now = tf.where(earlier, places[0], places[1] + frames)
        return {"now": now, "next": now + frames, "other": tf.where(earlier, places[1] + tail, places[0])}

    def _cut(self, video: Video, starts: Dict[str, tf.Tensor], augmentation: Augmentation, noise: tf.Tensor) -> Clips:
        """One clip; sound is still samples, int16."""
        clip: Clips = {}
        for segment, start in starts.items():
            count = self.sizes.segment_shape(segment, "rgb")[0]
            for modality in ("rgb", "flow", "audio"):
                if (segment, modality) not in self.needs:
                    continue
                frames = self._stored(video, modality, start, count)
                if modality != "audio":
                    frames = getattr(augmentation, modality)(frames)
                clip.setdefault(segment, {})[modality] = frames
        present = {"rgb": 1.0, "flow": 1.0, "audio": tf.cast(video["has_sound"], tf.float32)}
        return {
            **clip,
            "present": {name: tf.convert_to_tensor(value) for name, value in present.items()},
            "noise": noise,
            "label": video["label"],
            "video": video["index"],
        }

    def _stored(self, video: Video, modality: str, start: tf.Tensor, count: int) -> tf.Tensor:
        """[count,...] frames as stored, but that the last field of flow, which shows the motion towards the frame after
        them, repeats the one before it: towers must not see the future. A single frame keeps its field.
        """
        if modality != "flow" or count == 1:
            return self.videos.frames(video, modality, start, count)
        fields = self.videos.frames(video, modality, start, count - 1)
        return tf.concat([fields, fields[-1:]], axis=0)

    def _finish(self, clips: Clips) -> Clips:
        """What is done a batch at a time: the spectrograms."""
        for segment in ("now", "next", "other"):
            if "audio" in clips.get(segment, {}):
                samples = tf.cast(clips[segment]["audio"], tf.float32) / 32768.0  # [B, T, samples a frame]
                frames = samples.shape[1]
                samples = tf.reshape(samples, [-1, frames * self.manifest.samples_per_frame])
                clips[segment]["audio"] = log_mel(
                    samples, self.manifest.sample_rate, frames, self.sizes.audio_steps, self.sizes.mel_bins
                )
        return clips
