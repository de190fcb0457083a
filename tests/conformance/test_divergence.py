"""A loss that stops being finite is named, whichever it is, and costs the candidate, not the search."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import DataConfig, FitnessConfig, ModelConfig, RunConfig, TaskConfig, TrainConfig
from elo_tf.search.trials.candidate import CandidateRunner, Settings
from tests import videos
from tests.conformance.models import TERMS

pytestmark = pytest.mark.slow  # Together: all terms are traced for them.


class PoisonedRunner(CandidateRunner):
    """Adds a variable to the losses, one number a term."""

    def __init__(self, settings):
        self.poison = tf.Variable(tf.zeros([len(TERMS)]), trainable=False)
        super().__init__(settings)

    def _train_step(self, clips, step):
        compute = self.model.compute_losses

        def poisoned(clips, training):
            losses = compute(clips, training)
            return {name: losses[name] + self.poison[index] for index, name in enumerate(TERMS)}

        self.model.compute_losses = poisoned
        try:
            return super()._train_step(clips, step)
        finally:
            self.model.compute_losses = compute


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """A runner of one-step candidates with all terms."""
    records = videos.noise_records(tmp_path_factory.mktemp("divergence"))
    return PoisonedRunner(
        Settings(
            RunConfig(records=str(records)),
            DataConfig(frames=4, future_frames=2, crop_size=16, batch_size=4),
            ModelConfig(tasks=("*",)),
            TaskConfig(memory_videos=64),
            TrainConfig(steps=1, optimizer="sgd", learning_rate=1e-3),
            FitnessConfig(fitness="agreement", clusters=2, restarts=2, scoring_clips=8, min_deviation=0.0),
        )
    )


def poison(runner, names):
    """Makes terms not finite; returns which they are, bool [G]."""
    poisoned = np.isin(TERMS, names)
    runner.poison.assign(tf.where(poisoned, np.nan, 0.0))
    return poisoned


@pytest.mark.parametrize("name", TERMS)
def test_is_named(runner, name):
    poison(runner, [name])
    outcome = runner.run(np.full(len(TERMS), 0.5))
    assert outcome.fitness.value is None and outcome.fitness.reason == f"not finite: {name} at step 0"


@pytest.mark.parametrize("half", [0, 1])
def test_without_weight_it_does_no_harm(runner, half):
    # Half of the terms at a time, since a term has to be left that trains; those that harm are named by the reason.
    poisoned = poison(runner, TERMS[half::2])
    fitness = runner.run(np.where(poisoned, 0.0, 0.5)).fitness
    assert fitness.value is not None, fitness.reason
