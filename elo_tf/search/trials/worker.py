"""The handler of a worker in a search: builds one `CandidateRunner` and runs trials on it."""

import dataclasses
import gc
import pathlib
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import tensorflow as tf

from elo_tf.data.frame_memory import SharedFrames
from elo_tf.data.reader import reading
from elo_tf.runtime import devices
from elo_tf.runtime.training_log import TrainingLog
from elo_tf.runtime.workers.local import place
from elo_tf.search.trials.candidate import CandidateRunner, Settings
from elo_tf.search.trials.cluster_samples import ClusterSamples
from elo_tf.search.trials.descent import Descended, Descent
from elo_tf.search.trials.embeddings import Embeddings
from elo_tf.search.trials.trial import Outcome, Trial

# End of the names of the event files of trainings; a trial has one, however often it is tried.
_RECORD = ".training"


@dataclasses.dataclass(frozen=True)
class About:
    """What a search says of itself at its start.

    Attributes:
      videos: Number of videos to train on, to score on, and labelled.
      excluded: Of each of them, those that are too short for the clips asked for.
      untrained: Diagnostics of the untrained RGB tower.
    """

    videos: Dict[str, int]
    excluded: Dict[str, int]
    untrained: Mapping[str, float]


class CandidateWorker:
    """What runs in a worker of a search (`elo_tf.search.trials.scheduler`): answers (name of a method, arguments).

    Args:
      settings: The search's.
      shared: As of `CandidateRunner`.
    """

    def __init__(self, settings: Settings, shared: Optional[Mapping[str, SharedFrames]] = None):
        _fix_arithmetic(settings.run.threads)
        devices.take_gpu(place())
        self._records = " or ".join(filter(None, (settings.run.records, settings.fitness.labelled)))
        with reading(self._records):
            self._runner = CandidateRunner(settings, shared)
        self._descent: Optional[Descent] = None
        # The graphs stay until the end: looking through them for garbage costs half a second each time.
        gc.freeze()

    def __call__(self, message: Tuple[str, Tuple]) -> Any:
        method, arguments = message
        methods = {
            method.__name__: method
            for method in (self.about, self.measure_units, self.run, self.sample_clusters, self.descend)
        }
        with reading(self._records):
            return methods[method](*arguments)

    def about(self) -> About:
        """The facts of the search."""
        readers = {"to train on": self._runner.training, "to score on": self._runner.scoring.reader}
        if self._runner.scoring.labelled:
            readers["with labels"] = self._runner.scoring.labelled
        return About(
            {name: reader.videos.count for name, reader in readers.items()},
            {name: reader.excluded for name, reader in readers.items()},
            self._runner.untrained.diagnostics,
        )

    def measure_units(self) -> Dict[str, float]:
        """The unit of each term at the initial weights, by name."""
        return self._runner.measure_units()

    def descend(self, number: int, units: Optional[Dict[str, float]], initial: Optional[Sequence[float]]) -> Descended:
        """Runs a training that learns λ; all of a worker start from the same ones."""
        if units is not None:
            self._runner.assign_units(units)
        if self._descent is None:
            self._descent = Descent(self._runner, self._runner.settings.learning, initial)
        return self._descent.run(number)

    def run(self, trial: Trial) -> Outcome:
        """Runs a trial."""
        outcome = self._run(trial)
        return outcome if trial.keep else dataclasses.replace(outcome, embeddings=None)

    def _run(self, trial: Trial) -> Outcome:
        train = self._runner.settings.train
        if trial.units is not None:
            self._runner.assign_units(trial.units)
        if not (trial.log and (train.log_every or train.share_every)):
            return self._runner.run(trial.lambdas, trial.steps, trial.order_seed)
        warnings: List[str] = []
        folder = pathlib.Path(trial.log)
        for part in folder.glob(f"*{_RECORD}"):
            part.unlink()  # Left by an attempt that diverged, lost its worker or was interrupted.
        log = TrainingLog(folder, dict(zip(self._runner.names, trial.lambdas)), warnings.append, _RECORD)
        outcome = self._runner.run(trial.lambdas, trial.steps, trial.order_seed, log)
        log.close()
        return dataclasses.replace(outcome, warnings=tuple(warnings))

    def sample_clusters(self, embeddings: Embeddings) -> Optional[ClusterSamples]:
        """What the clusters of an RGB tower look like, from its embeddings; None where they are of other clips."""
        return self._runner.scoring.sample_clusters(embeddings)


def _fix_arithmetic(threads: int) -> None:
    """Makes results repeatable: a fixed number of threads, and deterministic operations only."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
