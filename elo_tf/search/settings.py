"""The strategy of a search, and the rungs on which its candidates train, from the settings."""

import math
import pathlib
from typing import Mapping, Optional, Sequence, Tuple

from elo_tf.config import EvolutionConfig, InputError, require_paths
from elo_tf.costs.budget import SearchSize
from elo_tf.model.objective import load_loss, read_loss
from elo_tf.search.evolution import base
from elo_tf.search.journal.rungs import Rungs

# [n][G], what the strategy `fixed` evaluates.
Vectors = Optional[Tuple[Tuple[float, ...], ...]]
# [G], what another strategy starts from.
Vector = Optional[Tuple[float, ...]]

# The strategy whose vectors trainings learn.
GRADIENT = "gradient"
# Lambda of a term that the loss to start from lacks: the middle, where all start without one.
START = 0.5


def make_strategy(
    evolution: EvolutionConfig, dimensions: int, seed: int, vectors: Vectors = None, initial: Vector = None
) -> base.Strategy:
    """The strategy, new.

    Args:
      evolution: Its name and its settings.
      dimensions: G.
      seed: Of the search.
      vectors: Of `fixed_vectors`.
      initial: Of `initial_vector`.

    Raises:
      InputError: there is no strategy of this name, or a setting is impossible for it.
    """
    try:
        settings = base.Settings(
            evolution.population, evolution.initial_step, evolution.pool, evolution.tournament_size, vectors, initial
        )
        return base.create(evolution.strategy, dimensions=dimensions, seed=seed, settings=settings)
    except ValueError as error:
        raise InputError(f"--strategy={evolution.strategy}: {error}") from None


def make_rungs(evolution: EvolutionConfig, steps: int, population: int) -> Rungs:
    """How long the candidates of a round of `population` are trained, up to a full length of `steps`.

    Raises:
      InputError: there are no such rungs, or as many candidates would go on from one as take part in it.
    """
    try:
        rungs = Rungs.of(steps, evolution.rungs, evolution.reduction)
        rungs.check(population)
        return rungs
    except ValueError as error:
        raise InputError(f"--rungs={evolution.rungs}: {error}") from None


def fixed_vectors(evolution: EvolutionConfig, names: Sequence[str], loss_units: str, descents: int = 0) -> Vectors:
    """The λ of `--lambda_files`, in the order of the names; None for a strategy that finds its own.

    For the strategy `gradient`, as many in place of those that the descents will find.

    Raises:
      InputError: files and strategy do not go together, or a file is missing, for other terms or in other units.
    """
    files = evolution.lambda_files
    if evolution.strategy == GRADIENT and not files:
        return ((START,) * len(names),) * descents
    if (evolution.strategy == "fixed") != bool(files):
        raise InputError(
            f"--strategy={evolution.strategy} with {len(files)} --lambda_files; only 'fixed' takes them, one or more"
        )
    require_paths("lambda_files", files)
    losses = [load_loss(pathlib.Path(path), names) for path in files]
    for path, loss in zip(files, losses):
        _check_units(path, loss.units, loss_units)
    return tuple(tuple(loss.lambdas.tolist()) for loss in losses) or None


def initial_vector(evolution: EvolutionConfig, names: Sequence[str], loss_units: str) -> Vector:
    """The λ of `--initial_loss`, in the order of the names, `START` for terms that it lacks; None without such a file.

    Raises:
      InputError: the file is missing, has terms that are not among the names, or is in other units.
    """
    path = evolution.initial_loss
    if not path:
        return None
    loss = read_loss(pathlib.Path(path))
    others = [name for name in loss.lambdas if name not in names]
    if others:
        raise InputError(
            f"--initial_loss={path} has terms that this search lacks: {', '.join(others)}; add them to --tasks and "
            "--modalities, or take them out of a copy of the file"
        )
    _check_units(f"--initial_loss={path}", loss.units, loss_units)
    return tuple(loss.lambdas.get(name, START) for name in names)


def _check_units(path: str, units: Optional[Mapping[str, float]], loss_units: str) -> None:
    """Raises `InputError` where the λ of a file weigh something else than those of the search."""
    own = "value" if units is None else "gradient"
    if own != loss_units:
        raise InputError(
            f"{path} has lambdas for --loss_units={own}, this search has --loss_units={loss_units}; use the same"
        )


def size_of(
    evolution: EvolutionConfig, names: Sequence[str], loss_units: str, steps: int, descents: int = 0
) -> SearchSize:
    """How much a search trains, as far as one knows beforehand.

    Args:
      evolution: Its settings.
      names: Of the lambdas, [G].
      loss_units: Of the lambdas.
      steps: Of a candidate's full training.
      descents: Trainings that learn λ, of the strategy `gradient`.

    Raises:
      InputError: the settings of strategy or rungs are impossible.
    """
    vectors = fixed_vectors(evolution, names, loss_units, descents)
    initial = initial_vector(evolution, names, loss_units)
    learned = descents if evolution.strategy == GRADIENT else 0
    strategy = make_strategy(evolution, len(names), 0, vectors, None if learned else initial)
    rungs = make_rungs(evolution, steps, strategy.population)
    limit = strategy.limit / strategy.population
    rounds = evolution.generations if limit >= evolution.generations else math.ceil(limit)
    fresh = (evolution.rescore + 1) * evolution.rescore_seeds if evolution.rescore else 0
    return SearchSize(
        generations=rounds,
        population=strategy.population,
        trainings=rounds * rungs.trainings(strategy.population) + fresh + learned,
        steps=rounds * rungs.training_steps(strategy.population) + (fresh + learned) * steps,
    )
