"""The report of a search: one page of HTML with every figure in it, while the search runs or afterwards.

The journal is all it needs; clips are shown where the search has saved them at its end.

    RUN_DIR/journal.jsonl ─┬─> tables, captions ─────────┬─> RUN_DIR/report.html
    RUN_DIR/clusters.npz ──┴─> RUN_DIR/figures/*.png ────┘
"""

import json
import pathlib
import time
from typing import Any, List, Mapping, Optional, Union

import elo_tf
from elo_tf import tasks
from elo_tf.data.clips import MODALITIES
from elo_tf.plots.files import save
from elo_tf.runtime.storage import write_text
from elo_tf.search.journal.generation import Generation
from elo_tf.search.journal.journal import Journal
from elo_tf.search.reporting import diagnosis, figures, gallery, page, standings
from elo_tf.search.reporting.findings import Standing, ranking, reasons, summary, winner
from elo_tf.search.reporting.quantity import agreed_with, quantity_of

FILE = "report.html"
# Name of the journal's note of the diagnostics of the untrained tower.
UNTRAINED = "untrained"
# Of what is noted, the path of a descent: it has thousands of numbers, and stands in a figure.
_DRAWN = ("path",)


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
    generations = journal.generations()
    drawn = {path.name: path for path in figures.draw_all(journal, directory / "figures", codes)}
    ranked, won = ranking(generations), winner(journal)
    parts = [
        page.paragraph(
            "What a search over the weights λ of the loss has done so far. A candidate is one loss; its fitness says "
            f"{quantity_of(journal.header).meaning}, and lower is better."
        ),
        page.facts([(name, value.replace("+-", "±")) for name, value in summary(journal, codes)]),
    ]
    if generations:
        parts += [
            _best_loss(won, drawn, journal, codes),
            _fitness(drawn, quantity_of(journal.header).parts),
            standings.best_candidates(ranked, journal, codes),
            standings.finalists(journal),
            _lambdas(drawn),
            _first_descent(drawn),
            gallery.clusters(won, journal, directory),
            _health(generations, journal, directory),
        ]
    else:
        parts.append(page.paragraph("No generation has been asked for yet, so that there is nothing to draw."))
    drawn_by = f"Drawn by elo_tf {elo_tf.__version__}, {time.strftime('%Y-%m-%d %H:%M %z')}."
    parts += [_settings(journal), page.footer(drawn_by)]
    path = directory / FILE
    write_text(path, page.document(f"Search of a loss: {'/'.join(directory.resolve().parts[-2:])}", "".join(parts)))
    return path


def _best_loss(
    best: Optional[Standing], drawn: Mapping[str, pathlib.Path], journal: Journal, codes: Mapping[str, str]
) -> str:
    if not best:
        return page.section("Best loss", page.paragraph("Missing: no candidate is feasible so far."))
    caption = (
        "λ of the winner so far, a modality a row and a task a column; empty places have no term. Bad: all λ "
        "alike, or other heavy terms in each of the ties below, since the search has then not decided."
    )
    alt = f"Heat map of the weights of candidate {best.candidate}, a modality a row and a task a column."
    terms = [(f"{name} ({codes.get(name, name)})", f"{value:.3f}") for name, value in zip(journal.names, best.lambdas)]
    return page.section(
        "Best loss",
        page.picture(drawn["best_loss.png"].read_bytes(), alt, caption),
        page.folded(f"The {len(terms)} λ as a table", page.facts(terms)),
    )


def _fitness(drawn: Mapping[str, pathlib.Path], parts: str) -> str:
    caption = (
        f"A dot is a candidate, its bar the standard error over the {parts}, which is the noise of the score "
        "alone. Ringed ones differ from the best by less than two standard errors. Good: the means fall "
        "and flatten. Bad: level means, a best from the first round, or many infeasible candidates."
    )
    alt = "Fitness of every candidate by round, with the mean of each round and the best so far."
    return page.section("Fitness over the rounds", page.picture(drawn["fitness.png"].read_bytes(), alt, caption))


def _lambdas(drawn: Mapping[str, pathlib.Path]) -> str:
    caption = (
        "Mean λ of the candidates of each round, a term a row. Good: rows drift to dark or bright and stay there. "
        "Bad: no drift (the fitness does not tell the terms apart), or all rows dark."
    )
    alt = "Heat map of the mean weight of each term by round, a term a row, rows grouped by modality."
    return page.section("Weights over the rounds", page.picture(drawn["lambdas.png"].read_bytes(), alt, caption))


def _first_descent(drawn: Mapping[str, pathlib.Path]) -> str:
    """The section of a search with `--strategy=gradient`; empty for any other."""
    if figures.FIRST_DESCENT not in drawn:
        return ""
    caption = (
        "λ over the steps of the first training that learned them, a term a row. The mean over the second half is a "
        "candidate of this search. Good: rows drift and then stay. Bad: no drift (λ have learned nothing), or rows "
        "that still move at the end (more --steps, or a lower --lambda_rate)."
    )
    alt = "Heat map of the weight of each term over the steps of a training, a term a row, rows grouped by modality."
    png = drawn[figures.FIRST_DESCENT].read_bytes()
    return page.section("Weights while they are learned", page.picture(png, alt, caption))


def _health(generations: List[Generation], journal: Journal, directory: pathlib.Path) -> str:
    settings, untrained = journal.header.get("settings", {}), journal.notes.get(UNTRAINED, {})
    gate = {"feature_deviation": settings["min_deviation"]} if "min_deviation" in settings else {}
    figure = diagnosis.health_over_rounds(generations, untrained, gate)
    parts = [
        page.picture(
            save(figure, directory / "figures" / "health.png").read_bytes(),
            "Four diagnostics of every candidate by round: deviation and effective rank of the features, what they "
            f"foretell better than the untrained tower, and their agreement with {agreed_with(journal.header)}.",
            "Measured of every candidate besides its fitness. Below the dotted line of the health gate a candidate is "
            "infeasible. Bad: deviations that fall towards the gate (collapse), gains or agreement at the level of the "
            "untrained tower or falling while the fitness improves (the search has found a hole of the score).",
        )
    ]
    if not untrained:
        parts.append(page.paragraph("Missing: the level of the untrained tower, which this journal does not hold."))
    failed = reasons([result for generation in generations for result in generation.results])
    if failed:
        parts.append(page.table(["why infeasible", "candidates", "the first of them"], failed))
    else:
        parts.append(page.paragraph("No candidate is infeasible."))
    return page.section("Health", *parts)


def _settings(journal: Journal) -> str:
    """What the search was begun with, and what was measured once, folded."""
    rows = []
    for name, value in {**journal.header, **journal.notes}.items():
        rows += (
            [(f"{name}: {key}", _plain(own)) for key, own in value.items() if key not in _DRAWN]
            if isinstance(value, dict)
            else [(name, _plain(value))]
        )
    return page.section("Settings", page.folded(f"{len(rows)} settings, versions and notes", page.facts(rows)))


def _plain(value: Any) -> str:
    """A value of JSON as one reads it."""
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
