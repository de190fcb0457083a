"""Terms about sound, and videos without any: refused by name, or warned of."""

import pytest

from elo_tf import tasks
from elo_tf.config import InputError, TaskConfig
from elo_tf.tasks.presence import check_heard
from elo_tf.train.progress_log import _Counts
from elo_tf.train.trainer import Progress
from tests.batches import random_clips

TERMS = tasks.select(("rgb", "audio"), ("rgb/shuffle", "rgb-audio/embed", "audio/shuffle"), TaskConfig())


def test_terms_that_no_video_can_teach_are_refused_by_name():
    check_heard(TERMS, 1, "RECORDS")
    check_heard(TERMS[:1], 0, "RECORDS")
    assert TERMS[0].name == "rgb/shuffle"
    names = ", ".join(term.name for term in TERMS[1:])
    with pytest.raises(InputError, match=f"no video of RECORDS .* has sound, which {names} need; .*--modalities"):
        check_heard(TERMS, 0, "RECORDS")


def test_clips_that_count_are_those_with_all_that_a_term_looks_at():
    clips = random_clips(batch=4)
    clips["present"]["audio"] = [1.0, 0.0, 0.0, 1.0]
    counted = {term.name: float(term.counted(clips)) for term in TERMS}
    # Views of every second clip: of four, the first and the third.
    assert counted == {"rgb/shuffle": 2.0, "rgb-audio/embed": 2.0, "audio/shuffle": 1.0}


def test_a_term_that_no_clip_of_an_epoch_counted_for_is_warned_of_once(capfd):
    counts = _Counts(videos=10)
    for step, heard in ((1, 0), (2, 0), (3, 0), (4, 4)):
        counts.add(Progress(step, {}, clips=4, counted={"rgb/shuffle": 2.0, "audio/shuffle": heard}))
        counts.warn(is_last=False)
        said = capfd.readouterr().err
        assert (said == "") == (step != 3)
        if said:
            assert said.startswith("warning: none of the first 12 clips counted for audio/shuffle: ")
    shorter = _Counts(videos=10)
    shorter.add(Progress(1, {}, clips=4, counted={"audio/shuffle": 0.0}))
    shorter.warn(is_last=True)
    assert "first 4 clips counted for audio/shuffle" in capfd.readouterr().err
