"""Keeps the finished videos of an unfinished run beside its output, so that the run can resume.

    OUTPUT.partial    the records of an OUTPUT.tfrecord, in the order in which the videos were finished

It is all that a run needs to be taken up again. A torn or damaged record, as a killed run or a failing disk leaves it,
is cut off together with what follows: those videos are done again.
"""

import contextlib
import os
from pathlib import Path
from typing import Any, Dict, List

from google.protobuf.message import DecodeError

from elo_tf.config import InputError
from elo_tf.data.tfrecord import DamagedShardError, frame_record, read_shard
from elo_tf.embed.table import Entry, check_settings, from_records, serialize
from elo_tf.runtime import storage


class Partial:
    """The file, owned by one run until it is closed; a context manager.

    Attributes:
      kept: The videos that it held when it was opened.
    """

    def __init__(self, path: Path, settings: Dict[str, Any]):
        """
        Args:
          path: Made if missing.
          settings: Of this run.

        Raises:
          InputError: another run owns it, or it was begun with other settings, or by another program.
          OSError: it cannot be written.
        """
        self.path, self._settings = path, settings
        self._file = open(path, "a+b")
        self._held = contextlib.ExitStack()
        try:
            busy = f"another run writes {path}; wait for its end or choose another --output"
            self._held = storage.claim_named(self._file, path, busy)
            self.kept = self._read()
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, *_) -> None:
        if storage.is_named(self._file, self.path) and not self.path.stat().st_size:
            self.path.unlink()  # Nothing came of the run.
        self._close()

    def add(self, entry: Entry) -> None:
        """Appends a video. What is written survives the end of the program, however it comes."""
        self._file.write(frame_record(serialize(entry, self._settings)))
        self._file.flush()

    def remove(self) -> None:
        """Deletes the file: the output holds all of it."""
        self.path.unlink()

    def _close(self) -> None:
        self._held.close()
        self._file.close()

    def _read(self) -> List[Entry]:
        """What it holds; cuts off what is damaged."""
        payloads, size = [], 0
        try:
            for payload in read_shard(self.path):
                payloads.append(payload)
                size += len(frame_record(payload))
        except DamagedShardError:
            os.ftruncate(self._file.fileno(), size)
        try:
            table = from_records(payloads)
        except (ValueError, LookupError, DecodeError) as error:
            raise InputError(f"{self.path} is no part of an output ({error}); delete it") from None
        if table.entries:
            check_settings(self.path, table.settings, self._settings)
        return table.entries
