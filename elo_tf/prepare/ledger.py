"""The files of a records folder, written so that an interrupted conversion can resume.

train-00000.tfrecord   a finished shard, put in place by a rename
train-00000.json       its videos, one line each; written after the shard, so that a shard without it is a leftover;
                       "surplus" are records in the shard that no longer count, until the shard is written without them
refused.jsonl          one line an unusable video, appended as they come
manifest.json          all of the above merged, for readers
.partial/              shards that workers write now; emptied by the next conversion
.lock                  held by the conversion that runs
"""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Collection, Dict, List, Optional, Sequence

from google.protobuf.message import DecodeError

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.manifest_file import as_lines
from elo_tf.data.manifest_lines import is_line
from elo_tf.data.records import ID, MANIFEST, SPLITS, DamagedManifestError, Manifest
from elo_tf.data.tfrecord import DamagedShardError, SequenceExample, ShardWriter, read_shard
from elo_tf.data.video_entry import FileState, UnusableVideo, VideoEntry, are_entries, from_json, parse
from elo_tf.data.video_table import VideoTable
from elo_tf.decoding.decode import sound_grid
from elo_tf.runtime import json_text, storage
from elo_tf.runtime.append_only import AppendOnlyFile
from elo_tf.runtime.provenance import check_same

# The settings that change records. The others (limits, size of shards) may differ from run to run.
_LASTING = ("size", "fps", "flow", "flow_bound", "max_seconds", "jpeg_quality", "labels", "holdout_fraction")
# Those that came later, with what records without them were made with.
_LATER = {"label_level": 0, "held_out": "hash", "segment_seconds": 0.0}


