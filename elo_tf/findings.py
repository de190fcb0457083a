"""What a search has found, read from its journal: the best candidate, and the end of the search as a short table."""

import pathlib
from typing import Dict, List

import numpy as np

from elo_tf.history import Generation
from elo_tf.journal import Journal


def best_result(generations: List[Generation]):
    """(generation, place in it, result) of the lowest fitness, the earliest where several are equal; None if none."""
    best = None
    for generation in generations:
        for place, result in enumerate(generation.results):
            if result is not None and result.value is not None and (best is None or result.value < best[2].value):
                best = (generation, place, result)
    return best


def findings(journal: Journal, codes: Dict[str, str], directory: pathlib.Path) -> str:
    """The end of a search as a short table."""
    generations = journal.generations()
    generation, place, result = best_result(generations)
    results = [each for generation in generations for each in generation.results if each]
    feasible = [each.value for each in results if each.value is not None]
    first = [each.value for each in generations[0].results if each and each.value is not None]
    order = np.argsort(-generation.lambdas[place], kind="stable")
    terms = [f"{codes[journal.names[i]]} {generation.lambdas[place][i]:.2f}" for i in order]
    seconds = sum(each.seconds for each in results)
    rows = [
        ("candidates", f"{len(results)} in {len(generations)} generations, {len(results) - len(feasible)} infeasible"),
        ("time", f"{seconds:.0f} s, {seconds / len(results):.1f} s a candidate"),
        ("best fitness", f"{result.value:.4f} +- {result.deviation:.4f} ({journal.header['settings']['fitness']})"),
        ("first generation", f"mean {np.mean(first):.4f}" if first else "none feasible"),
        ("heaviest terms", ", ".join(terms[:4])),
        ("lightest terms", ", ".join(terms[-4:])),
        ("loss", str(directory / "evolved_loss.json")),
        ("figures", str(directory / "figures")),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
