"""What TensorBoard gets of a search, read back from its files, and that a file that cannot be written is an OSError."""

import numpy as np
import pytest

from elo_tf.candidates.trial import Trial
from elo_tf.record.generation import Generation, Result
from elo_tf.record.rungs import Rungs
from elo_tf.reporting.event_file import EventFile
from elo_tf.reporting.search_log import SearchLog
from tests.test_training_log import scalars

NAMES = ("rgb/shuffle", "rgb/reconstruct")
HPARAMS = "_hparams_/session_start_info"


def result(steps, seed=0):
    return Result(steps, seed, 0.25 + steps, None, 0.0, 2, {"zipf": 0.5, "loss/a": 1.0, "seconds/data": 1.0}, 1.0)


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
    dead = Result(9, 0, None, "collapsed", None, 2, {}, 1.0)
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
