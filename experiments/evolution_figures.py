"""Figs. 3, 7 and 8 over several searches: weights over the rounds, final losses, terms that rise or fall.

    python -m experiments.evolution_figures --searches=NAME=DIR,NAME=DIR
    python -m experiments.evolution_figures --smoke   three searches of made-up numbers; no results

DIR is the run directory of a search (its journal is read, nothing else), NAME what it is called, such as its world and
seed. `elo_tf.search` draws these figures for one search; here are several of one genome, so that what all of them do
can be told from the luck of one. A term rises in a search if its mean weight over the candidates of the last complete
round is above that of the first, and falls if it is below.

By chance alone, a term goes the same way in all of n searches with probability 2^(1-n): the table says how many such
terms are to be expected of so many. Weights of terms that do not matter wander, since selection acts on whole losses.

Hardware: seconds on one core. Figures: results/evolution.md.
"""

import dataclasses
import pathlib
import tempfile
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from elo_tf.config import Checked, InputError, from_flags, setting
from elo_tf.runtime import command_line
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.reporting.findings import winner
from experiments import markdown, result_files, search_flags
from experiments.rows import named_folders

RISES, FALLS, MIXED = "rises in all", "falls in all", "differs"


@dataclasses.dataclass(frozen=True)
class EvolutionFiguresConfig(Checked):
    """The flags of these figures."""

    searches: Tuple[str, ...] = setting((), "searches as NAME=DIR, DIR the run directory of a search")
    results: str = setting("experiments/results", "folder of table, numbers and figures", path=True)
    smoke: bool = setting(False, "searches of made-up numbers; shows that it runs, writes no results")


@dataclasses.dataclass(frozen=True)
class Course:
    """The weights of a search.

    Attributes:
      names: [G] terms.
      means: [rounds,G] mean weight of the candidates of each complete round.
      final: [G] weights of the loss that the search names; NaN where no candidate was feasible.
      fitness: What it searched by.
    """

    names: Sequence[str]
    means: np.ndarray
    final: np.ndarray
    fitness: str

    @property
    def change(self) -> np.ndarray:
        """[G] last round minus first."""
        return self.means[-1] - self.means[0]


def course(journal: Journal) -> Course:
    """The course of a search.

    Raises:
      InputError: it has no complete round of two.
    """
    complete = [generation.lambdas.mean(axis=0) for generation in journal.generations() if generation.complete]
    if len(complete) < 2:
        raise InputError(f"{journal.path} has {len(complete)} complete rounds; two show a change, so let it go on")
    won = winner(journal)
    final = won.lambdas if won else np.full(len(journal.names), np.nan)
    return Course(journal.names, np.array(complete), final, journal.header["settings"].get("fitness", "unknown"))


def read(searches: Sequence[str]) -> Dict[str, Course]:
    """Name -> course of the searches of --searches.

    Raises:
      InputError: one is not NAME=DIR, has no journal, or searched over other terms than the first.
    """
    found: Dict[str, Course] = {}
    for name, folder in named_folders("searches", searches).items():
        found[name] = course(Journal.read(str(folder / "journal.jsonl")))
        first = next(iter(found.values()))
        if list(found[name].names) != list(first.names):
            raise InputError(f"--searches: {name} is over other terms than {next(iter(found))}; show them apart")
    return found


def directions(courses: Mapping[str, Course]) -> List[str]:
    """[G] whether each term rises in all searches, falls in all, or neither."""
    signs = np.sign([each.change for each in courses.values()])  # [searches, G]
    return [
        RISES if (column > 0).all() else FALLS if (column < 0).all() else MIXED for column in signs.T
    ]  # fmt: skip


def expected_by_chance(terms: int, searches: int) -> float:
    """Terms that go the same way in all searches where each way is a coin's."""
    return terms * 2.0 ** (1 - searches)


def table(courses: Mapping[str, Course]) -> str:
    """A Markdown table, a line a term: weight in the first and last round, change, direction, final weights."""
    head = ["term", "first round", "last round", "change, mean", "least", "most", "over searches", "final, mean"]
    lines = markdown.head(head)
    every = list(courses.values())
    first, last = (np.array([each.means[place] for each in every]) for place in (0, -1))
    changes, final = last - first, np.array([each.final for each in every])
    found = directions(courses)
    for place in np.argsort(-changes.mean(axis=0), kind="stable"):
        numbers = [first[:, place].mean(), last[:, place].mean()]
        own = changes[:, place]
        cells = [every[0].names[place], *(f"{number:.2f}" for number in numbers)]
        cells += [f"{own.mean():+.2f}", f"{own.min():+.2f}", f"{own.max():+.2f}", found[place]]
        cells.append(f"{_mean(final[:, place]):.2f}")
        lines.append(markdown.row(cells))
    same = sum(each != MIXED for each in found)
    chance = expected_by_chance(len(found), len(every))
    note = f"{same} of {len(found)} terms go the same way in all {len(every)} searches; {chance:.1f} would by chance."
    return "\n".join([*lines, "", note]) + "\n"


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def numbers(courses: Mapping[str, Course]) -> Dict[str, Any]:
    """The same as JSON."""
    first = next(iter(courses.values()))
    return {
        "terms": list(first.names),
        "directions": directions(courses),
        "expected by chance": expected_by_chance(len(first.names), len(courses)),
        "searches": [
            {"name": name, "fitness": each.fitness, "means": each.means.tolist(),
             "final": [None if np.isnan(value) else float(value) for value in each.final]}
            for name, each in courses.items()
        ],
    }  # fmt: skip


def write_small(folder: pathlib.Path) -> List[str]:
    """Journals of three searches of two rounds for --smoke; returns what --searches would name."""
    random = np.random.default_rng(0)
    header = {"settings": {"steps": 1, "fitness": "zipf"}, "names": ["rgb/shuffle", "rgb-flow/embed"]}
    for seed in range(3):
        place = folder / str(seed)
        place.mkdir()
        with Journal.open(str(place / "journal.jsonl"), {**header, "seed": seed}) as journal:
            for _ in range(2):
                for number in journal.ask(random.random((3, 2))):
                    journal.tell(number, TrialResult(1, seed, Fitness(random.random(), None, 0.1, 4, {}), 1.0))
    return [f"seed {seed}={folder / str(seed)}" for seed in range(3)]


def main() -> None:
    from elo_tf.plots.files import save
    from experiments import evolution_plots

    config = from_flags(EvolutionFiguresConfig)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        courses = read(write_small(folder) if config.smoke else config.searches)
        stem = pathlib.Path(temporary if config.smoke else config.results, "evolution")
        text = table(courses)
        head = {**search_flags.head("evolution_figures"), "searches": ", ".join(courses)}
        result_files.write(stem, "Figs. 3, 7 and 8: the evolution of the losses", head, text, numbers(courses))
        save(evolution_plots.over_rounds(courses), stem.with_name("evolution_rounds.png"))
        save(evolution_plots.final_losses(courses), stem.with_name("evolution_losses.png"))
    print(text)


if __name__ == "__main__":
    command_line.run(main, __doc__, [EvolutionFiguresConfig])
