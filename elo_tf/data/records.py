"""The files between `prepare` and training: sharded TFRecords with one SequenceExample a video, and their manifest.

    context         video/id         bytes   path below the folder of videos, with "/", as the file system has it
                    video/index      int64   63 bits of SHA-256 of the id
                    video/label      bytes   UTF-8, empty if there is none
                    video/frames     int64   F
                    video/has_sound  int64   0 or 1
    feature lists   rgb              F       JPEG, [size,size,3]
                    flow             F       PNG, grey, [2*size,size]: u above v, quantised as in flow.py
                    sound            F or 0  little-endian int16 PCM, mono, samples_per_frame each

Only `parse` and remote manifests import TensorFlow: what writes records does without (see shards.py).
"""

import dataclasses
import hashlib
import heapq
import json
import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Tuple

import cv2
import numpy as np
from google.protobuf.message import DecodeError

from elo_tf.config import InputError
from elo_tf.data import manifest_file
from elo_tf.data.manifest_lines import SPLITS, check_head
from elo_tf.data.tfrecord import DamagedShardError, SequenceExample, read_shard
from elo_tf.data.video_entry import Entry, UnusableVideo, VideoEntry
from elo_tf.data.video_table import VideoTable
from elo_tf.runtime import storage

if TYPE_CHECKING:
    import tensorflow as tf

ID, INDEX, LABEL, FRAMES, HAS_SOUND = "video/id", "video/index", "video/label", "video/frames", "video/has_sound"
RGB, FLOW, SOUND = "rgb", "flow", "sound"
MANIFEST = "manifest.json"
SCHEMA = 1
# What the file has before its videos, and has to have.
_HEAD = ("settings", "sample_rate", "samples_per_frame", "complete")

# Run-length coding beats deflate on quantised flow, in size (651 against 821 bytes at 64 pixels) and in time.
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
_REBUILD = "run python -m elo_tf.prepare again to rebuild it"


class DamagedManifestError(InputError):
    """A manifest that cannot be read; what it is made of may be whole."""


def identity(video_id: str) -> Tuple[int, float]:
    """(63-bit index, place in [0,1) that decides the split) of a video, from its id alone."""
    digest = hashlib.sha256(os.fsencode(video_id)).digest()
    # 53 bits: what a float holds, so that the place stays below 1.
    return int.from_bytes(digest[:8], "big") >> 1, (int.from_bytes(digest[8:16], "big") >> 11) / 2**53


def indices(video_ids: Iterable[str]) -> np.ndarray:
    """The indices of `identity` of many videos, int64 [n]."""
    digests = np.fromiter((hashlib.sha256(os.fsencode(each)).digest()[:8] for each in video_ids), "S8")
    return (digests.view(">u8") >> 1).astype(np.int64)


