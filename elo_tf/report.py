"""The report of a search: one page of HTML with every figure in it, while the search runs or afterwards.

The journal is all it needs; clips are shown where the search has saved them at its end.

    RUN_DIR/journal.jsonl ─┬─> tables, captions ─────────┬─> RUN_DIR/report.html
    RUN_DIR/clusters.npz ──┴─> RUN_DIR/figures/*.png ────┘
"""

import json
import pathlib
import time
from typing import Any, List, Mapping, Optional, Sequence, Tuple, Union

import elo_tf
from elo_tf import diagnosis, exhibit, figures, page, tasks
from elo_tf.clips import MODALITIES
from elo_tf.config import InputError
from elo_tf.exhibit import Exhibit
from elo_tf.findings import Ranked, Winner, heaviest, ranking, reasons, summary, winner
from elo_tf.generation import Generation, Result
from elo_tf.journal import Journal
from elo_tf.storage import write_text

FILE = "report.html"
# Name of the journal's note of the diagnostics of the untrained tower.
UNTRAINED = "untrained"
# Rows of the table of the best candidates.
_BEST = 10


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
            "how far the clusters of what it taught the RGB tower are from Zipf's law, and lower is better."
        ),
        page.facts([(name, value.replace("+-", "±")) for name, value in summary(journal, codes)]),
    ]
    if generations:
        parts += [
            _best_loss(won, drawn, journal, codes),
            _fitness(drawn),
            _best_candidates(ranked, journal, codes),
            _finalists(journal),
            _lambdas(drawn),
            _clusters(won, journal, directory),
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
    best: Optional[Winner], drawn: Mapping[str, pathlib.Path], journal: Journal, codes: Mapping[str, str]
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


def _fitness(drawn: Mapping[str, pathlib.Path]) -> str:
    caption = (
        "A dot is a candidate, its bar the standard error over the restarts of k-means, which is the noise of the "
        "clustering alone. Ringed ones differ from the best by less than two standard errors. Good: the means fall "
        "and flatten. Bad: level means, a best from the first round, or many infeasible candidates."
    )
    alt = "Fitness of every candidate by round, with the mean of each round and the best so far."
    return page.section("Fitness over the rounds", page.picture(drawn["fitness.png"].read_bytes(), alt, caption))


def _best_candidates(ranked: Sequence[Ranked], journal: Journal, codes: Mapping[str, str]) -> str:
    if not ranked:
        return page.section("Best candidates", page.paragraph("Missing: no candidate is feasible so far."))
    quantity = journal.header.get("settings", {}).get("fitness", "fitness")
    # A score is what was measured in every restart.
    measured = ranked[0].result.diagnostics
    scores = [name for name in measured if f"{name}_deviation" in measured and name != quantity]
    rows = []
    for rank, each in enumerate(ranked[:_BEST], 1):
        own = each.result.diagnostics
        rows.append(
            [
                f"{rank} (tie)" if each.tie and rank > 1 else rank,
                each.candidate,
                each.round,
                f"{each.result.value:.4f} ± {each.result.error:.4f}",
                *(f"{own[name]:.4f}" if name in own else "not measured" for name in scores),
                ", ".join(heaviest(each.lambdas, journal.names, codes)[:4]),
            ]
        )
    titles = [name.replace("_", " ") for name in (f"{quantity} ± s.e.", *scores)]
    return page.section(
        "Best candidates",
        page.table(["rank", "candidate", "round", *titles, "heaviest terms"], rows),
        page.paragraph(
            f"The best {len(rows)} of {len(ranked)} feasible candidates. A tie differs from the best by less than two "
            "standard errors of the difference: which of the two is better is not known. Agreement is that of the "
            "clusters with those of another modality, and higher is better. Bad: a best fitness with a low agreement."
        ),
    )


def _finalists(journal: Journal) -> str:
    """The best of the search under fresh seeds."""
    finalists = journal.finalists()
    if not finalists:
        return ""
    rows = []
    for candidate, runs in zip(finalists.candidates, finalists.runs):
        values = [
            "not run" if run is None else "infeasible" if run.value is None else f"{run.value:.4f}" for run in runs
        ]
        rows.append([candidate, *values])
    return page.section(
        "Finalists",
        page.table(["candidate", *(f"seed {seed}" for seed in finalists.seeds)], rows),
        page.paragraph(
            "The best candidates, and the strategy's favourite, trained again with other orders of the clips and other "
            "starts of k-means. The lowest mean wins. Bad: seeds differ by more than candidates do, or all are worse "
            "than they were in the search, since the best of many is also the luckiest."
        ),
    )


def _value(result: Optional[Result]) -> str:
    if result is None:
        return "not run so far"
    return "infeasible" if result.value is None else f"{result.value:.4f}"


def _lambdas(drawn: Mapping[str, pathlib.Path]) -> str:
    caption = (
        "Mean λ of the candidates of each round, a term a row. Good: rows drift to dark or bright and stay there. "
        "Bad: no drift (the fitness does not tell the terms apart), or all rows dark."
    )
    alt = "Heat map of the mean weight of each term by round, a term a row, rows grouped by modality."
    return page.section("Weights over the rounds", page.picture(drawn["lambdas.png"].read_bytes(), alt, caption))


def _clusters(won: Optional[Winner], journal: Journal, directory: pathlib.Path) -> str:
    title = "Clusters of the winner"
    shown, missing = _load_exhibit(won, directory)
    if shown is None:
        return page.section(title, page.paragraph(f"Missing: {missing}"))
    exponent = journal.header.get("settings", {}).get("zipf_exponent", 1.0)
    figure = diagnosis.sizes_of_clusters(shown.sizes, shown.sizes_deviation, exponent)
    curve = figures.save(figure, directory / "figures" / "clusters.png").read_bytes()
    return page.section(
        title,
        page.picture(
            curve,
            "Share of the clips in each cluster by rank, with Zipf's law for comparison, both axes logarithmic.",
            "How many clips each cluster has, the biggest first, mean and standard deviation over the restarts of "
            "k-means. Good: close to the dashed line. Bad: level, as of features that tell nothing apart, or "
            "a steep fall, where one cluster has nearly all. The score counts a clip partly for several clusters, "
            "so that it need not be exactly what is seen here.",
        ),
        page.paragraph(
            "Below, the clips nearest the centres of the biggest clusters, four frames each. Good: the clips of a "
            "cluster have an action in common. Bad: only a colour or a background in common, or all are of one video."
        ),
        *(_strips_of(shown, cluster) for cluster in range(len(shown.shares))),
    )


def _load_exhibit(won: Optional[Winner], directory: pathlib.Path) -> Tuple[Optional[Exhibit], str]:
    """The exhibit of the winner, or why there is none."""
    if not won:
        return None, "no candidate is feasible so far."
    path = directory / exhibit.FILE
    if not path.exists():
        return None, f"{exhibit.FILE}, which the search writes at its end."
    try:
        shown = Exhibit.load(path)
    except InputError as error:
        return None, f"{error}."
    if not shown.is_of(won.lambdas):
        return None, f"{exhibit.FILE} is of an earlier best candidate; the search writes it anew at its end."
    return shown, ""


def _strips_of(shown: Exhibit, cluster: int) -> str:
    entries = [
        (strip, f"Frames of {name}", name) for strip, name in zip(shown.strips[cluster], shown.names[cluster]) if name
    ]
    title = f"Cluster {cluster + 1}: {100 * shown.shares[cluster]:.1f} % of the clips"
    return page.heading(title) + page.strips(entries)


def _health(generations: List[Generation], journal: Journal, directory: pathlib.Path) -> str:
    settings, untrained = journal.header.get("settings", {}), journal.notes.get(UNTRAINED, {})
    gate = {"feature_deviation": settings["min_deviation"]} if "min_deviation" in settings else {}
    if "agreement_adjusted" in untrained and "agreement_margin" in settings:
        gate["agreement_adjusted"] = untrained["agreement_adjusted"] + settings["agreement_margin"]
    figure = diagnosis.health_over_rounds(generations, untrained, gate)
    parts = [
        page.picture(
            figures.save(figure, directory / "figures" / "health.png").read_bytes(),
            "Four diagnostics of every candidate by round: deviation and effective rank of the features, and their "
            "agreement with another modality.",
            "Measured of every candidate besides its fitness. Below the dotted line of the health gate a candidate is "
            "infeasible. Bad: deviations that fall towards the gate (collapse), agreement at the level of the "
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
            [(f"{name}: {key}", _plain(own)) for key, own in value.items()]
            if isinstance(value, dict)
            else [(name, _plain(value))]
        )
    return page.section("Settings", page.folded(f"{len(rows)} settings, versions and notes", page.facts(rows)))


def _plain(value: Any) -> str:
    """A value of JSON as one reads it."""
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
