"""The search loop: ask, run, tell, round after round; then fresh seeds select the winner (Sec. 3.2.3).

strategy ── lambdas ──> journal ──> crew ──> journal ── fitness ──> strategy
                                      └ best few, fresh seeds ──> winner ──> evolved_loss.json
"""

import dataclasses
import math
import pathlib
from typing import List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from elo_tf.config import EvolutionConfig, InputError, TaskConfig
from elo_tf.model.objective import save_loss
from elo_tf.search import failures, units
from elo_tf.search.evolution import base
from elo_tf.search.journal import notes
from elo_tf.search.journal.journal import Journal
from elo_tf.search.reporting.findings import Standing, ranking, winner
from elo_tf.search.reporting.report import UNTRAINED
from elo_tf.search.reporting.search_log import SearchLog
from elo_tf.search.trials import cluster_samples
from elo_tf.search.trials.cluster_samples import ClusterSamples
from elo_tf.search.trials.embeddings import FOLDER, KeptEmbeddings, Run
from elo_tf.search.trials.scheduler import Crew
from elo_tf.search.trials.trial import Ended, Trial
from elo_tf.search.trials.worker import About

# Added to the search's seed for the fresh ones: no search uses seeds so far apart.
_FRESH = 100_003


class _Wanted(NamedTuple):
    """Finalists as the journal takes them: numbers [n], None for one without; lambdas [n,G]; fresh seeds."""

    numbers: List[Optional[int]]
    lambdas: np.ndarray
    seeds: Tuple[int, ...]


