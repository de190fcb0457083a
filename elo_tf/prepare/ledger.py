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
import shutil
from pathlib import Path
from typing import Any, Collection, Dict, Iterable, List, Optional, Sequence

from google.protobuf.message import DecodeError

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.manifest_lines import are_lines
from elo_tf.data.records import ID, MANIFEST, SPLITS, DamagedManifestError, Manifest, as_lines, source_of
from elo_tf.data.tfrecord import DamagedShardError, SequenceExample, ShardWriter, read_shard
from elo_tf.decoding.decode import sound_grid
from elo_tf.runtime import json_text, storage

# The settings that change records. The others (limits, size of shards) may differ from run to run.
_LASTING = ("size", "fps", "flow", "flow_bound", "max_seconds", "jpeg_quality", "labels", "holdout_fraction")
# Those that came later, with what records without them were made with.
_LATER = {"label_level": 0, "held_out": "hash", "segment_seconds": 0.0}


class Ledger:
    """A records folder while a conversion owns it; a context manager that holds the lock.

    Attributes:
      partial: Folder for shards in the making, on the same file system.
      converted: Line of the manifest by id, of each video in a finished shard.
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
        self.converted: Dict[str, Dict[str, Any]] = {}
        self.refused: Dict[str, Dict[str, Any]] = {}
        self.set_aside: Dict[str, int] = {}
        settings = dataclasses.asdict(config)
        self._settings = {name: settings[name] for name in _LASTING}
        # `auto` is what records have where nobody has looked at the folders.
        later = {name: settings[name] for name, usual in _LATER.items() if settings[name] not in (usual, "auto")}
        self._settings.update(later)
        self._grid = sound_grid(config.fps)
        self._next = dict.fromkeys(SPLITS, 0)
        self._lock = lock(folder)
        try:
            shutil.rmtree(self.partial, ignore_errors=True)
            self.partial.mkdir()
            self._read()
            self._journal = open(folder / "refused.jsonl", "a", encoding="ascii")
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_) -> None:
        self._journal.close()
        shutil.rmtree(self.partial, ignore_errors=True)
        self._lock.close()

    def commit(self, shard: Path, split: str, lines: List[Dict[str, Any]]) -> None:
        """Puts a finished shard in place, under the next free number of its split."""
        name = f"{split}-{self._next[split]:05d}"
        self._next[split] += 1
        lines = [{**line, "shard": f"{name}.tfrecord"} for line in lines]
        os.replace(shard, self.folder / f"{name}.tfrecord")
        self._write_lines(self.folder / f"{name}.tfrecord", lines)
        for line in lines:
            self.converted[line["id"]] = line
            self.refused.pop(source_of(line), None)

    def sources(self) -> Dict[str, List[str]]:
        """Converted videos, with the ids of their records: more than one where a video was cut into parts."""
        found: Dict[str, List[str]] = {}
        for record, line in self.converted.items():
            found.setdefault(source_of(line), []).append(record)
        return found

    def amend(self, changes: Dict[str, Dict[str, Any]]) -> None:
        """Adds to the lines of converted videos: of each id, what is to be added."""
        for shard, lines in self._lines_of(changes).items():
            for line in lines:
                line.update(changes.get(line["id"], {}))
            self._write_lines(self.folder / shard, lines)

    def retire(self, records: Collection[str]) -> None:
        """Takes records out of their shards, by their ids; all of those of a shard that turns out to be damaged."""
        for shard, lines in self._lines_of(records).items():
            kept = [line for line in lines if line["id"] not in records]
            for line in lines:
                del self.converted[line["id"]]
            self._write_lines(self.folder / shard, kept, [line["id"] for line in lines if line["id"] in records])
            self._remove_surplus(self.folder / shard, kept)

    def _lines_of(self, records: Collection[str]) -> Dict[str, List[Dict[str, Any]]]:
        """All lines of each shard that has one of these records."""
        found: Dict[str, List[Dict[str, Any]]] = {self.converted[record]["shard"]: [] for record in records}
        for line in self.converted.values():
            if line["shard"] in found:
                found[line["shard"]].append(line)
        return found

    def _write_lines(self, shard: Path, lines: List[Dict[str, Any]], surplus: Sequence[str] = ()) -> None:
        head = {"settings": self._settings, **({"surplus": list(surplus)} if surplus else {})}
        storage.write_text(shard.with_suffix(".json"), as_lines(head, lines))

    def _remove_surplus(self, shard: Path, lines: List[Dict[str, Any]]) -> None:
        """Writes a shard anew with the records of these lines alone, which are converted then."""
        wanted = {os.fsencode(line["id"]) for line in lines}
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
        self._write_lines(shard, lines)
        self.converted.update((line["id"], line) for line in lines)

    def refuse(self, line: Dict[str, Any]) -> None:
        """Notes an unusable video."""
        self._journal.write(json.dumps(line) + "\n")
        self._journal.flush()
        self.refused[line["id"]] = line

    def forget_refused(self, present: Collection[str]) -> None:
        """Drops the lines of unusable videos that are no longer in the folder of videos."""
        self.refused = {video: line for video, line in self.refused.items() if video in present}

    def write_manifest(self, complete: bool) -> Manifest:
        """Merges all lines into manifest.json."""
        videos = sorted((*self.converted.values(), *self.refused.values()), key=lambda line: line["id"])
        manifest = Manifest(self._settings, *self._grid, videos, complete, str(self.folder), self.set_aside)
        manifest.save()
        return manifest

    def _read(self) -> None:
        if (self.folder / MANIFEST).exists():
            with contextlib.suppress(DamagedManifestError):  # It is made anew of the rest.
                self._check_settings(self.folder / MANIFEST, Manifest.load(str(self.folder)).settings)
        for left in self.folder.glob(".*-*.json.*.partial"):
            left.unlink()  # Of a conversion that was killed: the lock is ours.
        for line in _whole_lines(self.folder / "refused.jsonl"):
            self.refused[line["id"]] = line
        for split in SPLITS:
            for shard in sorted(self.folder.glob(f"{split}-*.tfrecord")):
                self._next[split] = max(self._next[split], int(shard.stem.rpartition("-")[2]) + 1)
                self._read_shard(shard)
            for sidecar in self.folder.glob(f"{split}-*.json"):
                if not sidecar.with_suffix(".tfrecord").exists():
                    sidecar.unlink()
        for video in self.sources():
            self.refused.pop(video, None)

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
            self.converted.update((line["id"], line) for line in content["videos"])

    def _check_settings(self, path: Path, found: Dict[str, Any]) -> None:
        now, then = {**_LATER, **self._settings}, {**_LATER, **found}
        differences = [
            f"--{name}={then.get(name)}, now {value}" for name, value in now.items() if then.get(name) != value
        ]
        if differences:
            raise InputError(
                f"the records in {path.parent} were made with {'; '.join(differences)}: "
                "give the same settings, or another folder as --records"
            )


def lock(folder: Path):
    """The lock of a records folder, as `storage.claim_folder` returns it.

    Raises:
      InputError: it is held by another program.
    """
    return storage.claim_folder(
        folder, f"another program writes into {folder}; wait for its end or choose other --records"
    )


def earlier_settings(folder: Path) -> Optional[Dict[str, Any]]:
    """The lasting settings of the records in a folder; None if there are none."""
    with contextlib.suppress(InputError):
        return Manifest.load(str(folder)).settings
    found = (_read_lines(sidecar) for split in SPLITS for sidecar in folder.glob(f"{split}-*.json"))
    return next((content["settings"] for content in found if content), None)


def _read_lines(sidecar: Path) -> Optional[Dict[str, Any]]:
    """Settings and lines of a shard; None if they are missing or damaged."""
    try:
        content = json_text.parse(sidecar.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None
    whole = isinstance(content, dict) and isinstance(content.get("settings"), dict) and are_lines(content.get("videos"))
    return content if whole else None


def _whole_lines(journal: Path) -> Iterable[Dict[str, Any]]:
    """The lines of a journal; the last one may be torn, if its writer was killed, and others damaged."""
    if not journal.exists():
        return
    for text in journal.read_text(encoding="ascii", errors="replace").split("\n"):
        try:
            line = json_text.parse(text)
        except ValueError:
            continue
        if are_lines([line]) and {"again", "file"} <= line.keys():
            yield line
