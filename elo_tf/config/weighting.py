"""Settings of how the terms are weighed while a model trains."""

import dataclasses
from typing import Tuple

from elo_tf.config.fields import Checked, setting


@dataclasses.dataclass(frozen=True)
class LambdaConfig(Checked):
    """How weights are learned by gradient, in a training or a search with --strategy=gradient."""

    learn_lambdas: str = setting(
        "",
        "learn the weights while training, by the slope of --lambda_objective on held-out clips: lookahead, after one "
        "step; unroll, after several; empty leaves them to --weighting (a search with --strategy=gradient looks ahead)",
    )
    lambda_objective: str = setting(
        "predictability",
        "what learned weights are to lower on held-out clips: predictability, the part of plain descriptors of flow "
        "and sound that RGB features do not explain; zipf, Eq. 5 with soft assignments; labels, as predictability "
        "with labels for descriptors",
        choices=("predictability", "zipf", "labels"),
    )
    lambda_targets: Tuple[str, ...] = setting(
        (), "predictability: flow, audio, or both; empty means those that held-out videos have"
    )
    lambda_clips: int = setting(256, "held-out clips of an update of learned weights", low=8)
    lambda_every: int = setting(
        5,
        "steps between updates of weights that need gradients of single terms (gradnorm, pcgrad, learned ones)",
        low=1,
    )
    lambda_rate: float = setting(
        0.1, "step of learned weights: of a logit by Adam; of gradnorm and uncertainty by gradient descent", low=0
    )
    lambda_smoothing: float = setting(0.9, "part of the former slope in that of a learned weight", low=0, high=0.999)
    lambda_start: float = setting(
        0.5, "learned weights at the start, the same for each term; 0 takes those of --loss", low=0, high=1
    )


@dataclasses.dataclass(frozen=True)
class DescentConfig(LambdaConfig):
    """A search with --strategy=gradient."""

    descents: int = setting(
        2, "gradient: trainings that learn λ; what each has found is then trained from fresh weights", low=1
    )


@dataclasses.dataclass(frozen=True)
class WeightingConfig(LambdaConfig):
    """How the terms of a training are weighed."""

    weighting: str = setting(
        "fixed",
        "weights of the terms: fixed, those of --loss; equal; rlw, random at each step; uncertainty; dwa; gradnorm; "
        "pcgrad. The modules of elo_tf.model.weighting cite their papers",
    )
