"""Outer objectives: functions of the RGB embeddings of held-out clips that learned λ minimise."""

from typing import Dict, Type

from elo_tf.model.outer.base import OuterObjective
from elo_tf.model.outer.predictability import Predictability
from elo_tf.model.outer.zipf import Zipf

# The choices of `--lambda_objective`.
OBJECTIVES: Dict[str, Type[OuterObjective]] = {
    "predictability": Predictability,
    "labels": Predictability,
    "zipf": Zipf,
}
