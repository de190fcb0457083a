"""When a run counts as having learned, and what the table says of runs that have not."""

import dataclasses
import math

import numpy as np
import pytest

from elo_tf.config import InputError
from experiments import learning_speed
from experiments.learning_speed import Change, LearningConfig, Run, make_job, random_loss, table

VIDEOS = 720


def run(linear, untrained=0.1):
    clips = 1000 * (1 + np.arange(len(linear)))
    return Run("main:1", 0, clips, np.array(linear), untrained, 0.2, 60.0, 300.0)


def test_a_run_has_learned_at_the_first_measurement_that_is_twice_the_start():
    assert run([0.1, 0.19, 0.21, 0.4]).learned_after(VIDEOS) == 3000
    assert run([0.1, 0.25, 0.15, 0.4]).learned_after(VIDEOS) == 2000
    assert math.isinf(run([0.1, 0.15, 0.19]).learned_after(VIDEOS))


def test_it_must_be_beyond_two_standard_errors_too():
    # .02 and .05 of 100 videos: a difference of .03 with a standard error of .026.
    assert math.isinf(run([0.05], untrained=0.02).learned_after(100))
    assert run([0.05], untrained=0.02).learned_after(1000) == 1000


def test_runs_that_never_learn_count_in_the_median():
    never, soon = run([0.1, 0.1]), run([0.3, 0.3])
    lines = table({"a": [soon, soon, never], "b": [soon, never, never]}, VIDEOS).splitlines()
    assert "| a | 3 | 1000 | 33% |" in lines[2] and "| b | 3 | not within the budget | 67% |" in lines[3]


def test_all_changes_share_the_untrained_tower_and_differ_themselves():
    config = LearningConfig()
    jobs = [make_job(learning_speed.EMBED, change, 0, "main:5", config) for change in learning_speed.CHANGES]
    assert len(set(jobs)) == len(jobs)
    rate, default = Change("rate", train=(("learning_rate", 0.1),)), learning_speed.DEFAULTS
    bare = [make_job(learning_speed.UNTRAINED, change, 0, "main:5", config) for change in (default, rate)]
    assert bare[0] == bare[1] and not bare[0].terms


def test_each_run_has_a_random_loss_of_its_own_the_same_each_time():
    losses = [random_loss(10, f"main:101:{seed}") for seed in range(8)]
    assert losses == [random_loss(10, f"main:101:{seed}") for seed in range(8)]
    assert len(set(losses)) == 8 and {0.0 in loss for loss in losses} == {True, False}


def test_unknown_rows_are_named():
    with pytest.raises(InputError, match="--rows: 'beauty' matches none of defaults; all as before"):
        learning_speed._rows(dataclasses.replace(LearningConfig(), rows=("beauty",)))
