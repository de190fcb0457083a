"""The report of a search: one page of HTML with every figure in it, while the search runs or afterwards.

The journal is all it needs; clips are shown where the search has saved them at its end.

    RUN_DIR/journal.jsonl ─┬─> Page: numbers, tables ────┬─> templates/report.html.j2 ─> RUN_DIR/report.html
    RUN_DIR/clusters.npz ──┴─> RUN_DIR/figures/*.png ────┘
"""

import json
import pathlib
import time
from typing import Any, List, Mapping, Sequence, Tuple, Union

import elo_tf
from elo_tf import tasks
from elo_tf.data.clips import MODALITIES
from elo_tf.plots.files import save
from elo_tf.runtime.storage import write_text
from elo_tf.search.journal.generation import Generation
from elo_tf.search.journal.journal import Journal
from elo_tf.search.reporting import diagnosis, figures, gallery, observations, standings
from elo_tf.search.reporting.findings import Standing, heaviest, ranking, reasons, summary, winner
from elo_tf.search.reporting.page import BestLoss, FitnessCourse, Health, Page, Rounds, render
from elo_tf.search.reporting.picture import Picture
from elo_tf.search.reporting.quantity import agreed_with, quantity_of
from elo_tf.search.reporting.standings import Table

FILE = "report.html"
# Name of the journal's note of the diagnostics of the untrained tower.
UNTRAINED = "untrained"
# Of what is noted, the path of a descent: it has thousands of numbers, and stands in a figure.
_DRAWN = ("path",)
# Terms of the winner that are named as the heaviest, and as the lightest.
_NAMED = 3


def redraw(directory: Union[str, pathlib.Path]) -> pathlib.Path:
    """Draws the figures and the report of a run directory anew.

    Returns:
      The report.

    Raises:
      InputError: the directory has no journal, or a damaged one.
    """
    directory = pathlib.Path(directory)
    journal = Journal.read(str(directory / "journal.jsonl"))
    return write(journal, {term.name: term.code for term in tasks.select(tuple(MODALITIES))}, directory)


def write(journal: Journal, codes: Mapping[str, str], directory: pathlib.Path) -> pathlib.Path:
    """Draws the figures of a search into RUN_DIR/figures, and the report into RUN_DIR.

    Args:
      journal: Of the search, finished or not.
      codes: Short form of each λ's name; a name without one stands for itself.
      directory: The run directory.

    Returns:
      The report.
    """
    page = Page(
        title=f"Search of a loss: {'/'.join(directory.resolve().parts[-2:])}",
        quantity=quantity_of(journal.header),
        agreed_with=agreed_with(journal.header),
        summary=[(name, value.replace("+-", "±")) for name, value in summary(journal, {})],
        rounds=_rounds(journal, codes, directory) if journal.generations() else None,
        settings=_settings(journal),
        drawn_by=f"Drawn by elo_tf {elo_tf.__version__}, {time.strftime('%Y-%m-%d %H:%M %z')}.",
    )
    path = directory / FILE
    write_text(path, render(page))
    return path


def _rounds(journal: Journal, codes: Mapping[str, str], directory: pathlib.Path) -> Rounds:
    """What the generations have come to; draws its figures."""
    generations, names = journal.generations(), journal.names
    folder = directory / "figures"
    drawn = {path.name: Picture.of_figure(path) for path in figures.draw_all(journal, folder, codes)}
    ranked, won = ranking(generations), winner(journal)
    return Rounds(
        count=len(generations),
        best=_best_loss(won, ranked, drawn["best_loss.png"], journal, codes) if won else None,
        health=_health(generations, journal, folder),
        fitness=FitnessCourse(
            drawn["fitness.png"],
            observations.mean_fitness(generations),
            ranked[0].round if ranked else None,
            sum(each.tie for each in ranked[1:]),
        ),
        weights=drawn["lambdas.png"],
        drifts=observations.drifts(generations, names),
        learned_weights=drawn.get(figures.FIRST_DESCENT),
        candidates=standings.best_candidates(ranked, journal, codes),
        feasible=len(ranked),
        finalists=standings.finalists(journal),
        gallery=gallery.clusters(won, journal, directory),
    )


def _best_loss(
    won: Standing, ranked: Sequence[Standing], picture: Picture, journal: Journal, codes: Mapping[str, str]
) -> BestLoss:
    ties = observations.ranges_of_ties(ranked)
    terms = []
    for place, name in enumerate(journal.names):
        among = "" if ties is None else f" ({ties[place, 0]:.2f} to {ties[place, 1]:.2f} among the best and its ties)"
        terms.append((f"{name} ({codes.get(name, name)})", f"{won.lambdas[place]:.3f}{among}"))
    ordered = heaviest(won.lambdas, journal.names, {})
    described = won.described(quantity_of(journal.header).parts).replace("+-", "±")
    return BestLoss(picture, won.candidate, described, ordered[:_NAMED], ordered[_NAMED:][-_NAMED:], terms)


def _health(generations: List[Generation], journal: Journal, folder: pathlib.Path) -> Health:
    settings, untrained = journal.header.get("settings", {}), journal.notes.get(UNTRAINED, {})
    gate = {"feature_deviation": settings["min_deviation"]} if "min_deviation" in settings else {}
    figure = diagnosis.health_over_rounds(generations, untrained, gate)
    failed = reasons([result for generation in generations for result in generation.results])
    return Health(
        Picture.of_figure(save(figure, folder / "health.png")),
        observations.last_medians(generations, untrained),
        bool(untrained),
        Table(["why infeasible", "candidates", "the first of them"], failed) if failed else None,
    )


def _settings(journal: Journal) -> List[Tuple[str, str]]:
    """What the search was begun with, and what was measured once."""
    rows: List[Tuple[str, str]] = []
    for name, value in {**journal.header, **journal.notes}.items():
        rows += (
            [(f"{name}: {key}", _plain(own)) for key, own in value.items() if key not in _DRAWN]
            if isinstance(value, dict)
            else [(name, _plain(value))]
        )
    return rows


def _plain(value: Any) -> str:
    """A value of JSON as one reads it."""
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
