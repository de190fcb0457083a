"""What a search has found: the best candidates, which of them are equal as far as one can tell, and the winner."""

import dataclasses
import math
import pathlib
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from elo_tf.generation import Generation, Result
from elo_tf.journal import Journal

# Differences within so many standard errors are ties.
TIE_ERRORS = 2.0


class Scored(NamedTuple):
    """A candidate with a fitness after training in full.

    Attributes:
      candidate: Its number.
      generation: That it was asked for in.
      lambdas: [G].
      result: Of the search's seed.
    """

    candidate: int
    generation: int
    lambdas: np.ndarray
    result: Result


@dataclasses.dataclass(frozen=True)
class Winner:
    """The loss that a search names.

    Attributes:
      candidate: Its number.
      generation: That it was asked for in; None for the strategy's favourite, which was in none.
      lambdas: [G].
      value: Fitness: mean over the fresh seeds, or of its only training.
      deviation: Standard deviation over the fresh seeds, or over the restarts of k-means.
      trainings: How many are behind the value.
      restarts: k-means runs behind each of them.
    """

    candidate: int
    generation: Optional[int]
    lambdas: np.ndarray
    value: float
    deviation: float
    trainings: int
    restarts: int


def ranking(generations: Sequence[Generation]) -> List[Scored]:
    """All candidates that were trained in full and are feasible, the best first; of equals the earlier."""
    scored = []
    for generation in generations:
        for candidate, lambdas, result in zip(generation.candidates, generation.lambdas, generation.results):
            if result and result.value is not None and result.steps == generation.rungs.steps[-1]:
                scored.append(Scored(candidate, generation.index, lambdas, result))
    return sorted(scored, key=lambda each: each.result.value)


def ties(results: Sequence[Result]) -> List[bool]:
    """Which results cannot be told from the best of them.

    Args:
      results: Feasible.

    Returns:
      [n], true where the difference to the lowest value is within two standard errors of that difference. The errors
      are those of the k-means restarts; the luck of a training is not in them.
    """
    best = min(results, key=lambda result: result.value, default=None)
    return [result.value - best.value <= TIE_ERRORS * math.hypot(result.error, best.error) for result in results]


def winner(journal: Journal) -> Optional[Winner]:
    """The best of the finalists by their fresh seeds or, where there are none or all are infeasible, of all candidates.

    None where no candidate is feasible.
    """
    scored = ranking(journal.generations())
    of_candidate = {each.candidate: each for each in scored}
    finalists = journal.finalists()
    if finalists and not finalists.due() and np.isfinite(finalists.means()).any():
        place = int(np.argmin(finalists.means()))
        runs, number = finalists.runs[place], finalists.candidates[place]
        values = [result.value for result in runs]
        deviation = float(np.std(values)) if len(values) > 1 else runs[0].deviation
        generation = of_candidate[number].generation if number in of_candidate else None
        return Winner(
            number,
            generation,
            finalists.lambdas[place],
            float(np.mean(values)),
            deviation,
            len(values),
            runs[0].restarts,
        )
    if not scored:
        return None
    best = scored[0]
    result = best.result
    return Winner(best.candidate, best.generation, best.lambdas, result.value, result.deviation, 1, result.restarts)


def findings(journal: Journal, codes: Dict[str, str], directory: pathlib.Path) -> str:
    """The end of a search as a short table.

    Args:
      journal: Of a search with a winner.
      codes: Name of each term -> its short form.
      directory: Of the run.
    """
    generations, results, won = journal.generations(), journal.results(), winner(journal)
    scored = ranking(generations)
    candidates = sum(len(generation.candidates) for generation in generations)
    infeasible = sum(result.value is None for each in generations for result in each.results if result)
    first = [result.value for result in generations[0].results if result and result.value is not None]
    order = np.argsort(-won.lambdas, kind="stable")
    terms = [f"{codes[journal.names[i]]} {won.lambdas[i]:.2f}" for i in order]
    seconds = sum(each.seconds for each in results)
    tied = sum(ties([each.result for each in scored])) - 1 if scored else 0
    fitness = journal.header["settings"]["fitness"]
    spread = f"over {won.trainings} fresh seeds" if won.trainings > 1 else f"over {won.restarts} restarts of k-means"
    origin = "the strategy's favourite" if won.generation is None else f"of generation {won.generation}"
    rows = [
        ("candidates", f"{candidates} in {len(generations)} generations, {infeasible} infeasible"),
        ("time", f"{seconds:.0f} s of workers, {seconds / len(results):.1f} s a training"),
        ("winner", f"candidate {won.candidate}, {origin}"),
        ("fitness", f"{won.value:.4f} +- {won.deviation:.4f} {spread} ({fitness})"),
        ("ties", f"{tied} other candidates are within {TIE_ERRORS:g} standard errors of the best of the search"),
        ("first generation", f"mean {np.mean(first):.4f}" if first else "none feasible"),
        ("heaviest terms", ", ".join(terms[:4])),
        ("lightest terms", ", ".join(terms[-4:])),
        ("loss", str(directory / "evolved_loss.json")),
        ("figures", str(directory / "figures")),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
