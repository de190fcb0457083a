"""The append-only record of a search, from which it resumes and its figures are drawn.

One JSON object a line. A generation is one line, so that it is recorded whole or not at all, and it is on disk before
any of its candidates runs:

    {"record": "header", "version": 1, "seed": 0, "settings": {...}, "names": [...], "schema": "...", "packages": {...}}
    {"record": "note", "name": "untrained_agreement", "value": 0.25}
    {"record": "asked", "generation": 0, "candidates": [0, 1], "lambdas": [[0.5, 0.1], [0.2, 0.9]]}
    {"record": "told", "candidate": 1, "value": 0.31, "reason": null, "deviation": 0.01, "restarts": 20, ...}

λ stand in the order of `names`. Floats are written with as many digits as bring the same bits back. A line is written
and synchronised before the call returns. A search that was killed in mid-write leaves a line without its end, which is
cut off on the next opening; anything else that cannot be read is damage and an error.
"""

import dataclasses
import fcntl
import json
import math
import os
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set, Tuple

import numpy as np

from elo_tf.config import InputError

VERSION = 1

_ABSENT = object()


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a candidate.

    Attributes:
      value: Fitness, to be minimised; None where the candidate is infeasible.
      reason: Why it is infeasible; None where it has a value.
      deviation: Standard deviation of the value over its restarts; None without a value.
      restarts: k-means runs behind the value.
      diagnostics: Whatever else was measured, finite.
      seconds: Wall time of training and scoring.
    """

    value: Optional[float]
    reason: Optional[str]
    deviation: Optional[float]
    restarts: int
    diagnostics: Mapping[str, float]
    seconds: float


@dataclasses.dataclass(frozen=True)
class Generation:
    """Candidates that were asked for together.

    Attributes:
      index: Number of the generation, from 0.
      candidates: [n], numbers of its candidates, running through the whole search.
      lambdas: [n,G] float64 in [0,1].
      results: [n], None for a candidate without a result so far.
    """

    index: int
    candidates: Tuple[int, ...]
    lambdas: np.ndarray
    results: Tuple[Optional[Result], ...]

    @property
    def complete(self) -> bool:
        """Whether all candidates have a result."""
        return all(result is not None for result in self.results)

    def fitness(self) -> Optional[np.ndarray]:
        """[n] float64 with inf where a candidate is infeasible; None while the generation is not complete."""
        if not self.complete:
            return None
        return np.array([math.inf if result.value is None else result.value for result in self.results])


class Journal:
    """The record of one search. `open` it to go on with the search, `read` it to look at it.

    Attributes:
      path: The file.
      header: What the search was begun with: seed, settings, names, schema, packages.
    """

    def __init__(self, path: str, descriptor: Optional[int] = None):
        self.path = path
        self.header: Dict[str, Any] = {}
        self._descriptor = descriptor
        self._asked: List[Tuple[Tuple[int, ...], np.ndarray]] = []
        self._told: Dict[int, Result] = {}
        self._notes: Dict[str, Any] = {}
        self._candidates = 0

    @classmethod
    def open(cls, path: str, header: Mapping[str, Any], may_differ: Iterable[str] = ()) -> "Journal":
        """Begins a journal, or goes on with one; no other process can open it until it is closed.

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
            _lock(descriptor, path)
            journal._load(cut=True)
            if journal.header:
                # Through JSON and back, so that a tuple equals the list that it has become in the file.
                _check_same(path, journal.header, json.loads(json.dumps(header)), set(may_differ))
            else:
                journal._write({"record": "header", "version": VERSION, **header})
                _synchronise_directory(path)
        except BaseException:
            journal.close()
            raise
        return journal

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
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def names(self) -> Tuple[str, ...]:
        """Names of the λ, [G]."""
        return tuple(self.header["names"])

    @property
    def notes(self) -> Dict[str, Any]:
        """Facts that were measured once for the whole search, by name."""
        return dict(self._notes)

    def generations(self) -> List[Generation]:
        """All that was asked, with the results so far."""
        return [
            Generation(index, candidates, lambdas.copy(), tuple(self._told.get(number) for number in candidates))
            for index, (candidates, lambdas) in enumerate(self._asked)
        ]

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
        lambdas = np.asarray(lambdas, np.float64)
        candidates = tuple(range(self._candidates, self._candidates + len(lambdas)))
        self._write(
            {
                "record": "asked",
                "generation": len(self._asked),
                "candidates": list(candidates),
                "lambdas": lambdas.tolist(),
            }
        )
        return candidates

    def tell(self, candidate: int, result: Result) -> None:
        """Records the result of a candidate.

        Raises:
          ValueError: the candidate was not asked for or has a result, or a number is not finite.
        """
        self._write({"record": "told", "candidate": candidate, **dataclasses.asdict(result)})

    def _write(self, record: Dict[str, Any]) -> None:
        """Checks a record as reading would, and appends it: what cannot be read is not written."""
        if self._descriptor is None:
            raise ValueError(f"{self.path} is not open for writing")
        line = json.dumps(record, allow_nan=False)
        record = json.loads(line)
        self._check(record)
        self._append(line.encode() + b"\n")
        self._apply(record)

    def _append(self, line: bytes) -> None:
        """Adds a line whole or, where the disk is full, not at all."""
        size = os.fstat(self._descriptor).st_size
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise

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
            os.fsync(self._descriptor)
        for number, line in enumerate(content[:finished].splitlines(), 1):
            try:
                record = json.loads(line, parse_constant=_refuse_constant)
                self._check(record)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                why = f"{type(error).__name__}: {error}"
                raise InputError(
                    f"{self.path}, line {number} is damaged ({why}); restore the file or use another run directory"
                ) from None
            self._apply(record)

    def _check(self, record: Mapping[str, Any]) -> None:
        """Raises `ValueError` (or `KeyError`, `TypeError` on what is no record) where a record cannot come next."""
        kind = record["record"]
        if (kind == "header") != (not self.header):
            raise ValueError("the header comes first, once")
        if kind == "header":
            if record["version"] != VERSION:
                raise ValueError(f"version {record['version']} is not the version {VERSION} that is understood here")
            if not record["names"]:
                raise ValueError("no λ is named")
        elif kind == "note":
            if record["name"] in self._notes or "value" not in record:
                raise ValueError(f"note {record['name']!r} is there already, or has no value")
        elif kind == "asked":
            self._check_asked(record)
        elif kind == "told":
            self._check_told(record)
        else:
            raise ValueError(f"{kind!r} is no kind of record")

    def _check_asked(self, record: Dict[str, Any]) -> None:
        lambdas = np.array(record["lambdas"], np.float64)
        if record["generation"] != len(self._asked):
            raise ValueError(f"generation {record['generation']} does not follow {len(self._asked) - 1}")
        if lambdas.ndim != 2 or not len(lambdas) or lambdas.shape[1] != len(self.names):
            raise ValueError(f"λ of shape {lambdas.shape} for {len(self.names)} names")
        if not ((lambdas >= 0) & (lambdas <= 1)).all():
            raise ValueError("a λ is outside of [0,1]")
        if record["candidates"] != list(range(self._candidates, self._candidates + len(lambdas))):
            raise ValueError(f"candidates do not go on from {self._candidates}")

    def _check_told(self, record: Dict[str, Any]) -> None:
        candidate, result = record["candidate"], _result(record)
        if not isinstance(candidate, int) or not 0 <= candidate < self._candidates:
            raise ValueError(f"candidate {candidate} was not asked for")
        if candidate in self._told:
            raise ValueError(f"candidate {candidate} has a result already")
        if (result.value is None) != bool(result.reason) or (result.value is None) != (result.deviation is None):
            raise ValueError(f"candidate {candidate} needs either a value and its deviation or a reason")
        for number in (result.value or 0.0, result.deviation or 0.0, result.seconds, *result.diagnostics.values()):
            if not math.isfinite(number):
                raise ValueError(f"candidate {candidate} has a number that is not finite")

    def _apply(self, record: Dict[str, Any]) -> None:
        """Takes a record that was checked."""
        kind = record["record"]
        if kind == "header":
            self.header = {name: value for name, value in record.items() if name not in ("record", "version")}
        elif kind == "note":
            self._notes[record["name"]] = record["value"]
        elif kind == "asked":
            self._asked.append((tuple(record["candidates"]), np.array(record["lambdas"], np.float64)))
            self._candidates += len(record["candidates"])
        else:
            self._told[record["candidate"]] = _result(record)


def _result(record: Mapping[str, Any]) -> Result:
    return Result(**{field.name: record[field.name] for field in dataclasses.fields(Result)})


def _lock(descriptor: int, path: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            f"{path} is in use by another search; wait for its end or use another run directory"
        ) from None


def _synchronise_directory(path: str) -> None:
    """Makes the name of a new file as durable as its content."""
    directory = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _flat(header: Mapping[str, Any]) -> Dict[str, Any]:
    """The facts of a header by name, those in dictionaries by their own names."""
    flat = {}
    for name, value in header.items():
        flat.update(value if isinstance(value, dict) else {name: value})
    return flat


def _check_same(path: str, before: Mapping[str, Any], now: Mapping[str, Any], may_differ: Set[str]) -> None:
    """Raises `InputError` where a search would go on with other settings."""
    before, now = _flat(before), _flat(now)
    differences = [
        f"{name}: was {before.get(name, 'absent')}, now {now.get(name, 'absent')}"
        for name in {**before, **now}
        if name not in may_differ and before.get(name, _ABSENT) != now.get(name, _ABSENT)
    ]
    if differences:
        raise InputError(
            f"{path} was begun otherwise ({'; '.join(differences)}); restore the settings or use another run directory"
        )