class Search:
    """One search; the journal is its only state.

    Args:
      journal: Open; what it holds is replayed, not repeated.
      evolution: Settings of the strategy.
      directory: The run directory.
      strategy: New, of the settings and the seed of the journal's header.

    Raises:
      InputError: the strategy does not ask for what the journal records.
    """

    def __init__(self, journal: Journal, evolution: EvolutionConfig, directory: pathlib.Path, strategy: base.Strategy):
        self.journal = journal
        self.evolution = evolution
        self.directory = directory
        self.strategy = strategy
        self._kept = KeptEmbeddings(directory / FOLDER)
        rounds = [(generation.lambdas, generation.fitness()) for generation in journal.generations()]
        try:
            base.replay(strategy, rounds)
        except ValueError as error:
            raise InputError(f"--strategy={evolution.strategy} in {directory}: {error}") from None

    def is_left(self) -> bool:
        """Whether candidates are still to be run."""
        finalists = self.journal.finalists()
        return (
            self._rounds_left()
            or failures.too_many(self.journal, self.evolution.max_failures)
            or self._unnamed_finalists() is not None
            or bool(finalists and finalists.due())
            or self._unsampled_winner() is not None
        )

    def _rounds_left(self) -> bool:
        last = self.journal.last()
        if last and not last.complete:
            return True
        return (last.index + 1 if last else 0) < self.evolution.generations and not self.strategy.stop()

    def _unnamed_finalists(self) -> Optional[_Wanted]:
        """Finalists to be named, where none of this stage are or the settings ask for others; else None."""
        wanted, named = self._wanted_finalists(), self.journal.finalists()
        if wanted is None or named is None:
            return wanted
        are_named = named.seeds == wanted.seeds and np.array_equal(named.lambdas, wanted.lambdas)
        return None if are_named else wanted

    def _unsampled_winner(self) -> Optional[Standing]:
        """The winner, if there is one whose clusters are not on disk."""
        won = winner(self.journal)
        if won is None or cluster_samples.shows(self.directory / cluster_samples.FILE, won.lambdas):
            return None
        return won

    def trainings(self) -> int:
        """Trainings of the whole search, as far as one knows beforehand."""
        rungs = self.journal.rungs.trainings(self.strategy.population)
        fresh = (self.evolution.rescore + 1) * self.evolution.rescore_seeds if self.evolution.rescore else 0
        rounds = min(self.evolution.generations, self.strategy.limit / self.strategy.population)
        return math.ceil(rounds * rungs) + fresh

    def begin(self, crew: Crew) -> About:
        """What the workers say of the search; the untrained tower is noted in the journal, once."""
        about = crew.call("about")
        if UNTRAINED not in self.journal.notes:
            self.journal.note(UNTRAINED, about.untrained)
        return about

    def run(self, crew: Crew) -> None:
        """Runs what is missing, after `begin`.

        Raises:
          InputError: too many candidates failed (`failures`).
        """
        units.agree(self.journal, crew)
        log = SearchLog(
            self.directory / "tensorboard", self.evolution.generations, self.trainings(),
            len(self.journal.results()), self._seed, self.journal.rungs.steps[0],
        )  # fmt: skip
        with log:
            failures.check(self.journal, self.evolution.max_failures)
            while self._rounds_left():
                self._run_generation(crew, log)
                failures.check(self.journal, self.evolution.max_failures)
            wanted = self._unnamed_finalists()
            if wanted is not None:
                self.journal.name_finalists(*wanted)
            self._run_finalists(crew, log)
        self._save()
        won = self._unsampled_winner()
        if won is not None:
            self._sample(won, crew)
        for reason in self.strategy.stop():
            print(f"The strategy stopped: {reason}")

    def _run_generation(self, crew: Crew, log: SearchLog) -> None:
        """Runs what a generation lacks, rung after rung."""
        generation = self.journal.last()
        if not generation or generation.complete:
            self.journal.ask(self.strategy.ask())
            generation = self.journal.generation(generation.index + 1 if generation else 0)
        while (fitness := generation.fitness()) is None:
            trials = [
                self._trial(generation.candidates[place], generation.lambdas[place], steps, self._seed, recorded=True)
                for place, steps in generation.due()
            ]
            self._run_trials(trials, crew, log)
            generation = self.journal.generation(generation.index)
        self.strategy.tell(generation.lambdas, fitness)
        log.generation(generation, ranking(self.journal.generations()))
        self._save()

    def _run_trials(self, trials: Sequence[Trial], crew: Crew, log: SearchLog) -> None:
        for ended in crew.run(trials):
            trial, result = ended.trial, ended.result
            # Before it is told: what is told is not run again.
            kept = self._keep(ended)
            self.journal.tell(trial.candidate, result)
            if kept:
                self._kept.keep_only(self._shown())
            log.candidate(trial, result, self.journal.names)
            for warning in ended.outcome.warnings:
                log.warn(f"candidate {trial.candidate}, {warning}")

    def _keep(self, ended: Ended) -> bool:
        """Keeps the embeddings of a training that may be the winner's; returns whether it may."""
        trial, outcome, value = ended.trial, ended.outcome, ended.outcome.fitness.value
        if outcome.embeddings is None or value is None:
            return False
        best = ranking(self.journal.generations())[:1]
        if trial.seed == self._seed and best and best[0].value < value:
            return False
        self._kept.save(Run(trial.candidate, trial.steps, trial.seed), outcome.embeddings)
        return True

    def _shown(self) -> Set[Run]:
        """Trainings whose clusters are shown if their candidate wins: the best one, and of each finalist the first."""
        best, finalists = ranking(self.journal.generations())[:1], self.journal.finalists()
        shown = {Run(each.candidate, each.results[0].steps, each.results[0].seed) for each in best}
        if finalists:
            shown.update(Run(number, finalists.steps, finalists.seeds[0]) for number in finalists.candidates)
        return shown

    @property
    def _seed(self) -> int:
        return self.journal.header["seed"]

    def _trial(self, candidate: int, lambdas: np.ndarray, steps: int, seed: int, recorded: bool = False) -> Trial:
        """A trial; `recorded` in a folder of its own for TensorBoard, one for each length of training."""
        name = f"{candidate:05d}" if steps == self.journal.rungs.steps[-1] else f"{candidate:05d}-{steps}"
        log = str(self.directory.absolute() / "tensorboard" / name) if recorded else None
        keep = steps == self.journal.rungs.steps[-1] and seed in (self._seed, self._fresh_seeds()[0])
        return Trial(
            candidate, tuple(lambdas), steps, seed, units=self.journal.notes.get(notes.UNITS), log=log, keep=keep
        )

    def _fresh_seeds(self) -> Tuple[int, ...]:
        return tuple((self._seed + _FRESH * (1 + index)) % 2**31 for index in range(self.evolution.rescore_seeds))

    def _wanted_finalists(self) -> Optional[_Wanted]:
        """The best of the search and the strategy's favourite; None where nothing is to be trained again."""
        best = ranking(self.journal.generations())[: self.evolution.rescore]
        if not best:
            return None
        numbers: List[Optional[int]] = [each.candidate for each in best]
        vectors = [each.lambdas for each in best]
        favourite, named = self.strategy.mean(), self.journal.finalists()
        if not any(np.array_equal(favourite, vector) for vector in vectors):
            # A number that it was given before, so that no training of it is repeated.
            known = zip(named.candidates, named.lambdas) if named else ()
            numbers.append(next((number for number, own in known if np.array_equal(own, favourite)), None))
            vectors.append(favourite)
        return _Wanted(numbers, np.array(vectors), self._fresh_seeds())

    def _run_finalists(self, crew: Crew, log: SearchLog) -> None:
        finalists = self.journal.finalists()
        if finalists:
            trials = [
                self._trial(finalists.candidates[place], finalists.lambdas[place], finalists.steps, seed)
                for place, seed in finalists.due()
            ]
            self._run_trials(trials, crew, log)

    def _sample(self, won: Standing, crew: Crew) -> None:
        """Saves what the clusters of the winner look like, as it was scored."""
        scored = won.results[0]
        embeddings = self._kept.load(Run(won.candidate, scored.steps, scored.seed), won.lambdas)
        samples = crew.call("sample_clusters", embeddings) if embeddings else None
        if not samples:
            samples = self._train_for_samples(won, crew)
        if samples:
            samples.save(self.directory / cluster_samples.FILE)
        else:
            print(
                "It came to nothing this time, so that the report shows no clusters; to try again, repeat the command"
            )

    def _train_for_samples(self, won: Standing, crew: Crew) -> Optional[ClusterSamples]:
        """Trains the winner again, whose embeddings are not there: those of earlier versions are not, or they are lost.

        With the seed that it was scored with, and in the first attempt that comes to its end.
        """
        print(f"Training the winner, candidate {won.candidate}, again for the report ...", flush=True)
        scored = won.results[0]
        trial = self._trial(won.candidate, won.lambdas, scored.steps, scored.seed)
        for attempt in range(scored.attempts):
            outcome = crew.call("run", dataclasses.replace(trial, attempt=attempt, keep=True))
            if outcome.embeddings:
                return crew.call("sample_clusters", outcome.embeddings)
        return None

    def _save(self) -> None:
        """Writes the loss that is the winner so far."""
        won = winner(self.journal)
        if won is None:
            return
        results = self.journal.results()
        learned = notes.descents(self.journal.notes)
        settings = self.journal.header["settings"]
        about = {
            # How the terms are formed, so that a training forms them alike.
            "task": {field.name: settings[field.name] for field in dataclasses.fields(TaskConfig)},
            "strategy": self.evolution.strategy,
            "fitness": {
                "name": settings["fitness"],
                "value": won.value,
                "error": won.error,
                "seeds": len(won.results),
                "confirmed": won.confirmed,
                "restarts": won.results[0].fitness.restarts,
            },
            "candidate": won.candidate,
            "evaluations": len(results),
            "infeasible": sum(result.value is None for result in results),
            "training_steps": sum(result.steps for result in results) + sum(found["steps"] for found in learned),
            "seconds": round(sum(result.seconds for result in results) + sum(found["seconds"] for found in learned), 1),
        }
        path = self.directory / "evolved_loss.json"
        save_loss(path, self.journal.names, won.lambdas.tolist(), about, self.journal.notes.get(notes.UNITS))
