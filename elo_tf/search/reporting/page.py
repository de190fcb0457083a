"""The page of a report, as what its template shows: numbers, rows and pictures. The words are the template's.

The page needs nothing but itself: pictures and style are in it, and it has no script.
"""

import dataclasses
from typing import Optional, Sequence, Tuple

import jinja2

from elo_tf.search.reporting.gallery import Gallery
from elo_tf.search.reporting.observations import Change
from elo_tf.search.reporting.picture import Picture
from elo_tf.search.reporting.quantity import Quantity
from elo_tf.search.reporting.standings import Table

TEMPLATE = "report.html.j2"


@dataclasses.dataclass(frozen=True)
class BestLoss:
    """The winner so far.

    Attributes:
      picture: Its λ, modality by task.
      candidate: Its number.
      described: Its fitness with the standard error.
      heaviest, lightest: Terms, each with its λ.
      terms: (name and code, λ) of each term.
    """

    picture: Picture
    candidate: int
    described: str
    heaviest: Sequence[str]
    lightest: Sequence[str]
    terms: Sequence[Tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class FitnessCourse:
    """Fitness over the rounds.

    Attributes:
      picture: Of every candidate.
      mean: Of the first and the last round; None where there are not two.
      best_round: In which the best candidate was trained; None where none is feasible.
      ties: How many others cannot be told from it.
    """

    picture: Picture
    mean: Optional[Change]
    best_round: Optional[int]
    ties: int


@dataclasses.dataclass(frozen=True)
class Health:
    """What was measured of candidates besides their fitness.

    Attributes:
      picture: Of every candidate.
      medians: (title, median of the last round, level of the untrained tower, if it is known).
      has_untrained: Whether the journal has that level.
      infeasible: (why, how many, the first of them) of infeasible candidates.
    """

    picture: Picture
    medians: Sequence[Tuple[str, float, Optional[float]]]
    has_untrained: bool
    infeasible: Optional[Table]


@dataclasses.dataclass(frozen=True)
class Rounds:
    """What there is to show from the first generation on.

    Attributes:
      count: How many generations have been asked for.
      best: None where no candidate is feasible.
      health: Of the features.
      fitness: Over the rounds.
      weights: λ over the rounds.
      drifts: Change of the mean λ of each term, the greatest rise first; empty with one round.
      learned_weights: λ over the steps of the first descent; None but with `--strategy=gradient`.
      candidates: The best ones; None where none is feasible.
      feasible: How many are.
      finalists: Under fresh seeds; None where none are named so far.
      gallery: Clusters of the winner.
    """

    count: int
    best: Optional[BestLoss]
    health: Health
    fitness: FitnessCourse
    weights: Picture
    drifts: Sequence[Change]
    learned_weights: Optional[Picture]
    candidates: Optional[Table]
    feasible: int
    finalists: Optional[Table]
    gallery: Gallery


@dataclasses.dataclass(frozen=True)
class Page:
    """The report of a search.

    Attributes:
      title: Of the page.
      quantity: The fitness in words.
      agreed_with: The modality whose clusters those of the RGB tower are compared with.
      summary: (name, value) of what the search has come to.
      rounds: None before the first generation has been asked for.
      settings: (name, value) of what the search was begun with, and of what was measured once.
      drawn_by: Version and time.
    """

    title: str
    quantity: Quantity
    agreed_with: str
    summary: Sequence[Tuple[str, str]]
    rounds: Optional[Rounds]
    settings: Sequence[Tuple[str, str]]
    drawn_by: str


def render(page: Page) -> str:
    """The page as HTML, in which everything that others wrote is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("elo_tf.search.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(page=page, rounds=page.rounds)
