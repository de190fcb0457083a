"""Label budgets: nested, class-balanced subsets of the training videos (Table 3, Fig. 5)."""

import dataclasses
from typing import List, Optional, Sequence

import numpy as np

from elo_tf.config import InputError
from elo_tf.evaluate.videos.split import Split

ALL = "all"


def parse(names: Sequence[str]) -> List[Optional[int]]:
    """The budgets of `--label_budgets`, ascending; None stands for all videos, and is what an empty list means.

    Raises:
      InputError: one is neither a positive number nor `all`.
    """
    numbers = set()
    for name in names:
        if name != ALL and not (name.isascii() and name.isdigit() and int(name)):
            raise InputError(f"--label_budgets: {name!r} is neither a number of videos nor {ALL}")
        numbers.add(None if name == ALL else int(name))
    return sorted(numbers or {None}, key=lambda number: (number is None, number))


def restrict(split: Split, budget: Optional[int], seed: int) -> Split:
    """The split with so many training videos; test videos stay.

    The videos of each class are put into a random order; then each class in turn gives its next one. Any number of the
    first is thus balanced, as far as the classes are large enough, and a smaller budget is part of a larger one.

    Args:
      split: The whole.
      budget: Number of training videos; None for all.
      seed: Of the order.

    Raises:
      InputError: the budget is larger than the set, or smaller than the number of classes.
    """
    if budget is None:
        return split
    if budget > len(split.train):
        raise InputError(
            f"--label_budgets={budget} is more than the {len(split.train)} training videos of split {split.name}; "
            f"lower it, or ask for {ALL}"
        )
    if budget < len(split.classes):
        raise InputError(
            f"--label_budgets={budget} leaves some of the {len(split.classes)} classes without a video; raise it"
        )
    random = np.random.default_rng([seed, 0x62756467])
    labels = split.labels("train")
    places = [random.permutation(np.flatnonzero(labels == label)) for label in range(len(split.classes))]
    turns = random.permutation(len(places))
    order = [
        places[label][turn] for turn in range(max(map(len, places))) for label in turns if turn < len(places[label])
    ]
    return dataclasses.replace(split, train=tuple(split.train[place] for place in sorted(order[:budget])))
