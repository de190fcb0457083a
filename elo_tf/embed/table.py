"""Embeddings of a set of videos: the .npz or .tfrecord file that `elo_tf.embed` writes.

    .npz        ids               [N]    strings, paths below the folder of videos, sorted
                embeddings        [N,D]  float32, mean of the video's windows
                frames            [N]    int64, frames of the video at the stated fps
                files             [N,2]  int64, bytes and modification time (ns) of the file
                warnings          [N]    strings, such as of damage, or that it was looped; empty if all went well
                window_embeddings [W,D]  float32, of all windows of all videos, in the order of `ids`
                window_videos     [W]    int64, the place in `ids` that each belongs to
                window_offsets    [W]    int64, its first frame
                window_seconds    [W]    float64, its start: offset / fps
                settings          JSON: model (hash), frames, stride, size, stored_size, fps, batch_size, ...
    .tfrecord   one Example a video, in the same order: `id` (bytes), `embedding` (float, D), `frames` (int64), `file`
                (int64, 2), `warning` (bytes), `window/embedding` (float, W*D, row by row), `window/offset` (int64, W),
                `window/seconds` (float, W), `settings` (bytes, JSON)

Without --store_windows W = 0.
"""

import dataclasses
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any, Dict, Iterable, List, Sequence, Union

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.data.tfrecord import ShardWriter, read_shard
from elo_tf.runtime import json_text
from elo_tf.runtime.json_text import NUMBER
from elo_tf.runtime.provenance import check_same
from elo_tf.runtime.storage import partial, write_bytes

SUFFIXES = (".npz", ".tfrecord")
_ARRAYS = ("ids", "embeddings", "frames", "files", "warnings", "window_embeddings", "window_videos", "window_offsets",
           "settings")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Entry:
    """One video.

    Attributes:
      id: Path below the folder of videos.
      embedding: [D] float32.
      frames: How many it has.
      file: Bytes and modification time of its file, ns.
      warning: What the user should know; "" if all went well.
      windows: [W,D] float32, of its windows.
      offsets: [W] int64, their first frames.
    """

    id: str
    embedding: np.ndarray
    frames: int
    file: Sequence[int]
    warning: str
    windows: np.ndarray
    offsets: np.ndarray


@dataclasses.dataclass(frozen=True)
class Table:
    """Embeddings of videos, sorted by id, and the settings that they were made with."""

    settings: Dict[str, Any]
    entries: List[Entry]

    @property
    def embeddings(self) -> np.ndarray:
        """[N,D] float32."""
        return np.stack([entry.embedding for entry in self.entries])

    def save(self, path: Path) -> None:
        """Writes the file, which appears whole; its suffix says as what."""
        if path.suffix == ".npz":
            content = io.BytesIO()
            np.savez(content, **self._arrays())
            write_bytes(path, content.getbuffer())
            return
        part = partial(path)
        try:
            writer = ShardWriter(part)
            for entry in self.entries:
                writer.write(serialize(entry, self.settings))
            writer.close()
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _arrays(self) -> Dict[str, np.ndarray]:
        counts = [len(entry.offsets) for entry in self.entries]
        offsets = np.concatenate([entry.offsets for entry in self.entries])
        return {
            "ids": np.array([entry.id for entry in self.entries]),
            "embeddings": self.embeddings,
            "frames": np.array([entry.frames for entry in self.entries], np.int64),
            "files": np.array([entry.file for entry in self.entries], np.int64),
            "warnings": np.array([entry.warning for entry in self.entries]),
            "window_embeddings": np.concatenate([entry.windows for entry in self.entries]),
            "window_videos": np.repeat(np.arange(len(counts)), counts),
            "window_offsets": offsets,
            "window_seconds": offsets / self.settings["fps"],
            "settings": np.array(json.dumps(self.settings)),
        }

    @classmethod
    def load(cls, path: Path) -> "Table":
        """Reads what `save` wrote.

        Raises:
          InputError: it is missing, damaged, something else, or without a video, as `save` never writes it.
        """
        if not path.is_file():
            raise InputError(f"{path} does not exist; make it with python -m elo_tf.embed --videos=DIR --output={path}")
        try:
            table = _from_arrays(path) if path.suffix == ".npz" else from_records(read_shard(path))
        except Exception as error:  # NumPy parses parts of the file as Python, and raises whatever comes of that.
            why = " ".join(str(error).split())[:200]
            raise InputError(
                f"{path} is damaged or not a file of embeddings ({type(error).__name__}: {why}); delete it or choose "
                "another --output"
            ) from None
        if not table.entries:
            raise InputError(f"{path} has no videos; delete it or choose another --output")
        return table


