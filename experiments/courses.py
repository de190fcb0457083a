"""The course of a search, from its journal: its best loss after a number of training steps, and its accuracy.

Best so far is the best by the search's own fitness; the truth (`measured_search`) is looked up afterwards.
"""

import dataclasses
import math
from typing import Dict, List, Mapping, Optional, Tuple

import numpy as np

from elo_tf.search.journal.generation import Generation
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.reporting import findings
from experiments import rank_statistics
from experiments.truths import TRUTHS, truth_of

# Rows of a course.
QUANTITIES = ("fitness", *TRUTHS)


@dataclasses.dataclass(frozen=True)
class Course:
    """A search, training by training.

    Attributes:
      steps: [n] training steps so far.
      best: [n,3] `QUANTITIES` of the best so far; NaN before the first that is feasible and trained in full.
    """

    steps: np.ndarray
    best: np.ndarray

    def at(self, steps: np.ndarray) -> np.ndarray:
        """[m,3] what was best after so many steps: of the trainings that had ended by then."""
        places = np.searchsorted(self.steps, steps, side="right") - 1
        rows = np.vstack([self.best, np.full(len(QUANTITIES), math.nan)])
        return rows[places]  # -1, before the first training ended, is the row of NaN.


def course(journal: Journal) -> Course:
    """The course of a search, without its re-scoring; trainings of a rung in the order of their candidates."""
    steps, best, rows = 0, np.full(len(QUANTITIES), math.nan), []
    full = journal.rungs.steps[-1]
    for generation in journal.generations():
        for result in _in_order(generation):
            steps += result.steps
            if result.steps == full and result.value is not None and not result.value >= best[0]:
                best = np.array([result.value, *(truth_of(result.diagnostics) or [math.nan] * len(TRUTHS))])
            rows.append((steps, best))
    return Course(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]).reshape(-1, len(QUANTITIES)))


def _in_order(generation: Generation) -> List[TrialResult]:
    rungs = len(generation.rungs.steps)
    return [runs[rung] for rung in range(rungs) for runs in generation.runs if len(runs) > rung]


def winner(journal: Journal) -> Optional[Dict[str, float]]:
    """`QUANTITIES` of the loss that the search names, means over its fresh seeds; None if it names none."""
    won = findings.winner(journal)
    if won is None:
        return None
    truths = np.array([truth_of(result.diagnostics) or [math.nan] * len(TRUTHS) for result in won.results])
    return {"fitness": won.value, **dict(zip(TRUTHS, truths.mean(axis=0).tolist()))}


def cost(journal: Journal) -> Dict[str, float]:
    """`trainings`, `infeasible` and `steps` of the search itself, `rescoring` steps, `seconds` of workers for both."""
    own = [result for generation in journal.generations() for result in _in_order(generation)]
    everything = journal.results()
    return {
        "trainings": len(own),
        "infeasible": sum(result.value is None for result in own),
        "steps": sum(result.steps for result in own),
        "rescoring": sum(result.steps for result in everything) - sum(result.steps for result in own),
        "seconds": sum(result.seconds for result in everything),
    }


def drift(journal: Journal) -> Dict[str, Tuple[float, float]]:
    """Means of `QUANTITIES` over the candidates of the first and of the last complete generation, trained in full.

    A search that learns to fool its score has a better fitness in the last, and no better truth. Infeasible candidates
    have no fitness, but count for the truth.
    """
    complete = [generation for generation in journal.generations() if generation.complete]
    if not complete:
        return {}
    full = journal.rungs.steps[-1]
    means = []
    for generation in (complete[0], complete[-1]):
        results = [result for result in generation.results if result.steps == full]
        values = [result.value for result in results if result.value is not None]
        truths = [truth for truth in (truth_of(result.diagnostics) for result in results) if truth]
        columns = [values, *([row[place] for row in truths] for place in range(len(TRUTHS)))]
        means.append([float(np.mean(column)) if column else math.nan for column in columns])
    return {name: (first, last) for name, first, last in zip(QUANTITIES, *means)}


def order(journal: Journal) -> float:
    """Spearman's rho between fitness (less is better) and 1-layer accuracy over all feasible candidates, sign adjusted.

    A search visits good losses more often as it goes on, so that this is no unbiased view of the fitness (`fig9` is).
    """
    ranked = findings.ranking(journal.generations())
    pairs = [(-each.value, truth_of(each.results[0].diagnostics)) for each in ranked]
    known = [(value, truth[-1]) for value, truth in pairs if truth]
    return rank_statistics.spearman(*np.array(known).T) if known else math.nan


def measured(journal: Journal) -> Dict[Tuple[float, ...], Mapping[str, float]]:
    """λ -> diagnostics, of all losses of the search that were trained in full and measured, infeasible ones too."""
    full = [
        (lambdas, result)
        for generation in journal.generations()
        for lambdas, result in zip(generation.lambdas, generation.full_results)
    ]
    return {tuple(lambdas): each.diagnostics for lambdas, each in full if each and truth_of(each.diagnostics)}


def all_truths(journal: Journal) -> np.ndarray:
    """[n,2] `TRUTHS` of all candidates of the search that were trained in full and measured."""
    full = journal.rungs.steps[-1]
    found = [
        truth_of(result.diagnostics)
        for generation in journal.generations()
        for result in _in_order(generation)
        if result.steps == full
    ]
    return np.array([truth for truth in found if truth]).reshape(-1, len(TRUTHS))
