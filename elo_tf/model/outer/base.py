"""The contract of an outer objective, and their registry by name of `--lambda_objective`.

held-out clips ─> RGB tower, in inference mode ─> embeddings [N,D] ─┐
             └──> descriptors of flow, of sound, or labels [N,d] ───┴─> J, to be minimised
"""

import abc
import importlib
import pkgutil
from typing import Any, Dict, Mapping, Type

import tensorflow as tf

# Name -> [N,d] float32, what embeddings are held against, and [N], 1 where a clip has it, else 0.
Targets = Mapping[str, tf.Tensor]

_REGISTRY: Dict[str, Type["OuterObjective"]] = {}


class OuterObjective(abc.ABC):
    """A differentiable measure of embeddings, without state."""

    needs_targets: bool = True

    def __init_subclass__(cls, known_as: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        owner = _REGISTRY.setdefault(known_as, cls)
        if owner is not cls:
            raise ValueError(f"objective {known_as!r} of {cls.__module__} is already taken by {owner.__module__}")

    @abc.abstractmethod
    def value(self, features: tf.Tensor, videos: tf.Tensor, targets: Targets, present: Targets) -> tf.Tensor:
        """J, a scalar float32 to be minimised.

        Args:
          features: [N,D] float32.
          videos: [N] int64, the video that a clip is of.
          targets: Name -> [N,d].
          present: Name -> [N].
        """


def create(name: str) -> OuterObjective:
    """The objective of a name, which is one of the choices of `--lambda_objective`."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")
    return _REGISTRY[name]()
