"""A training that learns λ by gradient within a search (`--strategy=gradient`).

initial weights ─> step with λ ─┬─> every few steps: held-out clips, slopes of λ ─> λ
                                └─> path of λ ─> mean over its second half ─> a candidate
"""

import dataclasses
import time
from typing import List, Optional, Sequence, Tuple

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError, LambdaConfig
from elo_tf.data.clips import Clips
from elo_tf.data.held_out import HeldOutClips
from elo_tf.model.weighting import base
from elo_tf.model.weighting.weigher import Weigher
from elo_tf.search.trials.candidate import CandidateRunner

LOOK_AHEAD = "lookahead"
# Between the seeds of two descents; further apart than those of any search.
_NEXT = 7_000_003


@dataclasses.dataclass(frozen=True)
class Descended:
    """What a descent has come to, of JSON types.

    Attributes:
      lambdas: [G] in [0,1], the mean over the second half of the path.
      steps: Training steps.
      seconds: Wall time.
      path: (step, [G] λ, outer objective) after each update.
    """

    lambdas: Tuple[float, ...]
    steps: int
    seconds: float
    path: Tuple[Tuple[int, Tuple[float, ...], float], ...]


class Descent:
    """Descents on the model of a runner, one after the other, in one graph.

    Args:
      runner: Its model is trained; it is reset before the next candidate.
      config: How λ are learned.
      initial: [G] λ to start from; None takes `--lambda_start`.

    Raises:
      InputError: there are no held-out clips to learn by.
      ValueError: the weighting takes none.
    """

    def __init__(self, runner: CandidateRunner, config: LambdaConfig, initial: Optional[Sequence[float]] = None):
        self._runner = runner
        self._config = config if initial is None else dataclasses.replace(config, lambda_start=0.0)
        settings, names = runner.settings, runner.names
        start = base.Start(names, initial or [0.5] * len(names), settings.run.seed, self._config)
        weighting = base.create(config.learn_lambdas or LOOK_AHEAD, start)
        self._weigher = Weigher(runner.model, weighting, runner.training.manifest, settings.data)
        if self._weigher.held_out is None:
            raise ValueError(f"{weighting.known_as} learns no λ from held-out clips")
        self._held_out = self._weigher.held_out
        self._first = [(variable, variable.numpy()) for variable in weighting.variables]
        self._step = tf.function(self._weighed_step, autograph=False)

    def _weighed_step(self, clips: Clips, held_out: HeldOutClips) -> None:
        model = self._runner.model
        _, pairs = model.compute_gradients(clips, self._weigher.at(held_out))
        model.optimizer.apply_gradients(pairs)

    def run(self, number: int) -> Descended:
        """Descent `number`: from the initial weights, its clips in an order of its own.

        Raises:
          InputError: a term stopped being finite.
        """
        begun = time.perf_counter()
        for variable, value in self._first:
            variable.assign(value)
        seed = (self._runner.settings.run.seed + number * _NEXT) % 2**31
        held_out = iter(self._held_out.batches(seed))
        path: List[Tuple[int, Tuple[float, ...], float]] = []

        def weighed_step(step: int, clips: Clips) -> bool:
            """Makes a step in which λ are updated, at every `--lambda_every`-th; returns whether it did."""
            if step % self._weigher.every:
                return False
            self._step(clips, next(held_out))
            weighting = self._weigher.weighting
            path.append((step, tuple(weighting.first().tolist()), float(weighting.outer_value)))
            return True

        steps = self._runner.settings.train.steps
        reason = self._runner.train_weighed(self._weigher.weighting.first().tolist(), steps, seed, weighed_step)
        if reason:
            raise InputError(f"--strategy=gradient: a descent diverged ({reason}); lower --learning_rate")
        mean = base.averaged(np.array([lambdas for _, lambdas, _ in path]))
        return Descended(tuple(mean.tolist()), steps, time.perf_counter() - begun, tuple(path))
