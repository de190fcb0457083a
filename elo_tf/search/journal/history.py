"""The history of a search: its records so far, and the check that a new one may follow.

A history is built from records, the dictionaries that `journal.Journal`, a history on disk, stores one a line. It
refuses one that cannot come next, so that what was written can be read, and what is read was written.
"""

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from elo_tf.runtime import json_text
from elo_tf.runtime.json_text import NUMBER, Kind
from elo_tf.search.journal.generation import Finalists, Generation
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.journal.rungs import Rungs

VERSION = 2

# Settings that are looked at when a journal is read.
_READ: Dict[str, Kind] = {
    "steps": int, "rungs": int, "reduction": NUMBER, "fitness": str, "agree_with": str, "zipf_exponent": NUMBER,
    "min_deviation": NUMBER,
}  # fmt: skip
_TOLD: Dict[str, Kind] = {
    "steps": int, "seed": int, "value": (*NUMBER, None), "reason": (str, None), "deviation": (*NUMBER, None),
    "restarts": int, "diagnostics": dict, "seconds": NUMBER, "attempts": int, "failed": bool,
}  # fmt: skip

# A run of a candidate: its number, its training steps, and the seed of the order of its clips.
Run = Tuple[int, int, int]


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
        self._finalists: Optional[Tuple[Tuple[int, ...], np.ndarray, Tuple[int, ...], int]] = None
        self._told: Dict[Run, TrialResult] = {}
        self._candidates = 0

    @property
    def names(self) -> Tuple[str, ...]:
        """Names of the λ, [G]."""
        return tuple(self.header["names"])

    @property
    def rungs(self) -> Rungs:
        """How long candidates are trained."""
        return _rungs(self.header)

    def generations(self) -> List[Generation]:
        """All that was asked, with the results so far."""
        return [self.generation(index) for index in range(len(self._asked))]

    def last(self) -> Optional[Generation]:
        """The generation asked for last."""
        return self.generation(len(self._asked) - 1) if self._asked else None

    def generation(self, index: int) -> Generation:
        """The generation of this number, from 0."""
        candidates, lambdas = self._asked[index]
        rungs, seed = self.rungs, self.header["seed"]
        keys = [[(number, steps, seed) for steps in rungs.steps] for number in candidates]
        runs = tuple(tuple(self._told[key] for key in own if key in self._told) for own in keys)
        return Generation(index, candidates, lambdas.copy(), runs, rungs)

    def finalists(self) -> Optional[Finalists]:
        """Those named last, with the results so far; None before, and as soon as the search has gone on since."""
        if self._finalists is None or self._finalists[3] < len(self._asked):
            return None
        candidates, lambdas, seeds, _ = self._finalists
        steps = self.rungs.steps[-1]
        runs = tuple(tuple(self._told.get((number, steps, seed)) for seed in seeds) for number in candidates)
        return Finalists(candidates, lambdas.copy(), seeds, steps, runs)

    def results(self) -> List[TrialResult]:
        """Of all runs, in the order in which they ended."""
        return list(self._told.values())

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

    def next_finalists(
        self, candidates: Sequence[Optional[int]], lambdas: np.ndarray, seeds: Sequence[int]
    ) -> Dict[str, Any]:
        """The record of finalists; None in place of a number stands for a candidate that is new."""
        numbers, following = [], self._candidates
        for candidate in candidates:
            numbers.append(following if candidate is None else candidate)
            following += candidate is None
        lambdas = np.asarray(lambdas, np.float64).tolist()
        return {"record": "finalists", "candidates": numbers, "lambdas": lambdas, "seeds": list(seeds)}

    def check(self, record: Mapping[str, Any]) -> None:
        """Raises `ValueError` (or `KeyError`, `TypeError` on what is no record) where a record cannot come next."""
        kind = record["record"]
        if (kind == "header") != (not self.header):
            raise ValueError("the header comes first, once")
        if kind == "header":
            if record["version"] != VERSION:
                raise ValueError(f"version {record['version']} is not the version {VERSION} that is understood here")
            _check_header(record)
        elif kind == "note":
            json_text.check(record, {"name": str})
            if record["name"] in self.notes or "value" not in record:
                raise ValueError(f"note {record['name']!r} is there already, or has no value")
            if not _is_of_numbers(record["value"]):
                raise ValueError(f"note {record['name']!r} has something that is no number")
        elif kind == "asked":
            self._check_asked(record)
        elif kind == "finalists":
            self._check_finalists(record)
        elif kind == "told":
            self._check_told(record)
        else:
            raise ValueError(f"{kind!r} is no kind of record")

    def _check_asked(self, record: Mapping[str, Any]) -> None:
        if record["generation"] != len(self._asked):
            raise ValueError(f"generation {record['generation']} does not follow {len(self._asked) - 1}")
        self._check_lambdas(record)
        if record["candidates"] != list(range(self._candidates, self._candidates + len(record["lambdas"]))):
            raise ValueError(f"candidates do not go on from {self._candidates}")

    def _check_lambdas(self, record: Mapping[str, Any]) -> None:
        lambdas = np.array(record["lambdas"], np.float64)
        if lambdas.ndim != 2 or not len(lambdas) or lambdas.shape[1] != len(self.names):
            raise ValueError(f"λ of shape {lambdas.shape} for {len(self.names)} names")
        if not ((lambdas >= 0) & (lambdas <= 1)).all():
            raise ValueError("a λ is outside of [0,1]")
        if len(lambdas) != len(record["candidates"]):
            raise ValueError(f"{len(lambdas)} λ vectors for {len(record['candidates'])} candidates")

    def _check_finalists(self, record: Mapping[str, Any]) -> None:
        self._check_lambdas(record)
        new = [number for number in record["candidates"] if number >= self._candidates]
        if new != list(range(self._candidates, self._candidates + len(new))) or min(record["candidates"]) < 0:
            raise ValueError(f"finalists {record['candidates']} do not go on from {self._candidates}")
        seeds = record["seeds"]
        if not seeds or len(set(seeds)) < len(seeds) or self.header["seed"] in seeds:
            raise ValueError(f"seeds {seeds} are not fresh")

    def _check_told(self, record: Mapping[str, Any]) -> None:
        json_text.check(record, _TOLD)
        candidate, result = record["candidate"], TrialResult.from_json(record)
        if not isinstance(candidate, int) or not 0 <= candidate < self._candidates:
            raise ValueError(f"candidate {candidate} was not asked for")
        if (candidate, result.steps, result.seed) in self._told:
            raise ValueError(f"candidate {candidate} has a result already")
        fitness = result.fitness
        if (fitness.value is None) != bool(fitness.reason):
            raise ValueError(f"candidate {candidate} needs either a value or a reason")
        if (fitness.value is None) != (fitness.deviation is None) and (fitness.value is None or fitness.restarts > 1):
            raise ValueError(f"candidate {candidate} needs a deviation with a value of several restarts alone")
        for number in fitness.diagnostics.values():
            if not isinstance(number, (int, float)) or not math.isfinite(number):
                raise ValueError(f"candidate {candidate} has a number that is not finite")
        if result.seed == self.header["seed"]:
            generation = self._generation_of(candidate)
            due = [(generation.candidates[place], steps) for place, steps in generation.due()] if generation else []
            if (candidate, result.steps) not in due:
                raise ValueError(f"candidate {candidate} was not to be trained for {result.steps} steps")
        elif not self._finalists or candidate not in self._finalists[0] or result.seed not in self._finalists[2]:
            raise ValueError(f"candidate {candidate} was not to be trained with seed {result.seed}")

    def _generation_of(self, candidate: int) -> Optional[Generation]:
        """The generation of a candidate, looked for from the last."""
        for index in reversed(range(len(self._asked))):
            if candidate in self._asked[index][0]:
                return self.generation(index)
        return None

    def apply(self, record: Dict[str, Any]) -> None:
        """Takes a record that was checked."""
        kind = record["record"]
        if kind == "header":
            self.header = {name: value for name, value in record.items() if name not in ("record", "version")}
        elif kind == "note":
            self.notes[record["name"]] = record["value"]
        elif kind == "told":
            result = TrialResult.from_json(record)
            self._told[record["candidate"], result.steps, result.seed] = result
        else:
            candidates, lambdas = tuple(record["candidates"]), np.array(record["lambdas"], np.float64)
            if kind == "asked":
                self._asked.append((candidates, lambdas))
            else:
                self._finalists = candidates, lambdas, tuple(record["seeds"]), len(self._asked)
            self._candidates = max(self._candidates, max(candidates) + 1)


def _check_header(record: Mapping[str, Any]) -> None:
    json_text.check(record, {"seed": int, "settings": dict, "names": list})
    if not record["names"]:
        raise ValueError("no λ is named")
    if not all(isinstance(name, str) for name in record["names"]):
        raise ValueError("the name of a λ is no text")
    settings = record["settings"]
    json_text.check(settings, {name: kind for name, kind in _READ.items() if name in settings or name == "steps"})
    _rungs(record)


def _rungs(header: Mapping[str, Any]) -> Rungs:
    settings = header["settings"]
    return Rungs.of(settings["steps"], settings.get("rungs", 1), settings.get("reduction", 3))


def _is_of_numbers(value: Any) -> bool:
    """Whether it is a number, or numbers by name and in lists."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return all(map(_is_of_numbers, value))
    return json_text.is_kind(value, NUMBER)
