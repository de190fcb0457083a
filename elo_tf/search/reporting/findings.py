"""What a search has found, read from its journal: its candidates in order, those that tie, the winner.

A value is the mean of R k-means runs, so that its standard error is s.d. / sqrt(R), and unknown for R = 1. That is the
noise of the clustering alone: the same loss trained from other initial weights differs by more.
"""

import collections
import dataclasses
import math
import pathlib
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from elo_tf.search.journal.generation import Generation
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.reporting.quantity import quantity_of

# Differences below this many standard errors are not told apart.
TIE_ERRORS = 2.0


@dataclasses.dataclass(frozen=True)
class Standing:
    """A feasible candidate by what it is judged by: its training in full or, of a finalist, those under fresh seeds.

    Attributes:
      candidate: Its number, from 0 through the whole search.
      lambdas: [G] float64 in [0,1].
      results: Of those trainings; each with a value.
      round: Generation that it belongs to; None for a finalist, which may belong to none.
      tie: Whether it ties with the best, as the best does with itself.
      confirmed: Whether it was feasible under every fresh seed; None where no loss was trained again.
    """

    candidate: int
    lambdas: np.ndarray
    results: Tuple[TrialResult, ...]
    round: Optional[int] = None
    tie: bool = True
    confirmed: Optional[bool] = None

    @property
    def values(self) -> Tuple[float, ...]:
        """Fitness of each result."""
        return tuple(result.value for result in self.results if result.value is not None)

    @property
    def value(self) -> float:
        """Mean fitness."""
        return float(np.mean(self.values))

    @property
    def error(self) -> Optional[float]:
        """Standard error of the mean: over fresh seeds if there are several, else over the parts of a training.

        None where it is unknown, with a single one of both.
        """
        count = len(self.results)
        return float(np.std(self.values, ddof=1)) / math.sqrt(count) if count > 1 else self.results[0].error

    def described(self, parts: str = "restarts of k-means") -> str:
        """Its value with the standard error, and what that is over: seeds, or `parts` of a single training."""
        count, restarts = len(self.results), self.results[0].fitness.restarts
        over = f"{count} fresh seeds" if count > 1 else f"{restarts} {parts}"
        doubt = "; no finalist was feasible under every fresh seed" if self.confirmed is False else ""
        return f"{with_error(self.value, self.error)} s.e. over {over}{doubt}"


def with_error(value: float, error: Optional[float]) -> str:
    """A value and its standard error, which may be unknown."""
    return f"{value:.4f} +- {'unknown' if error is None else f'{error:.4f}'}"


def within_noise(value: float, error: Optional[float], best: float, least: Optional[float]) -> bool:
    """Whether a value is above the best by less than two standard errors of the difference, √(s.e.² + s.e.²).

    Args:
      value: Not below the best.
      error: Its standard error; where one of the two is unknown, nothing is known to be noise.
      best: The lowest value.
      least: Its standard error.
    """
    if error is None or least is None:
        return False
    return value - best < TIE_ERRORS * math.hypot(error, least)


def ties(results: Sequence[Optional[TrialResult]]) -> List[int]:
    """Places of the results that cannot be told from the best, the best among them, ascending.

    A tie differs from the lowest value by less than two standard errors of the difference, √(s.e.² + s.e.²), or not at
    all. Where a standard error is unknown, only equal values tie. Results without a value, and missing ones, are no
    ties.
    """
    valued = [
        (place, result.value, result.error)
        for place, result in enumerate(results)
        if result and result.value is not None
    ]
    if not valued:
        return []
    _, best, least = min(valued, key=lambda each: each[1])
    return [place for place, value, error in valued if value == best or within_noise(value, error, best, least)]


def ranking(generations: Sequence[Generation]) -> List[Standing]:
    """The feasible candidates, the lowest value first, the earlier of equals first."""
    feasible = [each for generation in generations for each in _feasible(generation)]
    tied = set(ties([each.results[0] for each in feasible]))
    marked = [dataclasses.replace(each, tie=place in tied) for place, each in enumerate(feasible)]
    return sorted(marked, key=lambda each: each.value)


def _feasible(generation: Generation) -> List[Standing]:
    return [
        Standing(candidate, lambdas, (result,), generation.index)
        for candidate, lambdas, result in zip(generation.candidates, generation.lambdas, generation.full_results)
        if result and result.value is not None
    ]


def winner(journal: Journal) -> Optional[Standing]:
    """The best of the finalists by their fresh seeds; where there are none, or all are infeasible, of all candidates.

    None where no candidate is feasible.
    """
    finalists = journal.finalists()
    trained_again = False
    if finalists and not finalists.due():
        trained_again, means = True, finalists.means()
        if np.isfinite(means).any():
            place = int(np.argmin(means))
            results = tuple(filter(None, finalists.runs[place]))
            return Standing(finalists.candidates[place], finalists.lambdas[place], results, confirmed=True)
    ranked = ranking(journal.generations())
    if not ranked:
        return None
    return dataclasses.replace(ranked[0], confirmed=False if trained_again else None)


def reasons(results: Sequence[Optional[TrialResult]]) -> List[Tuple[str, int, str]]:
    """(kind, count, first reason) of the infeasible results, the most frequent first; a kind ends at the colon."""
    found: Dict[str, List[str]] = collections.defaultdict(list)
    for result in results:
        if result and result.reason:
            found[result.reason.split(":")[0]].append(result.reason)
    return sorted(((kind, len(each), each[0]) for kind, each in found.items()), key=lambda row: -row[1])


def heaviest(lambdas: np.ndarray, names: Sequence[str], codes: Mapping[str, str]) -> List[str]:
    """The terms of a loss, each as code and λ, the heaviest first."""
    return [f"{codes.get(names[i], names[i])} {lambdas[i]:.2f}" for i in np.argsort(-lambdas, kind="stable")]


def summary(journal: Journal, codes: Mapping[str, str]) -> List[Tuple[str, str]]:
    """A search, finished or not, in a few lines of name and value."""
    generations, trainings = journal.generations(), journal.results()
    results = [each for generation in generations for each in generation.results]
    told = [each for each in results if each]
    count = f"{len(told)} in {len(generations)} generations, {sum(each.value is None for each in told)} infeasible"
    if len(told) < len(results):
        count += f", {len(results) - len(told)} without result so far"
    rows = [("candidates", count)]
    if trainings:
        seconds, steps = (sum(getattr(each, name) for each in trainings) for name in ("seconds", "steps"))
        rows.append(("cost", f"{len(trainings)} trainings, {steps} steps, {seconds:.0f} s of workers"))
    ranked, won = ranking(generations), winner(journal)
    if not won:
        return [*rows, ("best fitness", "no candidate is feasible so far")]
    quantity, _, parts = quantity_of(journal.header)
    terms = heaviest(won.lambdas, journal.names, codes)
    if ranked:
        best = ranked[0]
        first = [each.value for each in generations[0].full_results if each and each.value is not None]
        of_best = f"{with_error(best.value, best.error)} s.e. ({quantity})"
        rows += [
            ("best fitness", f"{of_best}, candidate {best.candidate} of round {best.round}"),
            ("ties with it", f"{sum(each.tie for each in ranked) - 1} of {len(ranked) - 1} other feasible candidates"),
            ("first generation", f"mean {np.mean(first):.4f}" if first else "none feasible"),
        ]
    rows += [("winner", f"candidate {won.candidate}, {won.described(parts)}"), ("heaviest terms", ", ".join(terms[:4]))]
    lightest = terms[4:][-4:]
    return [*rows, ("lightest terms", ", ".join(lightest))] if lightest else rows


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
