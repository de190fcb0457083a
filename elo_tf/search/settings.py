"""The strategy that the settings of a search name, and the rungs on which its candidates are trained."""

import math
import pathlib
from typing import Optional, Sequence, Tuple

from elo_tf.config import EvolutionConfig, InputError, require_paths
from elo_tf.costs.budget import SearchSize
from elo_tf.model.objective import load_loss
from elo_tf.search.evolution import base
from elo_tf.search.journal.rungs import Rungs

# [n][G], what the strategy `fixed` evaluates.
Vectors = Optional[Tuple[Tuple[float, ...], ...]]


def make_strategy(evolution: EvolutionConfig, dimensions: int, seed: int, vectors: Vectors = None) -> base.Strategy:
    """The strategy, new.

    Args:
      evolution: Its name and its settings.
      dimensions: G.
      seed: Of the search.
      vectors: Of `fixed_vectors`.

    Raises:
      InputError: there is no strategy of this name, or a setting is impossible for it.
    """
    try:
        settings = base.Settings(
            evolution.population, evolution.initial_step, evolution.pool, evolution.tournament_size, vectors
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


def fixed_vectors(evolution: EvolutionConfig, names: Sequence[str], loss_units: str) -> Vectors:
    """The λ of `--lambda_files`, in the order of the names; None for a strategy that finds its own.

    Raises:
      InputError: files and strategy do not go together, or a file is missing, for other terms or in other units.
    """
    files = evolution.lambda_files
    if (evolution.strategy == "fixed") != bool(files):
        raise InputError(f"--strategy={evolution.strategy} with {len(files)} --lambda_files; 'fixed' alone takes them")
    require_paths("lambda_files", files)
    losses = [load_loss(pathlib.Path(path), names) for path in files]
    for path, loss in zip(files, losses):
        units = "value" if loss.units is None else "gradient"
        if units != loss_units:
            raise InputError(f"{path} has lambdas for --loss_units={units}, and this search has {loss_units}")
    return tuple(tuple(loss.lambdas.tolist()) for loss in losses) or None


def size_of(evolution: EvolutionConfig, names: Sequence[str], loss_units: str, steps: int) -> SearchSize:
    """How much a search trains, as far as one knows beforehand.

    Args:
      evolution: Its settings.
      names: Of the lambdas, [G].
      loss_units: Of the lambdas.
      steps: Of a candidate's full training.

    Raises:
      InputError: the settings of strategy or rungs are impossible.
    """
    strategy = make_strategy(evolution, len(names), 0, fixed_vectors(evolution, names, loss_units))
    rungs = make_rungs(evolution, steps, strategy.population)
    limit = strategy.limit / strategy.population
    rounds = evolution.generations if limit >= evolution.generations else math.ceil(limit)
    fresh = (evolution.rescore + 1) * evolution.rescore_seeds if evolution.rescore else 0
    return SearchSize(
        generations=rounds,
        population=strategy.population,
        trainings=rounds * rungs.trainings(strategy.population) + fresh,
        steps=rounds * rungs.training_steps(strategy.population) + fresh * steps,
    )
