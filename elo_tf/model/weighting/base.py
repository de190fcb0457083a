"""The contract of a weighting, and the registry of weightings.

    losses [G] ──────────────┐
    gradients of the terms ──┴─> ask ─> weights [G] of this step's sum (Eq. 1)

A weighting is one file in this folder: a subclass of `Weighting`, `class Equal(Weighting, known_as="equal")`. Whatever
it remembers lies in variables, so that checkpoints hold it and a training that resumes goes on bit for bit.
"""

import dataclasses
import importlib
import pkgutil
from typing import Any, Dict, Sequence, Tuple, Type

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError, LambdaConfig, WeightingConfig
from elo_tf.model.weighting.term_gradients import TermGradients

FIXED = "fixed"
# What a weighting looks at: values of the terms, gradients of single terms, or held-out clips besides.
VALUES, GRADIENTS, HELD_OUT = "values", "gradients", "held_out"

_REGISTRY: Dict[str, Type["Weighting"]] = {}


@dataclasses.dataclass(frozen=True)
class Start:
    """What a weighting is told beforehand.

    Attributes:
      names: Of the terms; G of them.
      lambdas: [G] in [0,1], weights of the loss.
      seed: Of the run.
      config: Settings.
    """

    names: Tuple[str, ...]
    lambdas: Sequence[float]
    seed: int = 0
    config: LambdaConfig = LambdaConfig()


class Weighting(tf.Module):
    """Weighs the terms, step by step.

    Class attributes, stated by each kind:
      looks_at: `VALUES`, and it is asked at every step; `GRADIENTS` or `HELD_OUT`, and it is asked at every
        `--lambda_every`-th one. In between the weights stay as they are.
      second_order: Whether it takes gradients of gradients (`TermGradients.curvature`); on one device only.
      is_lambda: Whether the weights are λ of Eq. 1, in [0,1], which a loss file can hold.

    Args:
      start: What is known beforehand.
    """

    known_as: str
    looks_at: str = VALUES
    second_order: bool = False
    is_lambda: bool = False

    def __init_subclass__(cls, known_as: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        owner = _REGISTRY.setdefault(known_as, cls)
        if owner is not cls:
            raise ValueError(f"weighting {known_as!r} of {cls.__module__} is already taken by {owner.__module__}")
        cls.known_as = known_as

    def __init__(self, start: Start):
        super().__init__(name="weighting")
        self.start = start
        self.terms = len(start.names)

    def first(self) -> np.ndarray:
        """[G] float32: the weights before it is asked for the first time."""
        return np.ones(self.terms, np.float32)

    def ask(self, losses: tf.Tensor, gradients: TermGradients) -> tf.Tensor:
        """The weights of this step.

        Args:
          losses: [G] float32, unweighted terms over their units; means over the replicas.
          gradients: Of the terms in the RGB tower; what is not asked of it is not computed.

        Returns:
          [G] float32, positive, the same on every replica.
        """
        raise NotImplementedError

    def _state(self, name: str, value: tf.Tensor) -> tf.Variable:
        """A variable that every replica holds alike."""
        return tf.Variable(value, trainable=False, name=name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)


def weightings() -> Dict[str, Type[Weighting]]:
    """All weightings of this package by name, in alphabetical order."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")
    return dict(sorted(_REGISTRY.items()))


def find(config: WeightingConfig) -> str:
    """Name of the weighting that the settings ask for; `FIXED` where λ stay those of the loss.

    Raises:
      InputError: there is none of this name, or both flags ask for one.
    """
    known = weightings()
    learning = [name for name, kind in known.items() if kind.looks_at == HELD_OUT]
    others = [FIXED, *(name for name in known if name not in learning)]
    if config.weighting not in others:
        raise InputError(f"--weighting={config.weighting!r} is unknown; choose from {', '.join(others)}")
    if config.learn_lambdas and config.learn_lambdas not in learning:
        raise InputError(f"--learn_lambdas={config.learn_lambdas!r} is unknown; choose from {', '.join(learning)}")
    if config.learn_lambdas and config.weighting != FIXED:
        raise InputError(
            f"--learn_lambdas={config.learn_lambdas} and --weighting={config.weighting} both set the weights; use one"
        )
    return config.learn_lambdas or config.weighting


def averaged(path: np.ndarray) -> np.ndarray:
    """[G]: the mean over the second half of a path [n,G], less noisy than its end (Polyak and Juditsky, 1992)."""
    return path[len(path) // 2 :].mean(axis=0)


def create(name: str, start: Start) -> Weighting:
    """A new weighting by its registered name (`find`); variables are made, under the scope of the strategy."""
    return weightings()[name](start)
