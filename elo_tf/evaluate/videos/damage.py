"""Finds the damaged records of some videos one by one, after reading them together has failed.

A damaged record costs its video, not the evaluation. The search for it takes as long as reading all of them once, so
that it is made only where something went wrong.
"""

import os
import re
from pathlib import Path
from typing import Any, Collection, Dict, List, Mapping, Optional, Tuple

import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.data import records
from elo_tf.data.records import Manifest
from elo_tf.data.sources import decode_frames
from elo_tf.data.tfrecord import DamagedShardError, read_shard
from elo_tf.data.video_entry import VideoEntry
from elo_tf.decoding.listing import printable

_SHOWN = 3
_REASON = 160  # letters of a reason


class UnreadableError(InputError):
    """Records that cannot be read.

    Args:
      folder: Of the records.
      why: Id of each of them -> the reason; empty if all that is damaged lies beside the records that are read.
    """

    def __init__(self, folder: str, why: Dict[str, str]):
        self.why = why
        named = (
            f"{len(why)} records cannot be read ({'; '.join(describe(why)[:_SHOWN])})" if why else "a shard is damaged"
        )
        super().__init__(f"{folder}: {named}; run python -m elo_tf.prepare --validate")


def describe(why: Dict[str, str]) -> List[str]:
    """One line for each record that cannot be read, sorted by id."""
    return [f"{printable(record)}: {reason}" for record, reason in sorted(why.items())]


def unreadable(manifest: Manifest, wanted: Collection[str]) -> Dict[str, str]:
    """Those of some records that cannot be read or decoded.

    Args:
      manifest: Of the records.
      wanted: Ids of the records that are looked at.

    Returns:
      Id -> the reason in one line.
    """
    by_shard: Dict[str, Dict[str, VideoEntry]] = {}
    for entry in manifest.usable:
        if entry.id in wanted:
            by_shard.setdefault(entry.shard, {})[entry.id] = entry
    found: Dict[str, str] = {}
    for shard, entries in by_shard.items():
        missing, reason = dict(entries), f"damaged, or not in {shard}"
        try:
            for payload in read_shard(Path(manifest.folder) / shard, skip_damaged=True):
                record, why = _look(payload, missing, manifest)
                if record in missing:
                    del missing[record]
                    if why:
                        found[record] = why
        except (DamagedShardError, OSError) as error:
            reason = f"{shard}: {_line(error)}"
        found.update(dict.fromkeys(missing, reason))
    return found


def _look(payload: bytes, entries: Mapping[str, VideoEntry], manifest: Manifest) -> Tuple[Optional[str], Optional[str]]:
    """The id of a record, and why it cannot be used, if it is one of those looked for and cannot."""
    try:
        video = records.parse(payload)
        record = os.fsdecode(video["id"].numpy())
        return record, _fault(video, entries[record], manifest) if record in entries else None
    except Exception as error:  # Whatever reading it raised, it is this record's.
        return None, _line(error)


def _fault(video: Mapping[str, Any], entry: VideoEntry, manifest: Manifest) -> Optional[str]:
    frames = entry.frames
    parts = {"rgb": (video["rgb"], frames), "flow": (video["flow"], frames),
             "audio": (video["sound"], frames if entry.sound else 0)}  # fmt: skip
    for modality, (strings, count) in parts.items():
        if len(strings) != count:
            return f"has {len(strings)} frames of {modality}, and {count} in the manifest"
        try:
            if count:
                decode_frames(strings, modality, manifest.settings["size"], manifest.samples_per_frame)
        except (tf.errors.OpError, ValueError) as error:
            return f"{modality}: {_line(error)}"
    return None


def _line(error: Exception) -> str:
    said = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error))  # Names of nodes of a graph.
    return (" ".join(said.split()) or type(error).__name__)[:_REASON]
