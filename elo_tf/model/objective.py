"""The weighted sum of Eq. 1: lambdas as names, as a vector, and as a JSON file.

L = sum_m sum_t lambda_{m,t} L_{m,t} / u_{m,t} + sum_d lambda_d L_d / u_d,        each lambda in [0,1]

The units u are 1, unless `--loss_units=gradient` makes them the norm of each term's gradient at the start
(`elo_tf.model.gradients`), so that a lambda means the same for every term.
"""

import dataclasses
import hashlib
import json
import math
import pathlib
from typing import Any, Dict, Mapping, Optional, Sequence, Union

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.runtime import json_text, text
from elo_tf.runtime.storage import write_text


def schema_hash(names: Sequence[str]) -> str:
    """Sixteen hexadecimal digits that stand for the names of the lambdas and their order."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


class Objective(tf.Module):
    """The lambdas of a model, in one non-trainable variable, so that another loss needs no new graph.

    Args:
      names: Names of the terms in canonical order; G of them.
    """

    def __init__(self, names: Sequence[str]):
        super().__init__(name="objective")
        self.names = tuple(names)
        self.lambdas = tf.Variable(
            tf.ones([len(self.names)]),
            trainable=False,
            name="lambdas",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self.units = tf.Variable(
            tf.ones([len(self.names)]),
            trainable=False,
            name="units",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def assign_units(self, units: Mapping[str, float]) -> None:
        """Sets what each term is divided by.

        Raises:
          InputError: a term has none, or one that is not positive and finite.
        """
        for name in self.names:
            if not 0 < units.get(name, 0) < math.inf:
                raise InputError(
                    f"the gradient of {name} cannot be measured ({units.get(name)}); leave it out of --tasks, use "
                    "--loss_units=value, or use records of videos with all modalities that it needs"
                )
        self.units.assign([units[name] for name in self.names])

    def assign(self, lambdas: Union[Sequence[float], np.ndarray]) -> None:
        """Sets all weights.

        Raises:
          InputError: their number is not G, or one lies outside of [0,1].
        """
        values = np.asarray(lambdas, np.float64)
        if values.shape != (len(self.names),):
            raise InputError(f"a loss of shape {values.shape} does not fit {len(self.names)} terms")
        for name, value in zip(self.names, values):
            if not 0.0 <= value <= 1.0:
                raise InputError(f"lambda of {name} is {value}; it must lie in [0,1]")
        self.lambdas.assign(values.astype(np.float32))

    def total(self, losses: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Eq. 1. A term of weight 0 is left out, not multiplied by 0: 0 x NaN would be NaN."""
        values = tf.stack([losses[name] for name in self.names])
        weights = self.lambdas.read_value()
        return tf.reduce_sum(tf.where(weights > 0, weights * values / self.units.read_value(), 0.0))

    def over_units(self, losses: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """[G] terms over their units, whose gradients the lambdas weigh."""
        return tf.stack([losses[name] for name in self.names]) / self.units.read_value()

    def gate(self, tensor: tf.Tensor, index: int) -> tf.Tensor:
        """The tensor itself; its gradient is exactly 0, whatever comes back, where term `index` has weight 0.

        Needed besides `total`, since a gradient of 0 that passes through an infinite derivative becomes NaN.
        """
        return _gate(tensor, self.lambdas.read_value()[index] > 0)


@tf.custom_gradient
def _gate(tensor, is_open):
    def gradient(upstream):
        return tf.where(is_open, upstream, tf.zeros_like(upstream)), None

    return tf.identity(tensor), gradient


@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss as a file holds it.

    Attributes:
      lambdas: [G] float64, in the order of the names asked for.
      units: What each term is divided by, by name; None where that is 1.
    """

    lambdas: np.ndarray
    units: Optional[Dict[str, float]]


def save_loss(
    path: pathlib.Path,
    names: Sequence[str],
    lambdas: Sequence[float],
    about: Mapping[str, Any],
    units: Optional[Mapping[str, float]] = None,
) -> None:
    """Writes a loss as JSON: lambdas and units by name, the schema hash, what is known about it (fitness, cost)."""
    content: Dict[str, Any] = {"schema_hash": schema_hash(names)}
    content.update(about)
    content["lambdas"] = {name: float(value) for name, value in zip(names, lambdas)}
    if units is not None:
        content["units"] = {name: float(units[name]) for name in names}
    write_text(path, json.dumps(content, indent=2) + "\n")


@dataclasses.dataclass(frozen=True)
class LossFile:
    """All that a loss file says.

    Attributes:
      lambdas: Weights by name, in the order of the file.
      units: What each term is divided by, by name; None where that is 1.
      content: The whole file.
    """

    lambdas: Dict[str, float]
    units: Optional[Dict[str, float]]
    content: Dict[str, Any]


def read_loss(path: pathlib.Path) -> LossFile:
    """Reads a loss file, of whatever terms.

    Raises:
      InputError: the file is missing, is no loss, or a weight lies outside of [0,1].
    """
    try:
        content = json_text.parse(text.read(path))
        lambdas = {name: float(value) for name, value in content["lambdas"].items()}
        if not isinstance(content.get("task", {}), dict):
            raise ValueError("'task' is not by name")
        units = content.get("units")
        units = None if units is None else {name: float(units[name]) for name in lambdas}
    except FileNotFoundError:
        raise InputError(f"loss file {path} does not exist; a search writes one as RUN_DIR/evolved_loss.json") from None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{path} is not a loss file ({error}); expected JSON with 'lambdas' by name") from None
    for name, value in lambdas.items():
        if not 0.0 <= value <= 1.0:
            raise InputError(f"{path}: lambda of {name} is {value}; it must lie in [0,1]")
    return LossFile(lambdas, units, content)


def load_loss(path: pathlib.Path, names: Sequence[str]) -> Loss:
    """Reads a loss file of known terms.

    Raises:
      InputError: the file is missing, is no loss, or is for other terms.
    """
    found = read_loss(path)
    missing = [name for name in names if name not in found.lambdas]
    extra = [name for name in found.lambdas if name not in names]
    if missing or extra:
        differences = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(extra)}"] * bool(extra)
        raise InputError(f"{path} is for other terms: it {' and '.join(differences)}; use its --tasks and --modalities")
    return Loss(np.array([found.lambdas[name] for name in names], np.float64), found.units)
