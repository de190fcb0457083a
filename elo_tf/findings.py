"""What a search has found, read from its journal: its candidates in order, those that tie, all of it as a short table.

A value is the mean of R k-means runs, so that its standard error is s.d. / sqrt(R). That is the noise of the clustering
alone: the same loss trained from other initial weights differs by more.
"""

import collections
import math
import pathlib
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from elo_tf.history import Generation, Result
from elo_tf.journal import Journal

# Differences below this many standard errors are not told apart.
TIE_ERRORS = 2.0


class Ranked(NamedTuple):
    """A feasible candidate.

    Attributes:
      candidate: Its number, from 0 through the whole search.
      round: Generation that it belongs to.
      lambdas: [G] float64 in [0,1].
      result: With a value.
      tie: Whether it ties with the best, as the best does with itself.
    """

    candidate: int
    round: int
    lambdas: np.ndarray
    result: Result
    tie: bool


def best_result(generations: List[Generation]):
    """(generation, place in it, result) of the lowest fitness, the earliest where several are equal; None if none."""
    best = None
    for generation in generations:
        for place, result in enumerate(generation.results):
            if result is not None and result.value is not None and (best is None or result.value < best[2].value):
                best = (generation, place, result)
    return best


def standard_error(result: Result) -> float:
    """Standard error of the value over the k-means restarts; of a result that has a value."""
    return result.deviation / math.sqrt(result.restarts)


def ties(results: Sequence[Optional[Result]]) -> List[int]:
    """Places of the results that cannot be told from the best, the best among them, ascending.

    A tie differs from the lowest value by less than two standard errors of the difference, √(s.e.² + s.e.²), or not at
    all. Results without a value, and missing ones, are no ties.
    """
    valued = [(place, result) for place, result in enumerate(results) if result and result.value is not None]
    if not valued:
        return []
    _, best = min(valued, key=lambda each: each[1].value)

    def is_tie(result: Result) -> bool:
        error = math.hypot(standard_error(result), standard_error(best))
        return result.value == best.value or result.value - best.value < TIE_ERRORS * error

    return [place for place, result in valued if is_tie(result)]


def ranking(generations: Sequence[Generation]) -> List[Ranked]:
    """The feasible candidates, the lowest value first, the earlier of equals first."""
    asked = [each for generation in generations for each in _asked(generation)]
    tied = set(ties([result for *_, result in asked]))
    feasible = [
        Ranked(*each, place in tied) for place, each in enumerate(asked) if each[-1] and each[-1].value is not None
    ]
    return sorted(feasible, key=lambda each: each.result.value)


def _asked(generation: Generation) -> List[Tuple[int, int, np.ndarray, Optional[Result]]]:
    rounds = [generation.index] * len(generation.candidates)
    return list(zip(generation.candidates, rounds, generation.lambdas, generation.results))


def reasons(results: Sequence[Optional[Result]]) -> List[Tuple[str, int, str]]:
    """(kind, count, first reason) of the infeasible results, the most frequent first; a kind ends at the colon."""
    found: Dict[str, List[str]] = collections.defaultdict(list)
    for result in results:
        if result and result.value is None:
            found[result.reason.split(":")[0]].append(result.reason)
    return sorted(((kind, len(each), each[0]) for kind, each in found.items()), key=lambda row: -row[1])


def heaviest(lambdas: np.ndarray, names: Sequence[str], codes: Mapping[str, str]) -> List[str]:
    """The terms of a loss, each as code and λ, the heaviest first."""
    return [f"{codes.get(names[i], names[i])} {lambdas[i]:.2f}" for i in np.argsort(-lambdas, kind="stable")]


def summary(journal: Journal, codes: Mapping[str, str]) -> List[Tuple[str, str]]:
    """A search, finished or not, in a few lines of name and value."""
    generations = journal.generations()
    results = [each for generation in generations for each in generation.results if each]
    asked = sum(len(generation.candidates) for generation in generations)
    failed = sum(each.value is None for each in results)
    count = f"{len(results)} in {len(generations)} generations, {failed} infeasible"
    if len(results) < asked:
        count += f", {asked - len(results)} without result so far"
    rows = [("candidates", count)]
    if results:
        seconds = sum(each.seconds for each in results)
        rows.append(("time", f"{seconds:.0f} s, {seconds / len(results):.1f} s a candidate"))
    ranked = ranking(generations)
    if not ranked:
        return [*rows, ("best fitness", "no candidate is feasible so far")]
    best, quantity = ranked[0], journal.header.get("settings", {}).get("fitness", "fitness")
    first = [each.value for each in generations[0].results if each and each.value is not None]
    terms = heaviest(best.lambdas, journal.names, codes)
    error = f"{best.result.value:.4f} +- {standard_error(best.result):.4f}"
    return [
        *rows,
        ("best fitness", f"{error} s.e. ({quantity}), candidate {best.candidate} of round {best.round}"),
        ("ties with it", f"{sum(each.tie for each in ranked) - 1} of {len(ranked) - 1} other feasible candidates"),
        ("first generation", f"mean {np.mean(first):.4f}" if first else "none feasible"),
        ("heaviest terms", ", ".join(terms[:4])),
        ("lightest terms", ", ".join(terms[-4:])),
    ]


def findings(journal: Journal, codes: Mapping[str, str], directory: pathlib.Path) -> str:
    """The end of a search as a short table for the terminal."""
    rows = [
        *summary(journal, codes),
        ("loss", str(directory / "evolved_loss.json")),
        ("figures", str(directory / "figures")),
        ("report", str(directory / "report.html")),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
