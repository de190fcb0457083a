"""The rounds of a search whose crew scores by arithmetic: finalists after a continuation, clusters of the winner."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest

from elo_tf.config import EvolutionConfig, FitnessConfig, InputError, TaskConfig, TrainConfig
from elo_tf.search.evolution.base import strategies
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.header import MAY_DIFFER
from elo_tf.search.journal.journal import Journal
from elo_tf.search.loop import Search
from elo_tf.search.reporting.findings import winner
from elo_tf.search.settings import make_rungs, make_strategy
from elo_tf.search.trials import cluster_samples
from elo_tf.search.trials.cluster_samples import ClusterSamples
from elo_tf.search.trials.embeddings import FOLDER, Embeddings, KeptEmbeddings, Run
from elo_tf.search.trials.trial import Ended, Outcome, lost

NAMES = ("rgb/shuffle", "rgb/predict")


class ArithmeticCrew:
    """Values fall from candidate to candidate, and are worse under fresh seeds; `lost` further trainings fail.

    Candidates in `fails` are lost, and so are all trainings of `longest` steps or more. It breaks after `most` trials.
    """

    def __init__(self, lost=0, attempts=1, fails=(), longest=math.inf, most=math.inf):
        self.ran, self.again, self.shown = [], [], []
        self._lost, self._attempts, self._fails, self._longest, self._most = lost, attempts, fails, longest, most

    def run(self, trials):
        for trial in trials:
            if len(self.ran) == self._most:
                raise KeyboardInterrupt
            self.ran.append((trial.candidate, trial.seed))
            if trial.candidate in self._fails or trial.steps >= self._longest:
                yield Ended(trial, lost("worker lost"), 1.0)
                continue
            value = 1 / (1 + trial.candidate) + 10 * (trial.seed > 0)
            embeddings = self._embeddings(trial) if trial.keep else None
            outcome = Outcome(Fitness(value, None, 0.1, 4, {}), {}, {}, embeddings=embeddings)
            yield Ended(trial, outcome, 1.0, self._attempts)

    def _embeddings(self, trial):
        features = np.full([3, 2], trial.candidate, np.float32)
        return Embeddings(np.float32(trial.lambdas), features, np.array(["a", "b", "c"]), trial.order_seed)

    def call(self, method, argument):
        if method == "run":
            self.again.append(argument)
            if argument.attempt < self._lost:
                return Outcome(Fitness(None, "lost", None, 4, {}, failed=True), {}, {})
            return Outcome(Fitness(0.5, None, None, 4, {}), {}, {}, embeddings=self._embeddings(argument))
        assert method == "sample_clusters"
        self.shown.append(argument)
        pictures, names = np.zeros([1, 5, 4, 2, 2, 3], np.uint8), np.full([1, 5], "a")
        return ClusterSamples(argument.lambdas, np.ones(1), np.zeros(1), np.ones(1), pictures, names)


def search(directory, crew, strategy="random", names=NAMES, **settings):
    """Runs what is left of a search; returns its journal."""
    directory.mkdir(exist_ok=True)
    evolution = EvolutionConfig(strategy=strategy, **{"population": 4, **settings})
    configs = TaskConfig(), FitnessConfig(), TrainConfig(steps=9), evolution
    flat = {name: value for own in configs for name, value in dataclasses.asdict(own).items()}
    header = {"seed": 0, "names": names, "settings": flat}
    with Journal.open(str(directory / "journal.jsonl"), header, MAY_DIFFER) as journal:
        run = Search(journal, evolution, directory, make_strategy(evolution, len(names), 0))
        if run.is_left():
            run.run(crew)
    return journal


def named(directory):
    return json.loads((directory / "evolved_loss.json").read_text())["candidate"]


@pytest.mark.parametrize("rescore", [0, 1])
def test_a_search_that_goes_on_forgets_the_winner_of_its_earlier_stage(tmp_path, rescore):
    search(tmp_path, ArithmeticCrew(), generations=1, rescore=2, rescore_seeds=2)
    assert named(tmp_path) == 3
    journal = search(tmp_path, ArithmeticCrew(), generations=3, rescore=rescore)
    best = journal.generations()[-1].candidates[-1]
    assert named(tmp_path) == winner(journal).candidate == best > 3
    assert bool(journal.finalists()) == bool(rescore)


def test_other_settings_of_a_finished_search_name_other_finalists_and_repeat_no_training(tmp_path):
    first, again, more = ArithmeticCrew(), ArithmeticCrew(), ArithmeticCrew()
    search(tmp_path, first, "cma_es", generations=2, rescore=1, rescore_seeds=2)
    search(tmp_path, again, "cma_es", generations=2, rescore=1, rescore_seeds=2)
    # The best, 7, and what the strategy favours, 8.
    assert len(first.ran) == 2 * 4 + 2 * 2 and not again.ran and not again.shown
    finalists = search(tmp_path, more, "cma_es", generations=2, rescore=3, rescore_seeds=3).finalists()
    assert finalists.candidates == (7, 6, 5, 8) and len(finalists.seeds) == 3 and not finalists.due()
    assert len(more.ran) == 4 * 3 - 2 * 2 and not set(more.ran) & set(first.ran)


def kept(directory):
    """Names of the embeddings that a search has kept."""
    return sorted(path.name for path in (directory / FOLDER).iterdir())


def forget(directory):
    """Leaves a run directory as searches of earlier versions did that were ended before the clusters were shown."""
    (directory / cluster_samples.FILE).unlink()
    shutil.rmtree(directory / FOLDER)


@pytest.mark.parametrize("rescore", [0, 2])
def test_the_winner_is_shown_by_what_was_kept_of_its_scoring(tmp_path, rescore):
    crew = ArithmeticCrew()
    journal = search(tmp_path, crew, generations=2, rescore=rescore, rescore_seeds=2)
    (embeddings,) = crew.shown
    won = winner(journal)
    assert (embeddings.features == won.candidate).all() and embeddings.seed == won.results[0].seed
    assert cluster_samples.shows(tmp_path / cluster_samples.FILE, won.lambdas)
    assert not crew.again


def test_embeddings_are_kept_of_those_alone_that_may_win(tmp_path):
    search(tmp_path / "best", ArithmeticCrew(), generations=2, rescore=0)
    assert kept(tmp_path / "best") == ["00007-9-0.npz"]
    seeds = search(tmp_path / "final", ArithmeticCrew(), generations=2, rescore=2, rescore_seeds=2).finalists().seeds
    assert kept(tmp_path / "final") == [f"00006-9-{seeds[0]}.npz", "00007-9-0.npz", f"00007-9-{seeds[0]}.npz"]
    # As soon as the search goes on, its finalists are none any more.
    search(tmp_path / "final", ArithmeticCrew(), generations=3, rescore=0)
    assert kept(tmp_path / "final") == ["00011-9-0.npz"]


@pytest.mark.parametrize("most", [1, 3, 6, 8, 9])
def test_a_search_that_was_interrupted_shows_what_an_unbroken_one_does(tmp_path, most):
    settings = {"generations": 2, "rescore": 1, "rescore_seeds": 2}
    whole, crew = ArithmeticCrew(), ArithmeticCrew()
    search(tmp_path / "whole", whole, **settings)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "parts", ArithmeticCrew(most=most), **settings)
    search(tmp_path / "parts", crew, **settings)
    assert len(crew.ran) == len(whole.ran) - most and not crew.again
    np.testing.assert_array_equal(crew.shown[0].features, whole.shown[0].features)
    assert kept(tmp_path / "parts") == kept(tmp_path / "whole")


def test_embeddings_of_a_training_that_was_kept_but_not_noted_are_replaced(tmp_path, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Journal, "tell", die)
        search(tmp_path, ArithmeticCrew(), generations=1, rescore=0)
    assert kept(tmp_path) == ["00000-9-0.npz"]
    crew = ArithmeticCrew()
    search(tmp_path, crew, generations=1, rescore=0)
    assert len(crew.ran) == 4 and kept(tmp_path) == ["00003-9-0.npz"] and not crew.again


def test_where_nothing_was_kept_the_winner_is_trained_again_as_it_was_scored(tmp_path):
    settings = {"generations": 1, "rescore": 1, "rescore_seeds": 2}
    journal = search(tmp_path, ArithmeticCrew(), **settings)
    forget(tmp_path)
    crew = ArithmeticCrew()
    search(tmp_path, crew, **settings)
    (trial,) = crew.again
    assert (trial.seed, trial.attempt, trial.steps) == (journal.finalists().seeds[0], 0, 9)
    assert cluster_samples.shows(tmp_path / cluster_samples.FILE, winner(journal).lambdas)


@pytest.mark.parametrize("damage", [lambda content: content[:50], lambda content: b"no archive"])
def test_embeddings_that_are_damaged_cost_a_training(tmp_path, damage):
    search(tmp_path, ArithmeticCrew(), generations=1, rescore=0)
    (tmp_path / cluster_samples.FILE).unlink()
    (path,) = (tmp_path / FOLDER).iterdir()
    path.write_bytes(damage(path.read_bytes()))
    crew = ArithmeticCrew()
    search(tmp_path, crew, generations=1, rescore=0)
    assert len(crew.again) == 1 and (tmp_path / cluster_samples.FILE).exists()


def test_embeddings_of_another_search_are_not_taken(tmp_path):
    search(tmp_path, ArithmeticCrew(), generations=1, rescore=0)
    (path,) = (tmp_path / FOLDER).iterdir()
    run, store = Run(3, 9, 0), KeptEmbeddings(tmp_path / FOLDER)
    own = np.load(path)["lambdas"]
    assert path.name == "00003-9-0.npz" and store.load(run, own) and store.load(run, own[::-1]) is None


def test_a_folder_that_cannot_be_written_costs_the_clusters_no_search(tmp_path):
    (tmp_path / FOLDER).write_text("in the way")
    crew = ArithmeticCrew()
    search(tmp_path, crew, generations=1, rescore=0)
    assert len(crew.again) == 1 and (tmp_path / cluster_samples.FILE).exists()


def test_a_winner_that_diverged_first_is_trained_again_in_the_attempt_that_was_scored(tmp_path):
    search(tmp_path, ArithmeticCrew(attempts=3), generations=1, rescore=0)
    forget(tmp_path)
    crew = ArithmeticCrew(lost=1)
    search(tmp_path, crew, generations=1, rescore=0)
    assert [(trial.seed, trial.attempt) for trial in crew.again] == [(0, 0), (0, 1)]
    assert (tmp_path / cluster_samples.FILE).exists()


def test_clusters_of_a_training_that_came_to_nothing_are_not_saved(tmp_path, capsys):
    search(tmp_path, ArithmeticCrew(attempts=2), generations=1, rescore=0)
    forget(tmp_path)
    crew = ArithmeticCrew(lost=9)
    search(tmp_path, crew, generations=1, rescore=0)
    assert len(crew.again) == 2 and not (tmp_path / cluster_samples.FILE).exists()
    assert "the report shows no clusters" in capsys.readouterr().out


@pytest.mark.parametrize("strategy", sorted({*strategies()} - {"fixed", "gradient"}))
def test_a_search_that_goes_on_from_its_journal_asks_for_what_an_unbroken_one_does(tmp_path, strategy):
    settings = {"rescore": 0, "pool": 8, "tournament_size": 3, "names": tuple("abcde")}
    whole = search(tmp_path / "whole", ArithmeticCrew(fails={2, 9}), strategy, generations=6, **settings)
    for generations in (1, 4, 6):
        crew = ArithmeticCrew(fails={2, 9})
        parts = search(tmp_path / "parts", crew, strategy, generations=generations, **settings)
    assert [candidate for candidate, _ in crew.ran] == list(range(16, 24))
    for one, other in zip(whole.generations(), parts.generations()):
        np.testing.assert_array_equal(one.lambdas, other.lambdas)
    assert len(parts.generations()) == 6 and parts.results() == whole.results()


def test_rounds_of_one_child_are_judged_by_the_last_ten(tmp_path):
    settings = {"population": 1, "generations": 40, "rescore": 0}
    search(tmp_path / "few", ArithmeticCrew(fails={0, 7, *range(20, 27)}), "tournament", **settings)
    crew = ArithmeticCrew(fails=range(20, 40))
    # Of the candidates 18 to 27 the last eight failed: .8 of ten, and .7 of ten before.
    with pytest.raises(
        InputError, match="^8 of 10 trainings of 9 steps in generations 18 to 27 failed, more than --max_failures"
    ):
        search(tmp_path / "many", crew, "tournament", **settings)
    assert crew.ran[-1] == (27, 0)
    # What is asked anew is judged anew.
    with pytest.raises(InputError, match="^3 of 3 trainings of 9 steps in generations 28 to 30 failed"):
        search(tmp_path / "many", crew, "tournament", **settings)


def test_trainings_in_full_that_all_fail_end_a_search_whose_short_ones_do_not(tmp_path):
    settings = {"population": 6, "rungs": 2, "generations": 9, "rescore": 0}
    message = "^4 of 4 trainings of 9 steps in generations 0 to 1 failed"
    with pytest.raises(InputError, match=message):
        search(tmp_path, ArithmeticCrew(longest=9), **settings)
    search(tmp_path / "mended", ArithmeticCrew(longest=10), **settings)


@pytest.mark.parametrize("population, rungs", [(1, 2), (3, 3), (2, 4)])
def test_rungs_from_which_none_is_left_out_are_refused(population, rungs):
    with pytest.raises(InputError, match=rf"--rungs={rungs}: \[.*\] of {population} candidates .* larger --population"):
        make_rungs(EvolutionConfig(rungs=rungs), 900, population)
    assert make_rungs(EvolutionConfig(rungs=rungs), 900, 3**rungs).steps[-1] == 900
    assert make_rungs(EvolutionConfig(), 900, 1).steps == (900,)
