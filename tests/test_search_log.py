"""What TensorBoard gets of a search, read back from its files, and that a file that cannot be written is an OSError."""

import numpy as np
import pytest

from elo_tf.runtime.tensorboard import EventFile
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.generation import Generation
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.journal.rungs import Rungs
from elo_tf.search.reporting import search_log
from elo_tf.search.reporting.findings import Standing
from elo_tf.search.reporting.search_log import SearchLog
from elo_tf.search.trials.trial import Trial
from tests.test_training_log import scalars

NAMES = ("rgb/shuffle", "rgb/reconstruct")
RUNGS = Rungs.of(9, 1, 3.0)
HPARAMS = "_hparams_/session_start_info"


def result(steps, seed=0):
    return TrialResult(
        steps, seed, Fitness(0.25 + steps, None, 0.0, 2, {"zipf": 0.5, "loss/a": 1.0, "seconds/data": 1.0}), 1.0
    )


def test_hyper_parameters_once_and_scores_at_every_length(tmp_path):
    with SearchLog(tmp_path, 1, 3, 0, seed=0, first_steps=3) as log:
        for steps, seed in ((3, 0), (9, 0), (9, 8)):
            log.candidate(Trial(4, (0.5, 1.0), steps, seed), result(steps, seed), NAMES)
    found = scalars(tmp_path / "00004")
    assert set(found) == {HPARAMS, "candidate/zipf", "candidate/fitness"}
    assert len(found[HPARAMS]) == 1
    # That with a fresh seed is no further length of the candidate.
    assert sorted(found["candidate/fitness"]) == [(3, 3.25), (9, 9.25)]


def test_a_generation_of_rungs_shows_full_trainings_and_names_why_none_is_feasible(tmp_path, capsys):
    dead = TrialResult(9, 0, Fitness(None, "collapsed", None, 2, {}), 1.0)
    runs = ((result(3), result(9)), (result(3),)), ((result(3), dead), (result(3),))
    with SearchLog(tmp_path, 2, 6, 0, seed=0, first_steps=3) as log:
        for index, own in enumerate(runs):
            log.candidate(Trial(0, (0.5, 1.0), 9, 8), own[0][-1], NAMES)
            log.generation(Generation(index, (0, 1), np.zeros([2, 2]), own, Rungs.of(9, 2, 3.0)), [])
    assert scalars(tmp_path / "search")["search/mean"] == [(0, 9.25)]
    warnings = [line for line in capsys.readouterr().err.splitlines() if "no candidate is feasible" in line]
    assert len(warnings) == 1 and "generation 1: no candidate is feasible; the first: collapsed" in warnings[0]


def test_what_cannot_be_written_is_an_os_error_that_names_the_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file/run"):
        EventFile(tmp_path / "file" / "run")


def test_a_line_of_the_table_by_hand(tmp_path, capsys, monkeypatch):
    """Three trainings in 60 s, of 12: the best .2 +- .01, one that ties with it, one infeasible."""
    clock = iter([0.0, 60.0])
    monkeypatch.setattr(search_log.time, "perf_counter", lambda: next(clock))
    good, near = (TrialResult(9, 0, Fitness(value, None, 0.1, 100, {}), 1.0) for value in (0.2, 0.22))
    dead = TrialResult(9, 0, Fitness(None, "collapsed", None, 2, {}), 1.0)
    ranking = [Standing(number, np.zeros(2), (own,), 0) for number, own in ((0, good), (2, near))]
    with SearchLog(tmp_path, 4, 12, 0, seed=0, first_steps=9) as log:
        for number, own in enumerate((good, dead, near)):
            log.candidate(Trial(number, (0.5, 1.0), 9, 8), own, NAMES)
        log.generation(Generation(0, (0, 1, 2), np.zeros([3, 2]), ((good,), (dead,), (near,)), RUNGS), ranking)
    head, row = [line for line in capsys.readouterr().out.splitlines() if line.strip()][-2:]
    cells = dict(zip(head.split(), row.split(maxsplit=8)))
    assert cells == {
        "generation": "1/4",
        "best": "0.2000",
        "s.e.": "0.0100",
        "ties": "1",
        "mean": "0.2100",
        "s.d.": "0.0100",
        "infeasible": "1",
        "trainings/h": "180",
        "left": "3 m",
    }
    assert scalars(tmp_path / "search")["search/infeasible"] == [(0, 1.0)]


@pytest.mark.parametrize(
    "seconds, text",
    [(-1, "0 s"), (42.4, "42 s"), (150, "2 m"), (3900, "1 h 05 m"), (86400, "24 h 00 m"), (200_000, "2 d 7 h")],
)
def test_durations(seconds, text):
    assert search_log._duration(seconds) == text
