"""Settings of how training weighs the terms."""

import dataclasses
from typing import Tuple

from elo_tf.config.fields import Checked, setting


@dataclasses.dataclass(frozen=True)
class LambdaConfig(Checked):
    """How weights are learned by gradient, in a training or a search with --strategy=gradient."""

    learn_lambdas: str = setting(
        "",
        "learn the weights while training, by the gradient of --lambda_objective on held-out clips: lookahead, after "
        "one step; unroll, after several; empty: as --weighting says (--strategy=gradient then uses lookahead)",
    )
    lambda_objective: str = setting(
        "predictability",
        "objective on held-out clips that learned weights lower: predictability, the fraction of plain descriptors of "
        "flow and sound that RGB features do not explain; zipf, Eq. 5 with soft assignments; labels, as "
        "predictability, with labels in place of descriptors",
        choices=("predictability", "zipf", "labels"),
    )
    lambda_targets: Tuple[str, ...] = setting(
        (), "predictability: flow, audio or both; empty: those that held-out videos have"
    )
    lambda_clips: int = setting(256, "held-out clips for each update of learned weights", low=8)
    lambda_every: int = setting(
        5,
        "steps between updates of weights that need gradients of single terms (gradnorm, pcgrad, learned weights)",
        low=1,
    )
    lambda_rate: float = setting(
        0.1, "learning rate of weights: of logits with Adam; with gradient descent for gradnorm and uncertainty", low=0
    )
    lambda_smoothing: float = setting(0.9, "learned weights: decay of the first moment of Adam", low=0, high=0.999)
    lambda_start: float = setting(0.5, "first value of all learned weights; 0: those of --loss", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class DescentConfig(LambdaConfig):
    """A search with --strategy=gradient."""

    descents: int = setting(
        2, "gradient: number of trainings that learn λ; each result then trains from fresh weights", low=1
    )


@dataclasses.dataclass(frozen=True)
class WeightingConfig(LambdaConfig):
    """How the terms of a training are weighed."""

    weighting: str = setting(
        "fixed",
        "weights of the terms: fixed, those of --loss; equal; rlw, random at each step; uncertainty; dwa; gradnorm; "
        "pcgrad (elo_tf.model.weighting cites their papers)",
    )