class Ledger:
    """A records folder while a conversion owns it; a context manager that holds the lock.

    Attributes:
      partial: Folder for shards in the making, on the same file system.
      converted: Entry by id, of each video in a finished shard.
      refused: The same of each unusable video, and of files that turned out to be none.
      set_aside: Numbers of the files that are no videos by their names, by extension.
    """

    def __init__(self, folder: Path, config: IngestConfig):
        """Creates the folder, takes the lock, reads what there is and clears leftovers away.

        Raises:
          InputError: another conversion holds the lock, or the records were made with other settings.
          OSError: the folder cannot be made, read or written.
        """
        self.folder, self.partial = folder, folder / ".partial"
        self.converted: Dict[str, VideoEntry] = {}
        self.refused: Dict[str, UnusableVideo] = {}
        self.set_aside: Dict[str, int] = {}
        settings = dataclasses.asdict(config)
        self._settings = {name: settings[name] for name in _LASTING}
        # `auto` is what records have where nobody has looked at the folders.
        later = {name: settings[name] for name, usual in _LATER.items() if settings[name] not in (usual, "auto")}
        self._settings.update(later)
        self._grid = sound_grid(config.fps)
        self._next = dict.fromkeys(SPLITS, 0)
        self._held = contextlib.ExitStack()
        try:
            self._held.enter_context(lock(folder))
            shutil.rmtree(self.partial, ignore_errors=True)
            self.partial.mkdir()
            self._journal = self._held.enter_context(AppendOnlyFile(folder / "refused.jsonl", _busy(folder)))
            self._read()
        except BaseException:
            self._held.close()
            raise

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: Any) -> None:
        shutil.rmtree(self.partial, ignore_errors=True)
        self._held.close()

    def commit(self, shard: Path, split: str, entries: List[VideoEntry]) -> None:
        """Puts a finished shard in place, under the next free number of its split."""
        name = f"{split}-{self._next[split]:05d}"
        self._next[split] += 1
        # What workers send has each word anew for each video; of millions, each is kept once.
        split, file = sys.intern(split), f"{name}.tfrecord"
        entries = [entry._replace(split=split, label=sys.intern(entry.label), shard=file) for entry in entries]
        os.replace(shard, self.folder / file)
        self._write_lines(self.folder / file, entries)
        for entry in entries:
            self.converted[entry.id] = entry
            self.refused.pop(entry.video, None)

    def sources(self) -> Dict[str, List[str]]:
        """Converted videos, with the ids of their records: more than one where a video was cut into parts."""
        found: Dict[str, List[str]] = {}
        for record, entry in self.converted.items():
            found.setdefault(entry.video, []).append(record)
        return found

    def note_files(self, files: Dict[str, FileState]) -> None:
        """Notes the state of the files of converted videos, by the ids of their records."""
        for shard, entries in self._entries_of(files).items():
            entries = [entry._replace(file=files.get(entry.id, entry.file)) for entry in entries]
            self.converted.update((entry.id, entry) for entry in entries)
            self._write_lines(self.folder / shard, entries)

    def retire(self, records: Collection[str]) -> None:
        """Takes records out of their shards, by their ids; all of those of a shard that turns out to be damaged."""
        for shard, entries in self._entries_of(records).items():
            kept = [entry for entry in entries if entry.id not in records]
            for entry in entries:
                del self.converted[entry.id]
            self._write_lines(self.folder / shard, kept, [entry.id for entry in entries if entry.id in records])
            self._remove_surplus(self.folder / shard, kept)

    def _entries_of(self, records: Collection[str]) -> Dict[str, List[VideoEntry]]:
        """All entries of each shard that has one of these records."""
        found: Dict[str, List[VideoEntry]] = {self.converted[record].shard: [] for record in records}
        for entry in self.converted.values():
            if entry.shard in found:
                found[entry.shard].append(entry)
        return found

    def _write_lines(self, shard: Path, entries: List[VideoEntry], surplus: Sequence[str] = ()) -> None:
        head = {"settings": self._settings, **({"surplus": list(surplus)} if surplus else {})}
        # Made in a small folder: its maker looks for leftovers of its name, and of shards there may be many thousands.
        part = self.partial / f"{shard.stem}.json"
        storage.write_text(part, "".join(as_lines(head, entries)))
        os.replace(part, shard.with_suffix(".json"))

    def _remove_surplus(self, shard: Path, entries: List[VideoEntry]) -> None:
        """Writes a shard anew with the records of these entries alone, which are converted then."""
        wanted = {os.fsencode(entry.id) for entry in entries}
        part = self.partial / shard.name
        try:
            writer = ShardWriter(part)
            for payload in read_shard(shard) if wanted else ():
                if SequenceExample.FromString(payload).context.feature[ID].bytes_list.value[0] in wanted:
                    writer.write(payload)
            writer.close()
        except (DamagedShardError, DecodeError, IndexError):
            wanted = set()
        if not wanted:
            shard.with_suffix(".json").unlink()
            shard.unlink()
            return
        os.replace(part, shard)
        self._write_lines(shard, entries)
        self.converted.update((entry.id, entry) for entry in entries)

    def refuse(self, video: UnusableVideo) -> None:
        """Notes an unusable video."""
        # Not synchronised: what a crash of the machine takes away is tried again.
        self._journal.append(f"{json.dumps(video.to_json())}\n".encode(), synchronise=False)
        self.refused[video.id] = video

    def forget_refused(self, present: Collection[str]) -> None:
        """Forgets unusable videos that are no longer in the folder of videos."""
        self.refused = {name: video for name, video in self.refused.items() if name in present}

    def write_manifest(self, complete: bool) -> Manifest:
        """Merges all entries into manifest.json."""
        usable = VideoTable.of(sorted(self.converted.values(), key=lambda entry: entry.id))
        unusable = sorted(self.refused.values(), key=lambda video: video.id)
        manifest = Manifest(self._settings, *self._grid, usable, unusable, complete, str(self.folder), self.set_aside)
        manifest.save()
        return manifest

    def _read(self) -> None:
        if (self.folder / MANIFEST).exists():
            with contextlib.suppress(DamagedManifestError):  # It is made anew of the rest.
                self._check_settings(self.folder / MANIFEST, Manifest.load(str(self.folder)).settings)
        for left in self.folder.glob(".*-*.json.*.partial"):
            left.unlink()  # Of a conversion that was killed: the lock is ours.
        for refused in filter(None, map(_refused, self._journal.lines())):
            self.refused[refused.id] = refused
        for split in SPLITS:
            for shard in self._files(split, ".tfrecord"):
                self._next[split] = max(self._next[split], int(shard.stem.rpartition("-")[2]) + 1)
                self._read_shard(shard)
            for sidecar in self._files(split, ".json"):
                if not sidecar.with_suffix(".tfrecord").exists():
                    sidecar.unlink()
        for video in self.sources():
            self.refused.pop(video, None)

    def _files(self, split: str, suffix: str) -> List[Path]:
        """Shards or their lines, sorted; what is called otherwise, such as `train-00000 (1).tfrecord`, is not ours."""
        name = re.compile(rf"{split}-\d{{5,}}{re.escape(suffix)}", re.ASCII)
        return sorted(path for path in self.folder.iterdir() if name.fullmatch(path.name))

    def _read_shard(self, shard: Path) -> None:
        """Reads the lines of a shard; one whose lines are missing or damaged is removed, and its videos are due."""
        sidecar = shard.with_suffix(".json")
        content = _read_lines(sidecar)
        if content is None:
            sidecar.unlink(missing_ok=True)
            shard.unlink()
            return
        self._check_settings(sidecar, content["settings"])
        if content.get("surplus"):
            self._remove_surplus(shard, content["videos"])
        else:
            self.converted.update((entry.id, entry) for entry in content["videos"])

    def _check_settings(self, path: Path, found: Dict[str, Any]) -> None:
        now, then = {**_LATER, **self._settings}, {**_LATER, **found}
        before, settings = ({f"--{name}": known[name] for name in now if name in known} for known in (then, now))
        check_same(path.parent, before, settings, "give the same settings, or another folder as --records")


def lock(folder: Path) -> contextlib.ExitStack:
    """The lock of a records folder, as `storage.claim_folder` returns it.

    Raises:
      InputError: it is held by another program.
    """
    return storage.claim_folder(folder, _busy(folder))


def _busy(folder: Path) -> str:
    return f"another program writes into {folder}; wait for its end or choose other --records"


def earlier_settings(folder: Path) -> Optional[Dict[str, Any]]:
    """The lasting settings of the records in a folder; None if there are none."""
    with contextlib.suppress(InputError):
        return Manifest.load(str(folder)).settings
    found = (_read_lines(sidecar) for split in SPLITS for sidecar in folder.glob(f"{split}-*.json"))
    return next((content["settings"] for content in found if content), None)


def _read_lines(sidecar: Path) -> Optional[Dict[str, Any]]:
    """Settings and entries of a shard; None if they are missing or damaged."""
    try:
        content = parse(sidecar.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("settings"), dict):
        return None
    return content if are_entries(content.get("videos")) else None


def _refused(line: bytes) -> Optional[UnusableVideo]:
    """The entry of a line of refused.jsonl; None where a disk has damaged it: that video is tried again."""
    with contextlib.suppress(ValueError):
        facts = json_text.parse(line)
        if is_line(facts) and {"again", "file"} <= facts.keys():
            entry = from_json(facts)
            return entry if isinstance(entry, UnusableVideo) else None
    return None
