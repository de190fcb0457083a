"""The append-only record of a search, from which it resumes and its figures are drawn.

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

import contextlib
import dataclasses
import json
import os
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from elo_tf.config import InputError
from elo_tf.runtime import json_text, storage
from elo_tf.runtime.provenance import check_same
from elo_tf.search.journal.generation import Finalists, Generation, Result
from elo_tf.search.journal.history import VERSION, History
from elo_tf.search.journal.rungs import Rungs

_ABSENT = object()


class Journal:
    """The record of one search. `open` it to go on with the search, `read` it to look at it.

    Attributes:
      path: The file.
    """

    def __init__(self, path: str, descriptor: Optional[int] = None):
        self.path = path
        self._descriptor = descriptor
        self._held = contextlib.ExitStack()  # The claim of the file, while it is open for writing.
        self._history = History()

    @classmethod
    def open(cls, path: str, header: Mapping[str, Any], may_differ: Iterable[str] = ()) -> "Journal":
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
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        journal = cls(path, descriptor)
        try:
            journal._held = storage.claim(
                descriptor, path, f"{path} is in use by another search; wait for its end or use another run directory"
            )
            journal._load(cut=True)
            if journal.header:
                journal._check(header, may_differ)
            if not journal.header:
                journal._write({"record": "header", "version": VERSION, **header})
                storage.synchronise_entry(os.path.dirname(os.path.abspath(path)))
        except BaseException:
            journal.close()
            raise
        return journal

    def _check(self, header: Mapping[str, Any], may_differ: Iterable[str]) -> None:
        """Raises `InputError` where the journal was begun otherwise; empties it where it has asked for nothing yet.

        What is noted by then can be measured again, and what stopped that search at its start is perhaps mended by
        other settings.
        """
        try:
            # Through JSON and back, so that a tuple equals the list that it has become in the file.
            check_same(self.path, self.header, json.loads(json.dumps(header)), set(may_differ))
        except InputError:
            if self.last():
                raise
            os.ftruncate(self._descriptor, 0)
            self._history = History()

    @classmethod
    def read(cls, path: str) -> "Journal":
        """A journal to look at, while its search runs or afterwards; writing to it is an error.

        Raises:
          InputError: there is no such file, or it is damaged.
        """
        journal = cls(path)
        journal._load(cut=False)
        if not journal.header:
            raise InputError(f"{path} records no search; give the journal.jsonl of a run directory")
        return journal

    def close(self) -> None:
        """Lets other processes open the journal."""
        if self._descriptor is not None:
            self._held.close()
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def header(self) -> Dict[str, Any]:
        """What the search was begun with: seed, settings, names, schema, packages."""
        return self._history.header

    @property
    def names(self) -> Tuple[str, ...]:
        """Names of the λ, [G]."""
        return self._history.names

    @property
    def rungs(self) -> Rungs:
        """How long candidates are trained."""
        return self._history.rungs

    @property
    def notes(self) -> Dict[str, Any]:
        """Facts that were measured once for the whole search, by name."""
        return dict(self._history.notes)

    def generations(self) -> List[Generation]:
        """All that was asked, with the results so far."""
        return self._history.generations()

    def last(self) -> Optional[Generation]:
        """The generation asked for last; None before the first."""
        return self._history.last()

    def finalists(self) -> Optional[Finalists]:
        """Those named last, with the results so far; None before, and as soon as the search has gone on since."""
        return self._history.finalists()

    def results(self) -> List[Result]:
        """Of all runs, in the order in which they ended."""
        return self._history.results()

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
        record = self._history.next_asked(lambdas)
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
        record = self._history.next_finalists(candidates, lambdas, seeds)
        self._write(record)
        return tuple(record["candidates"])

    def tell(self, candidate: int, result: Result) -> None:
        """Records the result of a run of a candidate.

        Raises:
          ValueError: the run was not asked for or has a result, or a number is not finite.
        """
        self._write({"record": "told", "candidate": candidate, **dataclasses.asdict(result)})

    def _write(self, record: Dict[str, Any]) -> None:
        """Checks a record as reading would, and appends it: what cannot be read is not written."""
        if self._descriptor is None:
            raise ValueError(f"{self.path} is not open for writing")
        line = json.dumps(record, allow_nan=False)
        record = json.loads(line)
        self._history.check(record)
        self._append(line.encode() + b"\n")
        self._history.apply(record)

    def _append(self, line: bytes) -> None:
        """Adds a line whole or, where the disk is full, not at all."""
        size = os.fstat(self._descriptor).st_size
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            storage.synchronise(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            raise OSError(error.errno, error.strerror, self.path) from None

    def _load(self, cut: bool) -> None:
        """Reads the file; `cut` also removes a line that was not finished."""
        try:
            with open(self.path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            raise InputError(f"{self.path} does not exist; give the journal.jsonl of a run directory") from None
        finished = content.rfind(b"\n") + 1
        if cut and finished < len(content):
            os.ftruncate(self._descriptor, finished)
            storage.synchronise(self._descriptor)
        for number, line in enumerate(content[:finished].splitlines(), 1):
            try:
                record = json_text.parse(line, parse_constant=_refuse_constant)
                self._history.check(record)
            except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
                why = f"{type(error).__name__}: {error}"
                raise InputError(
                    f"{self.path}, line {number} is damaged ({why}); restore the file or use another run directory"
                ) from None
            self._history.apply(record)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
