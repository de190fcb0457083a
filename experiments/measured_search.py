"""A search that also measures the accuracy of each candidate's RGB tower, on labels that the search never sees.

    trial -> CandidateWorker -> RGB tower -+-> fitness, to the strategy
                                           +-> labelled clips, half held out -> `protocols` -> true/kmeans, true/linear
                                           +-> embeddings of the scoring clips -> a file, for `fitness_variants`

The accuracies stand in the journal among the diagnostics of a result; nothing reads them before the search has ended.
"""

import dataclasses
import io
import os
import pathlib
from typing import Any, Dict, NamedTuple, Tuple

import numpy as np

from elo_tf import tasks
from elo_tf.config import EvolutionConfig
from elo_tf.data.clips import check_modalities
from elo_tf.data.descriptors import describe
from elo_tf.data.reader import Reader
from elo_tf.data.records import Manifest
from elo_tf.runtime import devices, storage
from elo_tf.runtime.workers.local import LocalEngine
from elo_tf.search.journal.header import MAY_DIFFER, make_header
from elo_tf.search.journal.journal import Journal
from elo_tf.search.loop import Search
from elo_tf.search.settings import Vectors, make_strategy
from elo_tf.search.trials.candidate import Settings
from elo_tf.search.trials.scheduler import Crew
from elo_tf.search.trials.trial import Outcome, Trial
from elo_tf.search.trials.worker import About, CandidateWorker
from experiments import protocols, training
from experiments.truths import TRUTHS

REFERENCE = "reference.npz"
# Modalities whose plain descriptors RGB clusters can be compared with.
DESCRIBED = ("audio", "flow")


class _Split(NamedTuple):
    """Labelled clips: how to read them, and [N] labels."""

    batches: Any
    labels: np.ndarray


class MeasuredWorker(CandidateWorker):
    """A worker that also measures the truth, of every candidate whose training came to its end.

    Args:
      settings: The search's.
      labelled: Records of the labelled videos: `train` for the one layer and the scale, `holdout` for the accuracies.
      embeddings: Folder for embeddings [N,D] of the scoring clips, `<candidate>-<steps>-<seed>.npy`, and for what does
        not depend on the candidate, `reference.npz`; empty to save none.
    """

    def __init__(self, settings: Settings, labelled: str, embeddings: str = ""):
        super().__init__(settings)
        self._train, self._held_out = (_split(settings, labelled, name) for name in ("train", "holdout"))
        self._embeddings = pathlib.Path(embeddings) if embeddings else None
        if self._embeddings and not (self._embeddings / REFERENCE).exists():
            self._embeddings.mkdir(parents=True, exist_ok=True)
            self._save_reference(settings)
        self._untrained = self._truth(self._runner.embed)

    def about(self) -> About:
        """The facts of the search; those of the untrained tower have the truth."""
        about = super().about()
        return dataclasses.replace(about, untrained={**about.untrained, **self._untrained})

    def run(self, trial: Trial) -> Outcome:
        """Runs a trial, and measures its RGB tower."""
        outcome = super().run(trial)
        if outcome.fitness.failed:
            return outcome
        if self._embeddings:
            name = f"{trial.candidate:05d}-{trial.steps}-{trial.order_seed}.npy"
            _save(self._embeddings / name, np.save, self._runner.embed())
        truth = self._truth(self._runner.embed)
        fitness = dataclasses.replace(outcome.fitness, diagnostics={**outcome.fitness.diagnostics, **truth})
        return dataclasses.replace(outcome, fitness=fitness)

    def _truth(self, embed) -> Dict[str, float]:
        """Both accuracies; none where an embedding is not finite."""
        train, held_out = embed(self._train.batches), embed(self._held_out.batches)
        if not (np.isfinite(train).all() and np.isfinite(held_out).all()):
            return {}
        train, held_out = protocols.standardise(train, held_out)
        labels = self._train.labels, self._held_out.labels
        accuracies = (
            protocols.kmeans_accuracy(held_out, labels[1], int(labels[0].max()) + 1),
            protocols.linear_accuracy(train, labels[0], held_out, labels[1]),
        )
        return dict(zip(TRUTHS, accuracies))

    def _save_reference(self, settings: Settings) -> None:
        """What every fitness needs besides the embeddings: descriptors, who has them, clusters, the untrained tower."""
        needs = frozenset(("now", modality) for modality in ("rgb", *DESCRIBED))
        reader = Reader.open(settings.run.records, "holdout", needs, settings.data)
        batches = list(reader.scoring(settings.fitness.scoring_clips))
        videos = np.concatenate([clips["video"].numpy() for clips in batches])
        parts = {"untrained": self._runner.embed(), "videos": videos}
        for modality in DESCRIBED:
            clips = np.concatenate([clips["now"][modality].numpy() for clips in batches])
            parts[modality] = describe(modality, clips)
            present = np.concatenate([clips["present"][modality].numpy() for clips in batches])
            parts[f"{modality}_present"] = present > 0
        if self._runner.scoring.reference is not None:
            parts["reference"] = self._runner.scoring.reference
        _save(self._embeddings / REFERENCE, np.savez, **parts)


def _split(settings: Settings, labelled: str, name: str) -> _Split:
    reader = Reader.open(labelled, name, frozenset({("now", "rgb")}), settings.data)
    batches = reader.scoring(training.WINDOWS * reader.videos.count)
    return _Split(batches, np.concatenate([clips["label"].numpy() for clips in batches]))


def _save(path: pathlib.Path, write, *arrays, **named) -> None:
    content = io.BytesIO()
    write(content, *arrays, **named)
    storage.write_bytes(path, content.getvalue())


def search(
    settings: Settings,
    evolution: EvolutionConfig,
    directory: pathlib.Path,
    processes: int,
    vectors: Vectors = None,
    keep_embeddings: bool = False,
) -> Journal:
    """Runs a search, or what is left of it.

    Args:
      settings: Of its candidates; the labelled records of the weak fitness are also those of the truth.
      evolution: How it searches.
      directory: Of the run, with its journal.
      processes: Candidates at a time; each has one thread.
      vectors: [n][G] for the strategy `fixed`.
      keep_embeddings: Whether `directory/embeddings` gets them.

    Returns:
      Its journal, to read.
    """
    devices.leave_gpus()
    directory.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"  # The libraries of a new process read it once, when they are loaded.
    names = term_names(settings)
    configs = tuple(getattr(settings, field.name) for field in dataclasses.fields(settings))
    seed = settings.run.seed
    header = make_header(seed, (*configs, evolution), names, Manifest.load(settings.run.records), vectors)
    path = str(directory / "journal.jsonl")
    embeddings = str(directory / "embeddings") if keep_embeddings else ""
    with Journal.open(path, header, MAY_DIFFER) as journal:
        run = Search(journal, evolution, directory, make_strategy(evolution, len(names), seed, vectors))
        if run.is_left():
            arguments = (settings, settings.fitness.labelled, embeddings)
            with Crew(LocalEngine(processes), MeasuredWorker, arguments, evolution.retries) as crew:
                run.begin(crew)
                run.run(crew)
    return Journal.read(path)


def term_names(settings: Settings) -> Tuple[str, ...]:
    """Names of the lambdas, [G]."""
    model = settings.model
    return tuple(term.name for term in tasks.select(check_modalities(model.modalities), model.tasks, settings.task))
