"""Statistics of the candidates of Fig. 9; `fig9_tables` writes them down."""

import dataclasses
import math
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from experiments import rank_statistics
from experiments.truths import TRUTHS

TARGETS = ("weak", *TRUTHS)
# Fitness -> 1 where more of it is better, -1 where less is.
FITNESSES = {"gain": 1, "zipf": -1, "zipf_scale_free": -1, "agreement": 1, "agreement_adjusted": 1, "weak": 1}
PICKED_OF = 16


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A loss, what its training gave, and its fitness in all variants.

    Attributes:
      number: Of the loss; the same under all seeds.
      kind: How its lambdas were drawn.
      seed: Of the search.
      lambdas: [G].
      reason: Why it is infeasible; None for one that passed the gate.
      measured: Diagnostics by name, `TRUTHS` among them.
      variants: Score of each variant, more being better.
    """

    number: int
    kind: str
    seed: int
    lambdas: Tuple[float, ...]
    reason: Optional[str]
    measured: Mapping[str, float]
    variants: Mapping[str, float]

    def goodness(self, name: str) -> float:
        """A fitness, a truth or the score of a variant, more being better; NaN where it was not measured."""
        if name in self.variants:
            return self.variants[name]
        return FITNESSES.get(name, 1) * self.measured.get(name, math.nan)


@dataclasses.dataclass(frozen=True)
class World:
    """All that is known of one world.

    Attributes:
      name: Such as `second:31:0`.
      part: `choose` or `report`.
      videos: Held-out labelled videos, of which the accuracies are.
      untrained: Diagnostics of the untrained tower.
      families: What is varied -> names of the variants, the search's own first.
      candidates: Those of all seeds; the first seed has all losses.
    """

    name: str
    part: str
    videos: int
    untrained: Mapping[str, float]
    families: Mapping[str, Sequence[str]]
    candidates: Tuple[Candidate, ...]

    @property
    def first(self) -> List[Candidate]:
        """The candidates of the first seed that have the truth and a score."""
        seed = self.candidates[0].seed
        names = ("zipf", *TRUTHS)
        return [each for each in self.candidates if each.seed == seed and all(name in each.measured for name in names)]

    @property
    def fitnesses(self) -> List[str]:
        """Those that were measured here."""
        return [name for name in FITNESSES if any(name in each.measured for each in self.candidates)]

    @property
    def agrees_with(self) -> str:
        """The modality that the agreement of the journal, and so its gate, is with; empty where it has no variants."""
        return next(iter(self.families.get("agreement with", [""]))).partition("agreement ")[2].partition(" ")[0]

    @property
    def chance(self) -> float:
        """1-layer accuracy above which a tower knows something: the untrained tower's and two standard errors."""
        accuracy = self.untrained["true/linear"]
        return accuracy + 2 * math.sqrt(accuracy * (1 - accuracy) / self.videos)

    def groups(self) -> Dict[str, List[Candidate]]:
        """The sets of candidates that correlations are taken over."""
        return {
            "all": self.first,
            "passed the gate": [each for each in self.first if each.reason is None],
            "above chance": [each for each in self.first if self.knows(each)],
        }

    def knows(self, candidate: Candidate) -> bool:
        """Whether its 1-layer accuracy is above chance."""
        return candidate.measured["true/linear"] > self.chance

    @classmethod
    def from_json(cls, content: Dict[str, Any]) -> "World":
        """What `dataclasses.asdict` has written."""
        fields = {field.name: content[field.name] for field in dataclasses.fields(cls)}
        candidates = (Candidate(**{**each, "lambdas": tuple(each["lambdas"])}) for each in fields["candidates"])
        return cls(**{**fields, "candidates": tuple(candidates)})


def _columns(candidates: Sequence[Candidate], *names: str) -> Tuple[np.ndarray, ...]:
    """These numbers of the candidates that have all of them, [n] each."""
    rows = np.array([[each.goodness(name) for name in names] for each in candidates]).reshape(-1, len(names))
    return tuple(rows[np.isfinite(rows).all(axis=1)].T)


def pearson(candidates: Sequence[Candidate], score: str, target: str) -> Tuple[float, float, float]:
    """Pearson's r between a score and what it is held against, and its interval."""
    return _with_ends(rank_statistics.pearson, candidates, score, target)


def spearman(candidates: Sequence[Candidate], score: str, target: str) -> Tuple[float, float, float]:
    """Spearman's rho between a score and what it is held against, and its interval."""
    return _with_ends(rank_statistics.spearman, candidates, score, target)


def partial_spearman(candidates: Sequence[Candidate], score: str, target: str, held: str) -> Tuple[float, float, float]:
    """Spearman's rho between a score and what it is held against among losses of equal `held`, and its interval."""
    return _with_ends(rank_statistics.partial_spearman, candidates, score, target, held)


def _with_ends(statistic: Callable, candidates: Sequence[Candidate], *names: str) -> Tuple[float, float, float]:
    columns = _columns(candidates, *names)
    return (statistic(*columns), *rank_statistics.interval(statistic, *columns))


def picked(candidates: Sequence[Candidate], score: str, truth: str, gated: bool) -> float:
    """Mean truth of the best of `PICKED_OF` by a score; behind the gate, what is infeasible is picked last."""
    values = [-math.inf if gated and each.reason else each.goodness(score) for each in candidates]
    scores = np.nan_to_num(values, nan=-math.inf, neginf=-math.inf)
    return rank_statistics.best_of(PICKED_OF, scores, np.array([each.measured[truth] for each in candidates]))


def noise(world: World, score: str) -> Dict[str, float]:
    """`rank_statistics.noise` of a score over the losses that were trained under several seeds."""
    groups: Dict[int, List[float]] = {}
    for each in world.candidates:
        value = each.goodness(score)
        if math.isfinite(value):
            groups.setdefault(each.number, []).append(value)
    return rank_statistics.noise(list(groups.values()))


def mean_rho(found: Sequence[World], name: str) -> float:
    """Mean of Spearman's rho of a score with 1-layer accuracy, over the worlds in which it was measured; else NaN."""
    pairs = [_columns(world.first, name, "true/linear") for world in found]
    values = [rank_statistics.spearman(*each) for each in pairs if len(each[0])]
    return float(np.mean(values)) if values else math.nan
