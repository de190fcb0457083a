"""The health gate, and the measures it goes by."""

import numpy as np
import pytest

from elo_tf.config import FitnessConfig
from elo_tf.search.fitness.health import effective_rank, infeasible, mean_deviation

CONFIG = FitnessConfig(min_deviation=0.01)
# Mean -.04, standard error .01: their standard deviation is .01 times the root of five.
WORSE = -0.04 + 0.01 * np.sqrt(2.5) * np.array([-1.0, -1.0, 0.0, 1.0, 1.0]) * np.sqrt(2.0)


def test_mean_deviation_by_hand():
    assert mean_deviation(np.array([[0.0, 5.0], [2.0, 5.0]])) == 0.5


def test_effective_rank_of_equal_and_of_single_directions():
    corners = np.concatenate([np.eye(6), -np.eye(6)])
    assert effective_rank(corners) == pytest.approx(6.0)
    assert effective_rank(np.outer(np.arange(10.0), np.arange(1.0, 4.0))) == pytest.approx(1.0)
    assert effective_rank(np.ones((10, 3))) == 0.0


@pytest.mark.parametrize("shape", [(40, 10), (10, 40)])
def test_effective_rank_is_the_entropy_of_the_singular_values(shape):
    features = np.random.default_rng(0).normal(size=shape)
    singular = np.linalg.svd(features - features.mean(0), compute_uv=False)
    share = singular[singular > 1e-9] / singular.sum()
    assert effective_rank(features) == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-6)


def test_a_healthy_candidate_passes():
    assert infeasible(CONFIG, deviation=0.5, gains={"flow": np.full(5, 0.1)}) is None


def test_a_collapsed_candidate_gets_a_reason_with_value_and_limit():
    reason = infeasible(CONFIG, deviation=0.001, gains={"flow": np.full(5, 0.1)})
    assert "0.001 is below 0.01" in reason


def test_a_candidate_that_is_worse_than_untrained_gets_a_reason():
    error = np.std(WORSE, ddof=1) / np.sqrt(5)
    reason = infeasible(CONFIG, deviation=0.5, gains={"flow": WORSE, "audio": WORSE - 0.1})
    assert f"R² of flow and audio changed by -0.0400 at best, below {-2 * error:.4f}" in reason


def test_noise_does_not_refuse():
    error = np.std(WORSE, ddof=1) / np.sqrt(5)
    within = WORSE - WORSE.mean() - 1.9 * error
    assert infeasible(CONFIG, 0.5, {"flow": within}) is None
    assert infeasible(CONFIG, 0.5, {"flow": within - 0.2 * error})


def test_one_modality_that_is_not_worse_is_enough():
    assert infeasible(CONFIG, 0.5, {"flow": WORSE, "audio": np.full(5, 0.001)}) is None


def test_the_gate_leaves_out_what_was_not_measured_and_can_be_left_out_itself():
    assert infeasible(CONFIG, 0.5, {}) is None
    assert infeasible(FitnessConfig(health_gate=False), 0.0, {"flow": WORSE}) is None
