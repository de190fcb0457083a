"""The candidates of a search by their fitness, as tables of the report: the best of all, and the finalists."""

import dataclasses
import math
from typing import List, Mapping, Optional, Sequence

import numpy as np

from elo_tf.search.fitness.score import CHOICES, GAIN, SCORES
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.reporting.findings import Standing, heaviest, with_error, within_noise
from elo_tf.search.reporting.quantity import quantity_of

# Rows of the table of the best candidates.
_BEST = 10
# Terms of a candidate that its row names.
_TERMS = 4


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under titles.

    Attributes:
      titles: Of the columns.
      rows: A cell a column each.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[object]]


def best_candidates(ranked: Sequence[Standing], journal: Journal, codes: Mapping[str, str]) -> Optional[Table]:
    """The best of all feasible candidates, a row each; None where there are none.

    Args:
      ranked: The feasible ones, the best first.
      journal: Of the search.
      codes: Short form of each λ's name; a name without one stands for itself.
    """
    if not ranked:
        return None
    chosen, _ = CHOICES.get(journal.header.get("settings", {}).get("fitness"), ("", False))
    scores = [name for name in (GAIN, *SCORES) if name in ranked[0].results[0].diagnostics and name != chosen]
    rows = []
    for rank, each in enumerate(ranked[:_BEST], 1):
        own = each.results[0].diagnostics
        rows.append(
            [
                f"{rank} (tie)" if each.tie and rank > 1 else rank,
                each.candidate,
                each.round,
                with_error(each.value, each.error).replace("+-", "±"),
                *(f"{own[name]:.4f}" if name in own else "not measured" for name in scores),
                ", ".join(heaviest(each.lambdas, journal.names, codes)[:_TERMS]),
            ]
        )
    titles = [f"{quantity_of(journal.header).title} ± s.e.", *(name.replace("_", " ") for name in scores)]
    return Table(["rank", "candidate", "round", *titles, "heaviest terms"], rows)


def finalists(journal: Journal) -> Optional[Table]:
    """The best of the search under fresh seeds, a row each; None where none are named so far."""
    named = journal.finalists()
    if not named:
        return None
    asked = {candidate for generation in journal.generations() for candidate in generation.candidates}
    rows = []
    for candidate, runs, mean in zip(named.candidates, named.runs, _means(named.runs)):
        name = str(candidate) if candidate in asked else f"{candidate} (the strategy's favourite)"
        rows.append([name, *map(_value, runs), mean])
    return Table(["candidate", *(f"seed {seed}" for seed in named.seeds), "mean ± s.e."], rows)


def _means(runs: Sequence[Sequence[Optional[TrialResult]]]) -> List[str]:
    """Of each finalist, once it is known: mean and standard error over the seeds, and whether it ties with the best.

    A single seed has no standard error, and then none is known to tie.
    """
    found = {}
    for place, own in enumerate(runs):
        values = [result.value for result in own if result and result.value is not None]
        if len(values) == len(own):
            error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None
            found[place] = float(np.mean(values)), error
    if not found:
        return ["–"] * len(runs)
    best = min(found, key=lambda place: found[place][0])
    texts = []
    for place in range(len(runs)):
        if place not in found:
            texts.append("–")
            continue
        (mean, error), (lowest, least) = found[place], found[best]
        tie = place != best and within_noise(mean, error, lowest, least)
        shown = f"{mean:.4f}" if error is None else with_error(mean, error).replace("+-", "±")
        texts.append(shown + (" (tie)" if tie else ""))
    return texts


def _value(result: Optional[TrialResult]) -> str:
    if result is None:
        return "not run"
    return "infeasible" if result.value is None else f"{result.value:.4f}"
