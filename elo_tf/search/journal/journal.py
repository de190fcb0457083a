"""The append-only record of a search, from which it resumes and from which figures are drawn.

One JSON object a line. A generation is one line, so that it is recorded whole or not at all, and it is on disk before
any of its candidates runs:

    {"record": "header", "version": 2, "seed": 0, "settings": {...}, "names": [...], "schema": "...", "packages": {...}}
    {"record": "note", "name": "untrained", "value": {"zipf": 0.25, ...}}
    {"record": "asked", "generation": 0, "candidates": [0, 1], "lambdas": [[0.5, 0.1], [0.2, 0.9]]}
    {"record": "told", "candidate": 1, "steps": 6000, "seed": 0, "value": 0.31, "reason": null, "deviation": 0.01, ...}
    {"record": "finalists", "candidates": [1, 2], "lambdas": [[0.2, 0.9], [0.3, 0.3]], "seeds": [1001, 1002]}

λ stand in the order of `names`. Floats are written with as many digits as bring the same bits back. A line is written
and synchronised before the call returns. A search that was killed in mid-write leaves a line without its end, which is
cut off on the next opening; anything else that cannot be read is damage and an error.
"""

import json
import pathlib
from typing import Any, Collection, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from elo_tf.config import InputError
from elo_tf.runtime import json_text, storage
from elo_tf.runtime.append_only import AppendOnlyFile
from elo_tf.runtime.provenance import check_same
from elo_tf.search.journal.history import VERSION, History
from elo_tf.search.journal.result import TrialResult


class Journal(History):
    """The history of one search, and its file. `open` it to go on with the search, `read` it to look at it.

    Attributes:
      path: The file.
    """

    def __init__(self, path: str, file: Optional[AppendOnlyFile] = None):
        super().__init__()
        self.path = path
        self._file = file

    @classmethod
    def open(cls, path: str, header: Mapping[str, Any], may_differ: Collection[str] = ()) -> "Journal":
        """Begins a journal, or goes on with one; no other process can open it until it is closed.

        One of other settings that has asked for nothing yet is begun anew.

        Args:
          path: The file; its directory exists.
          header: Facts of the search by name, of JSON types; a dictionary in it (settings, packages) is compared entry
            by entry. `names` lists the λ.
          may_differ: Names of facts or settings that may have changed since the journal was begun, such as the number
            of generations. The header keeps their first values.

        Raises:
          InputError: the journal is in use, is damaged, or was begun with other settings.
          OSError: the file cannot be read or written.
        """
        busy = f"{path} is in use by another search; wait for its end or use another run directory"
        file = AppendOnlyFile(pathlib.Path(path), busy)
        try:
            journal = cls._continued(path, file, header, may_differ)
            if not journal.header:
                journal._write({"record": "header", "version": VERSION, **header})
                storage.synchronise_entry(file.path.absolute().parent)
        except BaseException:
            file.close()
            raise
        return journal

    @classmethod
    def _continued(
        cls, path: str, file: AppendOnlyFile, header: Mapping[str, Any], may_differ: Collection[str]
    ) -> "Journal":
        """The journal that the file has; an empty one, in an empty file, where it has asked for nothing yet.

        What is noted by then can be measured again, and what stopped that search at its start is perhaps mended by
        other settings.
        """
        journal = cls(path, file)
        journal._load(file.lines())
        try:
            if journal.header:
                # Through JSON and back, so that a tuple equals the list that it has become in the file.
                now = json.loads(json.dumps(header))
                check_same(path, journal.header, now, "restore the settings or use another run directory", may_differ)
        except InputError:
            if journal.last():
                raise
            file.cut(0)
            return cls(path, file)
        return journal

    @classmethod
    def read(cls, path: str) -> "Journal":
        """A journal to look at, while its search runs or afterwards; writing to it is an error.

        Raises:
          InputError: there is no such file, or it is damaged.
        """
        try:
            content = pathlib.Path(path).read_bytes()
        except FileNotFoundError:
            raise InputError(f"{path} does not exist; give the journal.jsonl of a run directory") from None
        journal = cls(path)
        journal._load(content[: content.rfind(b"\n") + 1].splitlines())
        if not journal.header:
            raise InputError(f"{path} records no search; give the journal.jsonl of a run directory")
        return journal

    def close(self) -> None:
        """Lets other processes open the journal."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def note(self, name: str, value: Any) -> None:
        """Records a fact of the whole search, of a JSON type, once."""
        self._write({"record": "note", "name": name, "value": value})

    def ask(self, lambdas: np.ndarray) -> Tuple[int, ...]:
        """Records a generation, before any of its candidates runs.

        Args:
          lambdas: [n,G] in [0,1].

        Returns:
          [n] numbers of the candidates.

        Raises:
          ValueError: the vectors have another length than the names, or leave [0,1].
        """
        record = self.next_asked(lambdas)
        self._write(record)
        return tuple(record["candidates"])

    def name_finalists(
        self, candidates: Sequence[Optional[int]], lambdas: np.ndarray, seeds: Sequence[int]
    ) -> Tuple[int, ...]:
        """Records the candidates among which fresh seeds decide, before any of them runs.

        Args:
          candidates: [n] numbers; None for a λ vector that was no candidate so far.
          lambdas: [n,G] in [0,1].
          seeds: Fresh ones, not that of the search.

        Returns:
          [n] numbers of the finalists.

        Raises:
          ValueError: there is no such candidate, or a seed is not fresh.
        """
        record = self.next_finalists(candidates, lambdas, seeds)
        self._write(record)
        return tuple(record["candidates"])

    def tell(self, candidate: int, result: TrialResult) -> None:
        """Records the result of a run of a candidate.

        Raises:
          ValueError: the run was not asked for or has a result, or a number is not finite.
        """
        self._write({"record": "told", "candidate": candidate, **result.to_json()})

    def _write(self, record: Dict[str, Any]) -> None:
        """Checks a record as reading would, and appends it: what cannot be read is not written."""
        if self._file is None:
            raise ValueError(f"{self.path} is not open for writing")
        line = json.dumps(record, allow_nan=False)
        record = json.loads(line)
        self.check(record)
        self._file.append(line.encode() + b"\n")
        self.apply(record)

    def _load(self, lines: Sequence[bytes]) -> None:
        """Takes the records of the file."""
        for number, line in enumerate(lines, 1):
            try:
                record = json_text.parse(line, parse_constant=_refuse_constant)
                self.check(record)
            except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
                why = f"{type(error).__name__}: {error}"
                raise InputError(
                    f"{self.path}, line {number} is damaged ({why}); restore the file or use another run directory"
                ) from None
            self.apply(record)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
