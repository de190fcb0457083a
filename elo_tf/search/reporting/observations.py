"""What the figures of a search show, as numbers for the text beside them."""

import dataclasses
from typing import List, Mapping, Optional, Sequence, Tuple

import numpy as np

from elo_tf.search.journal.generation import Generation
from elo_tf.search.reporting.diagnosis import MEASURES, trained_in_full
from elo_tf.search.reporting.findings import Standing


@dataclasses.dataclass(frozen=True)
class Change:
    """A quantity in the first round and in the last.

    Attributes:
      name: Of the quantity.
      first, last: Its values.
    """

    name: str
    first: float
    last: float

    @property
    def gain(self) -> float:
        """By how much it has grown; below 0 where it has shrunk."""
        return self.last - self.first


def mean_fitness(generations: Sequence[Generation]) -> Optional[Change]:
    """Mean fitness in the first and the last round that have feasible candidates; None where fewer than two have."""
    values = [[each.value for each in own.full_results if each and each.value is not None] for own in generations]
    means = [float(np.mean(own)) for own in values if own]
    return Change("mean fitness", means[0], means[-1]) if len(means) > 1 else None


def drifts(generations: Sequence[Generation], names: Sequence[str]) -> List[Change]:
    """Mean λ of each term over the candidates of the first and of the last round, the greatest rise first.

    Args:
      generations: Of the search.
      names: [G], of the λ.

    Returns:
      [G]; empty where there is one round.
    """
    if len(generations) < 2:
        return []
    first, last = (generations[place].lambdas.mean(axis=0) for place in (0, -1))
    changes = [Change(*each) for each in zip(names, first.tolist(), last.tolist())]
    return sorted(changes, key=lambda change: -change.gain)


def last_medians(
    generations: Sequence[Generation], untrained: Mapping[str, float]
) -> List[Tuple[str, float, Optional[float]]]:
    """What was measured of the candidates of the last round besides their fitness.

    Args:
      generations: Of the search.
      untrained: The same of the untrained tower, by name of the diagnostic.

    Returns:
      (title, median over the candidates trained in full, level of the untrained tower), for what was measured.
    """
    for generation in reversed(generations):
        measured = {name: trained_in_full(generation, name) for name in MEASURES}
        if any(measured.values()):
            return [
                (MEASURES[name], float(np.median(values)), untrained.get(name))
                for name, values in measured.items()
                if values
            ]
    return []


def ranges_of_ties(ranked: Sequence[Standing]) -> Optional[np.ndarray]:
    """[G,2], the lowest and the highest λ of each term among the best candidate and its ties; None without ties."""
    tied = [each.lambdas for each in ranked if each.tie]
    return np.stack([np.min(tied, axis=0), np.max(tied, axis=0)], axis=1) if len(tied) > 1 else None
