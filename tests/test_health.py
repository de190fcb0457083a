"""The health gate, and the measures it goes by."""

import numpy as np
import pytest

from elo_tf.config import FitnessConfig
from elo_tf.fitness.health import effective_rank, infeasible, mean_deviation

CONFIG = FitnessConfig(min_deviation=0.01, agreement_margin=0.02)


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
    assert infeasible(CONFIG, deviation=0.5, agreement=0.4, untrained_agreement=0.3) is None


def test_a_collapsed_candidate_gets_a_reason_with_value_and_limit():
    reason = infeasible(CONFIG, deviation=0.001, agreement=0.4, untrained_agreement=0.3)
    assert "0.001 is below 0.01" in reason


@pytest.mark.parametrize("agreement", [0.1, 0.3, 0.3199])
def test_a_candidate_that_learned_nothing_gets_a_reason(agreement):
    reason = infeasible(CONFIG, deviation=0.5, agreement=agreement, untrained_agreement=0.3)
    assert "agreement with flow" in reason and "not above 0.320" in reason


def test_an_untrained_tower_is_itself_infeasible_without_a_margin():
    assert infeasible(FitnessConfig(agreement_margin=0.0), 0.5, agreement=0.3, untrained_agreement=0.3)


@pytest.mark.parametrize("agreement, untrained", [(None, 0.3), (0.1, None)])
def test_the_gate_leaves_out_what_was_not_measured(agreement, untrained):
    assert infeasible(CONFIG, 0.5, agreement, untrained) is None
