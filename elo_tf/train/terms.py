"""The terms and weights of a training: those of a loss file, except terms of negligible weight."""

import dataclasses
import pathlib
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from elo_tf import tasks
from elo_tf.config import InputError, TaskConfig
from elo_tf.data.clips import MODALITIES, check_modalities
from elo_tf.model.objective import LossFile, read_loss, schema_hash
from elo_tf.tasks import Task

RANDOM = "random:"
EQUAL = "equal"


@dataclasses.dataclass(frozen=True)
class Terms:
    """The terms of a training.

    Attributes:
      tasks: Those that are built, in canonical order.
      lambdas: Their weights, by name.
      units: What each is divided by, by name; None where that is 1.
      dropped: Weights of those left out, by name.
      source: Content of the loss file, weights of all terms.
    """

    tasks: List[Task]
    lambdas: Dict[str, float]
    units: Optional[Dict[str, float]]
    dropped: Dict[str, float]
    source: Dict[str, Any]


def is_searched(loss: str) -> bool:
    """Whether --loss names a file, not random or equal weights."""
    return loss != EQUAL and not loss.startswith(RANDOM)


def choose(
    loss: str,
    config: TaskConfig,
    drop_below: float,
    genome: Sequence[str] = ("paper",),
    modalities: Sequence[str] = tuple(MODALITIES),
    like: str = "",
) -> Terms:
    """The terms of a loss.

    Args:
      loss: A loss file (`RUN_DIR/evolved_loss.json`), `random:SEED` for weights drawn uniformly from [0,1], or `equal`
        for a weight of 1 for each term.
      config: How terms are formed.
      drop_below: A term that weighs less is left out: no head, no view, no tower is built for it alone.
      genome: Names or patterns of the terms of a random or equal loss.
      modalities: Those that such a loss may look at.
      like: Loss file whose terms and units such a loss has, in place of `genome` and `modalities`.

    Raises:
      InputError: there is no such file, it is of other terms than this program has, or what is left does not teach RGB.
    """
    if is_searched(loss):
        found = read_loss(pathlib.Path(loss))
        _check_schema(loss, found, config)
    elif like:
        other = read_loss(pathlib.Path(like))
        _check_schema(like, other, config)
        found = dataclasses.replace(_make(loss, list(other.lambdas)), units=other.units)
    else:
        found = _make(loss, [task.name for task in tasks.select(check_modalities(modalities), genome, config)])
    kept = {name: weight for name, weight in found.lambdas.items() if weight > 0 and weight >= drop_below}
    if not kept:
        raise InputError(f"--drop_below={drop_below:g} drops all terms of --loss={loss}; lower it")
    try:
        built = tasks.select(modalities_of(kept), tuple(kept), config)
    except InputError as error:
        raise InputError(f"--loss={loss}, --drop_below={drop_below:g}: {error}") from None
    dropped = {name: weight for name, weight in found.lambdas.items() if name not in kept}
    lambdas = {task.name: kept[task.name] for task in built}
    units = None if found.units is None else {name: found.units[name] for name in lambdas}
    return Terms(built, lambdas, units, dropped, found.content)


def _make(loss: str, names: Sequence[str]) -> LossFile:
    """A loss that nobody searched for, to compare with: random weights, as in Table 1, or equal ones."""
    seed = loss[len(RANDOM) :]
    if loss != EQUAL and not seed.isdecimal():
        raise InputError(f"--loss={loss}: the seed of a random loss is a whole number, such as random:0")
    weights = np.ones(len(names)) if loss == EQUAL else np.random.default_rng(int(seed)).random(len(names))
    lambdas = dict(zip(names, weights.tolist()))
    return LossFile(lambdas, None, {"schema_hash": schema_hash(names), "strategy": loss, "lambdas": lambdas})


def _check_schema(loss: str, found: LossFile, config: TaskConfig) -> None:
    """Raises `InputError` where the file is of terms that this program does not have, or has changed since."""
    known = [task.name for task in tasks.select(tuple(MODALITIES), ("*",), config)]
    unknown = [name for name in found.lambdas if name not in known]
    if unknown:
        raise InputError(
            f"--loss={loss} has terms that are unknown here: {', '.join(unknown)}; known: {', '.join(known)}"
        )
    names = [name for name in known if name in found.lambdas]
    if found.content.get("schema_hash") != schema_hash(names):
        raise InputError(
            f"--loss={loss} has another schema_hash ({found.content.get('schema_hash')}, here {schema_hash(names)}); "
            "search again with this version, or correct the schema_hash if the names of the terms are right"
        )


def modalities_of(names: Mapping[str, float]) -> Tuple[str, ...]:
    """The towers that terms of these names look at, RGB among them, in canonical order."""
    seen = {modality for name in names for modality in name.split("/")[0].split("-")} | {"rgb"}
    return tuple(modality for modality in MODALITIES if modality in seen)
