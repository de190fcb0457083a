"""The files of a records folder, written so that an interrupted conversion can resume.

train-00000.tfrecord   a finished shard, put in place by a rename
train-00000.json       its videos, one line each; written after the shard, so that a shard without it is a leftover
refused.jsonl          one line an unusable video, appended as they come
manifest.json          all of the above merged, for readers
.partial/              shards that workers write now; emptied by the next conversion
.lock                  held by the conversion that runs
"""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any, Collection, Dict, Iterable, List

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import MANIFEST, SPLITS, Manifest, as_lines
from elo_tf.decoding.decode import sound_grid
from elo_tf.runtime import storage

# The settings that change records. The others (limits, size of shards) may differ from run to run.
_LASTING = ("size", "fps", "flow", "flow_bound", "max_seconds", "jpeg_quality", "labels", "holdout_fraction")


class Ledger:
    """A records folder while a conversion owns it; a context manager that holds the lock.

    Attributes:
      partial: Folder for shards in the making, on the same file system.
      converted: Line of the manifest by id, of each video in a finished shard.
      refused: The same of each unusable video.
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
        self._settings = {name: dataclasses.asdict(config)[name] for name in _LASTING}
        self._grid = sound_grid(config.fps)
        self._next = dict.fromkeys(SPLITS, 0)
        self._lock = lock(folder)
        try:
            self._read()
            shutil.rmtree(self.partial, ignore_errors=True)
            self.partial.mkdir()
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
        storage.write_text(self.folder / f"{name}.json", as_lines({"settings": self._settings}, lines))
        for line in lines:
            self.converted[line["id"]] = line
            self.refused.pop(line["id"], None)

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
        manifest = Manifest(self._settings, *self._grid, videos, complete, str(self.folder))
        manifest.save()
        return manifest

    def _read(self) -> None:
        if (self.folder / MANIFEST).exists():
            self._check_settings(self.folder / MANIFEST, Manifest.load(str(self.folder)).settings)
        for line in _whole_lines(self.folder / "refused.jsonl"):
            self.refused[line["id"]] = line
        for split in SPLITS:
            for shard in sorted(self.folder.glob(f"{split}-*.tfrecord")):
                self._next[split] = max(self._next[split], int(shard.stem.rpartition("-")[2]) + 1)
                sidecar = shard.with_suffix(".json")
                if not sidecar.exists():
                    shard.unlink()
                    continue
                content = json.loads(sidecar.read_text(encoding="ascii"))
                self._check_settings(sidecar, content["settings"])
                self.converted.update((line["id"], line) for line in content["videos"])
            for sidecar in self.folder.glob(f"{split}-*.json"):
                if not sidecar.with_suffix(".tfrecord").exists():
                    sidecar.unlink()
        for video in self.converted:
            self.refused.pop(video, None)

    def _check_settings(self, path: Path, found: Dict[str, Any]) -> None:
        differences = [
            f"--{name}={found.get(name)}, now {value}"
            for name, value in self._settings.items()
            if found.get(name) != value
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


def _whole_lines(journal: Path) -> Iterable[Dict[str, Any]]:
    """The lines of a journal; the last one may be torn, if its writer was killed."""
    if not journal.exists():
        return
    for text in journal.read_text(encoding="ascii").split("\n"):
        try:
            yield json.loads(text)
        except ValueError:
            continue
