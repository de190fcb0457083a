"""What a search has gone through: candidates asked for, results told, facts noted, and which record may follow which.

A history is built from records, the dictionaries that `elo_tf.journal` stores one a line. It refuses a record that
cannot come next, so that what was written can be read, and what is read was written.
"""

import dataclasses
import math
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

VERSION = 1


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


class History:
    """The state that a sequence of records amounts to.

    Attributes:
      header: What the search was begun with: seed, settings, names, schema, packages; empty before the first record.
      notes: Facts that were measured once for the whole search, by name.
    """

    def __init__(self):
        self.header: Dict[str, Any] = {}
        self.notes: Dict[str, Any] = {}
        self._asked: List[Tuple[Tuple[int, ...], np.ndarray]] = []
        self._told: Dict[int, Result] = {}
        self._candidates = 0

    @property
    def names(self) -> Tuple[str, ...]:
        """Names of the λ, [G]."""
        return tuple(self.header["names"])

    def generations(self) -> List[Generation]:
        """All that was asked, with the results so far."""
        return [
            Generation(index, candidates, lambdas.copy(), tuple(self._told.get(number) for number in candidates))
            for index, (candidates, lambdas) in enumerate(self._asked)
        ]

    def next_asked(self, lambdas: np.ndarray) -> Dict[str, Any]:
        """The record of a new generation, [n,G] λ, whose candidates go on from the last."""
        lambdas = np.asarray(lambdas, np.float64)
        candidates = list(range(self._candidates, self._candidates + len(lambdas)))
        return {
            "record": "asked",
            "generation": len(self._asked),
            "candidates": candidates,
            "lambdas": lambdas.tolist(),
        }

    def check(self, record: Mapping[str, Any]) -> None:
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
            if record["name"] in self.notes or "value" not in record:
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

    def apply(self, record: Dict[str, Any]) -> None:
        """Takes a record that was checked."""
        kind = record["record"]
        if kind == "header":
            self.header = {name: value for name, value in record.items() if name not in ("record", "version")}
        elif kind == "note":
            self.notes[record["name"]] = record["value"]
        elif kind == "asked":
            self._asked.append((tuple(record["candidates"]), np.array(record["lambdas"], np.float64)))
            self._candidates += len(record["candidates"])
        else:
            self._told[record["candidate"]] = _result(record)


def _result(record: Mapping[str, Any]) -> Result:
    return Result(**{field.name: record[field.name] for field in dataclasses.fields(Result)})