def short_hash(content: Any) -> str:
    """16 hexadecimal digits that stand for a value of JSON types."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def split_of(video_id: str, holdout_fraction: float) -> str:
    """The split of a video. It depends on nothing else; what is held out stays so when the fraction grows."""
    return "holdout" if identity(video_id)[1] < holdout_fraction else "train"


def serialize(
    video_id: str, label: str, frames: np.ndarray, flow: np.ndarray, sound: Optional[np.ndarray], jpeg_quality: int
) -> bytes:
    """A video as the bytes of a SequenceExample.

    Args:
      video_id: Path below the folder of videos.
      label: "" if there is none.
      frames: uint8 [F,size,size,3], RGB.
      flow: uint8 [F,size,size,2], quantised.
      sound: int16 [F * samples_per_frame], or None.
      jpeg_quality: 0..100.
    """
    example = SequenceExample()
    feature, lists = example.context.feature, example.feature_lists.feature_list
    feature[ID].bytes_list.value.append(os.fsencode(video_id))
    feature[INDEX].int64_list.value.append(identity(video_id)[0])
    feature[LABEL].bytes_list.value.append(os.fsencode(label))
    feature[FRAMES].int64_list.value.append(len(frames))
    feature[HAS_SOUND].int64_list.value.append(sound is not None)

    def fill(name: str, entries: Iterable[bytes]) -> None:
        lists[name].SetInParent()  # An empty list is stored as such.
        for entry in entries:
            lists[name].feature.add().bytes_list.value.append(entry)

    fill(RGB, (_image(".jpg", frame[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, jpeg_quality)) for frame in frames))
    fill(FLOW, (_image(".png", np.concatenate([field[..., 0], field[..., 1]]), _PNG) for field in flow))
    fill(SOUND, (part.astype("<i2").tobytes() for part in sound.reshape(len(frames), -1)) if sound is not None else ())
    return example.SerializeToString(deterministic=True)


def _image(kind: str, pixels: np.ndarray, options: Tuple[int, ...]) -> bytes:
    return cv2.imencode(kind, np.ascontiguousarray(pixels), options)[1].tobytes()


def parse(serialized: "tf.Tensor") -> Dict[str, Any]:
    """The inverse of `serialize`, in a TensorFlow graph; images and sound stay encoded.

    Args:
      serialized: Scalar string tensor.

    Returns:
      `id`, `label` (strings), `index`, `frames` (int64), `has_sound` (bool): scalars; `rgb`, `flow` [F] and `sound`
      [F] or [0]: strings.
    """
    import tensorflow as tf

    string, integer = tf.io.FixedLenFeature([], tf.string), tf.io.FixedLenFeature([], tf.int64)
    parts = tf.io.FixedLenSequenceFeature([], tf.string)
    context, lists = tf.io.parse_single_sequence_example(
        serialized,
        {ID: string, INDEX: integer, LABEL: string, FRAMES: integer, HAS_SOUND: integer},
        {RGB: parts, FLOW: parts, SOUND: parts},
    )
    video = {name.split("/")[1]: value for name, value in context.items()}
    return {**video, **lists, "has_sound": tf.cast(video["has_sound"], tf.bool)}


def check_shard(path: Path, videos: Iterable[VideoEntry]) -> None:
    """Compares a shard with its entries of the manifest.

    Raises:
      DamagedShardError: it is missing, damaged, or does not hold exactly these videos.
    """
    missing = {os.fsencode(video.id): video for video in videos}
    try:
        for number, payload in enumerate(read_shard(path)):
            try:
                example = SequenceExample.FromString(payload)
            except DecodeError as error:
                raise DamagedShardError(f"record {number} is no SequenceExample") from error
            feature, lists = example.context.feature, example.feature_lists.feature_list
            video = missing.pop(b"".join(feature[ID].bytes_list.value), None)
            found = tuple(len(lists[name].feature) for name in (RGB, FLOW, SOUND))
            if video is None or found != (video.frames, video.frames, video.frames * video.sound):
                raise DamagedShardError(f"record {number} is not what the manifest says")
    except OSError as error:
        raise DamagedShardError(f"cannot be read: {error.strerror}") from error
    if missing:
        raise DamagedShardError(f"lacks {len(missing)} of its videos")


@dataclasses.dataclass
class Manifest:
    """What a folder of records holds.

    Attributes:
      settings: Those of `IngestConfig` that change records, by name.
      sample_rate: Hz, of stored sound.
      samples_per_frame: Samples of sound that belong to a frame.
      usable: The converted videos, sorted by `id`; of any entries that are given, a table is made.
      unusable: The others, sorted by `id`.
      complete: False while a conversion runs or after one that was interrupted.
      folder: Where it lies; a path or a URL.
      set_aside: Numbers of the files beside the videos that are none, by extension.
    """

    settings: Dict[str, Any]
    sample_rate: int
    samples_per_frame: int
    usable: VideoTable
    unusable: List[UnusableVideo]
    complete: bool
    folder: str
    set_aside: Dict[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.usable = VideoTable.of(self.usable)

    @property
    def videos(self) -> List[Entry]:
        """All entries, sorted by `id`."""
        return sorted((*self.usable, *self.unusable), key=lambda video: video.id)

    def require_complete(self) -> None:
        """Raises `InputError` where the conversion has not come to its end."""
        if not self.complete:
            raise InputError(f"{self.folder} is unfinished; run python -m elo_tf.prepare again to complete it")

    @property
    def refused(self) -> List[UnusableVideo]:
        """Videos that cannot be used."""
        return [video for video in self.unusable if not video.aside]

    @property
    def aside(self) -> List[UnusableVideo]:
        """Files that were tried, since their names do not say what they are, and are no videos."""
        return [video for video in self.unusable if video.aside]

    @property
    def labels(self) -> List[str]:
        """The labels in sorted order; a label's place is its class."""
        return [label for label in self.usable.counts("label") if label]

    def of_split(self, split: str) -> VideoTable:
        """The usable videos of a split."""
        return self.usable.of_split(split)

    def classes(self, split: str) -> Dict[str, int]:
        """Id -> class of the usable videos of a split that have a label."""
        places = {label: place for place, label in enumerate(self.labels)}
        return {video.id: places[video.label] for video in self.of_split(split) if video.label}

    @property
    def counts(self) -> Dict[str, int]:
        """Videos: `train`, `holdout`, `refused`, and `sound`, those of the first two that have it."""
        found = self.usable.counts("split")
        counts = {split: found.get(split, 0) for split in SPLITS}
        return {**counts, "refused": len(self.refused), "sound": int(self.usable.sound.sum())}

    def sounding(self, split: str) -> int:
        """Videos of a split that have sound."""
        return int(self.of_split(split).sound.sum())

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that stand for settings, and videos with their labels, splits, lengths and contents."""
        # `short_hash` of [settings, sample rate, facts of all videos], whose text would be larger than the videos.
        head = json.dumps([self.settings, self.sample_rate], sort_keys=True)
        digest = hashlib.sha256(f"{head[:-1]}, [".encode())
        comma = ""
        for part in self.usable.facts():
            # Records of earlier versions have no mark.
            text = json.dumps([each if each[-1] is not None else each[:-1] for each in part])
            digest.update(f"{comma}{text[1:-1]}".encode())
            comma = ", "
        digest.update(b"]]")
        return digest.hexdigest()[:16]

    def shards(self, split: str) -> List[str]:
        """Paths of the shards of a split, sorted."""
        return [posixpath.join(self.folder, name) for name in self.of_split(split).counts("shard")]

    @classmethod
    def load(cls, folder: str) -> "Manifest":
        """Reads the manifest of a folder, local or remote (s3://, hdfs://, az:// where tensorflow-io is imported).

        Raises:
          DamagedManifestError: it cannot be read; `prepare` makes it anew.
          InputError: there is none, or it is of another version.
        """
        path = posixpath.join(str(folder), MANIFEST)
        try:
            content = manifest_file.read(path)
        except FileNotFoundError as error:
            raise InputError(
                f"{folder} has no records ({MANIFEST} is missing); make some with python -m elo_tf.prepare"
            ) from error
        except ValueError as error:
            raise DamagedManifestError(f"{path} is damaged ({error}); {_REBUILD}") from error
        version = content.get("schema") if isinstance(content, dict) else None
        if version is None:
            raise DamagedManifestError(f"{path} has schema None, this program reads schema {SCHEMA}; {_REBUILD}")
        if version != SCHEMA:
            raise InputError(f"{path} has schema {version}, this program reads schema {SCHEMA}; make the records again")
        missing = [name for name in (*_HEAD, "videos") if name not in content]
        if missing:
            raise DamagedManifestError(f"{path} lacks {', '.join(missing)}; {_REBUILD}")
        try:
            check_head(content)
        except ValueError as error:
            raise DamagedManifestError(f"{path} is damaged ({error}); {_REBUILD}") from None
        if not isinstance(content["videos"], manifest_file.Videos):
            raise DamagedManifestError(f"{path} is damaged (videos are not what they are); {_REBUILD}")
        usable, unusable = content["videos"]
        outside = [name for name in usable.counts("shard") if posixpath.basename(name) != name]
        if outside:
            raise DamagedManifestError(f"{path} names {outside[0]!r}, which is not in its folder; {_REBUILD}")
        facts = {name: content[name] for name in _HEAD}
        set_aside = content.get("set_aside", {})
        return cls(usable=usable, unusable=unusable, folder=str(folder), set_aside=set_aside, **facts)

    def save(self) -> None:
        """Writes manifest.json, one line a video; millions of them never lie in memory as a whole."""
        head = {
            "schema": SCHEMA,
            "complete": self.complete,
            "settings": self.settings,
            "sample_rate": self.sample_rate,
            "samples_per_frame": self.samples_per_frame,
            "counts": self.counts,
            "labels": self.labels,
            "set_aside": self.set_aside,
        }
        videos = heapq.merge(self.usable, self.unusable, key=lambda video: video.id)
        with storage.replacing(Path(self.folder) / MANIFEST) as file:
            file.writelines(text.encode("ascii") for text in manifest_file.as_lines(head, videos))


def check_records(manifest: Manifest) -> Iterator[Tuple[str, DamagedShardError]]:
    """Reads all shards of a local manifest: (file name, damage) of each that is not as it was written."""
    videos: Dict[str, List[VideoEntry]] = {}
    for video in manifest.usable:
        videos.setdefault(video.shard, []).append(video)
    for shard in sorted(videos):
        try:
            check_shard(Path(manifest.folder) / shard, videos[shard])
        except DamagedShardError as error:
            yield shard, error
