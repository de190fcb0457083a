"""The claims of the paper that these experiments test, each with its numbers and its rule."""

import dataclasses
from typing import Callable, List, Optional

from experiments import claim_rules as rules
from experiments import demo_worlds, table1, table2, unlabelled_videos
from experiments.claim_rules import Outcome, Results


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
      text: What it says.
      place: Where.
      paper: The paper's numbers, as text.
      size: The number that ours is divided by; None where there is none.
      read: Our results -> outcome.
    """

    text: str
    place: str
    paper: str
    size: Optional[float]
    read: Callable[[Results], Outcome]


CLAIMS: List[Claim] = [
    Claim("Every single task teaches more than no training", "Table 1, 1-layer", "24.3 to 36.8 over 17.8", None,
          rules.every_single_over_untrained),
    Claim("The evolved loss beats random losses", "Table 1, k-means", "43.4 over 26.4, ratio 1.64", 1.64,
          rules.evolved_over_random),
    Claim("The evolved loss beats the best single task", "Table 1, 1-layer", "64.5 over 36.8, +27.7 points", 27.7,
          rules.over_best_single),
    Claim("In the demo it beats random losses", "Table 1, k-means",
          "43.4 over 26.4, ratio 1.64", 1.64, rules.in_the_demo("kmeans", "random", as_ratio=True)),
    Claim("In the demo it beats its best single term", "Table 1, 1-layer", "64.5 over 36.8, +27.7 points", 27.7,
          rules.in_the_demo("linear", demo_worlds.SINGLE)),
    Claim("In the demo it beats equal weights", "Sec. 1, 4.1 (no number)", "", None,
          rules.in_the_demo("linear", "equal")),
    Claim("It goes half of the way from no training to labels of another set", "Table 1, k-means", ".52", 0.52,
          rules.share_of_supervised("kmeans")),
    Claim("It goes most of that way with one layer", "Table 1, 1-layer", ".87", 0.87,
          rules.share_of_supervised("linear")),
    Claim("The evolved loss beats equal weights", "Sec. 1, 4.1 (no number)", "", None,
          rules.ahead("table1", "linear", table1.EVOLVED["default"][0], table1.EQUAL)),
    Claim("Without labels the Zipf score finds what labels find (ELo-weak)", "Table 1, 1-layer", "64.5 and 64.3", None,
          rules.not_behind("table1", "linear", table1.EVOLVED["zipf"][0], table1.EVOLVED["weak"][0])),
    Claim("Distillation is worth 13.7 points", "Table 2, fine-tuned", "67.4 over 53.7", 13.7,
          rules.ahead("table2", "finetune", table2.WITH, table2.WITHOUT)),
    Claim("Half of the labels suffice", "Table 3, Fig. 5", "about 50 %", 0.5, rules.labels_needed),
    Claim("More unlabelled videos help, iterations fixed", "Fig. 6, left", "rises", None,
          rules.more_videos(unlabelled_videos.ITERATIONS)),
    Claim("More unlabelled videos help, epochs fixed", "Fig. 6, right", "rises", None,
          rules.more_videos(unlabelled_videos.EPOCHS)),
    Claim("CMA-ES beats the other searchers", "Table 4", "67.4 over 61.4, 57.3, 52.4", None, rules.searchers),
    Claim("The Zipf score orders losses as labels do", "Fig. 9", "rho .91", 0.91, rules.zipf_orders_losses),
    Claim("Evolution finds which terms matter", "Fig. 7, 8", "align rises, shuffle falls", None, rules.terms_agree),
]  # fmt: skip
