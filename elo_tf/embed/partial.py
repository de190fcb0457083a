"""Keeps the finished videos of an unfinished run beside its output, so that the run can resume.

    OUTPUT.partial    the records of an OUTPUT.tfrecord, in the order in which the videos were finished

It is all that a run needs to be taken up again. A torn or damaged record, as a killed run or a failing disk leaves it,
is cut off together with what follows: those videos are done again.
"""

from pathlib import Path
from typing import Any, Dict, List

from google.protobuf.message import DecodeError

from elo_tf.config import InputError
from elo_tf.data.tfrecord import DamagedShardError, frame_record, read_shard
from elo_tf.embed.table import Entry, check_settings, from_records, serialize
from elo_tf.runtime.append_only import AppendOnlyFile


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
        self._settings = settings
        busy = f"another run writes {path}; wait for its end or choose another --output"
        self._file = AppendOnlyFile(path, busy)
        try:
            self.kept = self._read(path)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._file.is_in_place() and not self._file.size:
            self.remove()  # Nothing came of the run.
        self._file.close()

    def add(self, entry: Entry) -> None:
        """Appends a video. What is written survives the end of the program, however it comes."""
        # Not synchronised: what a crash of the machine takes away is embedded again.
        self._file.append(frame_record(serialize(entry, self._settings)), synchronise=False)

    def remove(self) -> None:
        """Deletes the file: the output holds all of it."""
        self._file.path.unlink()

    def _read(self, path: Path) -> List[Entry]:
        """What it holds; cuts off what is damaged."""
        payloads, size = [], 0
        try:
            for payload in read_shard(path):
                payloads.append(payload)
                size += len(frame_record(payload))
        except DamagedShardError:
            self._file.cut(size)
        try:
            table = from_records(payloads)
        except (ValueError, LookupError, DecodeError) as error:
            raise InputError(f"{path} is not part of an output ({error}); delete it") from None
        if table.entries:
            check_settings(path, table.settings, self._settings)
        return table.entries
