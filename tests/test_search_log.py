"""What TensorBoard gets of a search, read back from its files, and that a file that cannot be written is an OSError."""

import pytest

from elo_tf.candidates.trial import Trial
from elo_tf.record.generation import Result
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


def test_what_cannot_be_written_is_an_os_error_that_names_the_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file/run"):
        EventFile(tmp_path / "file" / "run")