def serialize(entry: Entry, settings: Dict[str, Any]) -> bytes:
    """A video as the bytes of an Example."""

    def floats(values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(values)))

    def integers(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=np.ravel(values)))

    def text(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    feature = {
        "id": text(os.fsencode(entry.id)),
        "embedding": floats(entry.embedding),
        "frames": integers([entry.frames]),
        "file": integers(entry.file),
        "warning": text(entry.warning.encode()),
        "window/embedding": floats(entry.windows),
        "window/offset": integers(entry.offsets),
        "window/seconds": floats(entry.offsets / settings["fps"]),
        "settings": text(json.dumps(settings).encode()),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


def from_records(payloads: Iterable[bytes]) -> Table:
    """The table of Examples that `serialize` made.

    Raises:
      ValueError, KeyError, DecodeError: an Example is something else, or they were made with different settings.
    """
    entries: List[Entry] = []
    settings: Dict[str, Any] = {}
    for payload in payloads:
        feature = tf.train.Example.FromString(payload).features.feature
        own = _settings(feature["settings"].bytes_list.value[0]) if "settings" in feature else None
        if own is None or (settings and own != settings):
            raise ValueError("a record without settings" if own is None else "records with different settings")
        settings = own
        embedding = np.array(feature["embedding"].float_list.value, np.float32)
        entries.append(
            Entry(
                os.fsdecode(feature["id"].bytes_list.value[0]),
                embedding,
                feature["frames"].int64_list.value[0],
                list(feature["file"].int64_list.value),
                feature["warning"].bytes_list.value[0].decode(),
                np.array(feature["window/embedding"].float_list.value, np.float32).reshape(-1, len(embedding)),
                np.array(feature["window/offset"].int64_list.value, np.int64),
            )
        )
    return Table(settings, entries)


def _from_arrays(path: Path) -> Table:
    with zipfile.ZipFile(path) as archive:
        # `save` does not compress: what would grow as it is read is not of it.
        if any(member.file_size > member.compress_size for member in archive.infolist()):
            raise ValueError("it is compressed")
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in _ARRAYS}
    ends = np.cumsum(np.bincount(arrays["window_videos"], minlength=len(arrays["ids"])))[:-1]
    rows = zip(
        arrays["ids"].tolist(),
        arrays["embeddings"],
        arrays["frames"].tolist(),
        arrays["files"].tolist(),
        arrays["warnings"].tolist(),
        np.split(arrays["window_embeddings"], ends),
        np.split(arrays["window_offsets"], ends),
    )
    return Table(_settings(str(arrays["settings"])), [Entry(*row) for row in rows])


def _settings(content: Union[str, bytes]) -> Dict[str, Any]:
    """Settings from their JSON text; `ValueError` where it holds something else."""
    settings = json_text.parse(content)
    json_text.check(settings, {"fps": NUMBER})
    return settings


def check_settings(path: Path, found: Dict[str, Any], now: Dict[str, Any]) -> None:
    """Refuses to mix embeddings that were made differently.

    Args:
      path: The file.
      found: Settings in it.
      now: Those that it has to have; others in it do not matter.

    Raises:
      InputError: one of them differs; it names it.
    """
    before = {name: found[name] for name in now if name in found}
    check_same(path, before, now, "give the same again, another --output, or delete it")
