"""The comparison of weightings: its rows, what makes two runs the same, and what its table says."""

import dataclasses

import pytest

from elo_tf.config import InputError
from elo_tf.model.objective import save_loss
from experiments import weightings
from experiments.weightings import Row, WeightingsConfig, make_job, make_rows, table

NAMES = ("rgb/shuffle", "rgb-flow/embed")


def test_rows_differ_in_their_weights_alone(tmp_path):
    save_loss(tmp_path / "evolved_loss.json", NAMES, [0.25, 0.75], {"training_steps": 31200})
    config = WeightingsConfig(evolved=(str(tmp_path / "evolved_loss.json"),), lambda_clips=64)
    rows = make_rows(config, NAMES)
    jobs = [make_job(row, NAMES, 0, "main:301", config) for row in rows]
    assert len(set(jobs)) == len(jobs)
    trained = [job for job in jobs if job.row not in (weightings.UNTRAINED, weightings.LABELS)]
    assert len({(job.train, job.data, job.terms, job.videos, job.seed) for job in trained}) == 1
    learned = [job.weighting.lambda_clips for job in jobs if job.row in weightings.LEARNED]
    assert learned == [64] * len(weightings.LEARNED)
    assert jobs[-1].lambdas == (0.25, 0.75)
    assert rows[-1].trainings == pytest.approx(31200 * 64 / 20000)  # Of 312 steps each: a hundred.


def test_random_losses_are_a_loss_a_seed():
    row, config = Row(weightings.RANDOM), WeightingsConfig()
    lambdas = [make_job(row, NAMES, seed, "main:301", config).lambdas for seed in (0, 1, 0)]
    assert lambdas[0] == lambdas[2] != lambdas[1]


def test_rows_that_are_not_there_are_named():
    with pytest.raises(InputError, match="--rows: 'beauty' matches none of untrained; labels; equal"):
        make_rows(dataclasses.replace(WeightingsConfig(), rows=("beauty",)), NAMES)


def test_the_table_has_errors_costs_and_leaves_out_runs_that_diverged():
    rows = make_rows(WeightingsConfig(), NAMES)
    learned = next(iter(weightings.LEARNED))
    results = {
        weightings.EQUAL: [{"linear": 0.5, "kmeans": 0.2}, {"linear": 0.6, "kmeans": 0.3}, {"reason": "not finite"}],
        learned: [{"linear": 0.7, "kmeans": 0.4, "while_learning": 0.65, "cost": 1.4}],
    }
    lines = table(rows, results).splitlines()
    assert "| equal | 2 | 0.550 ± 0.050 | 0.250 ± 0.050 |  | 1.00 | 0 |" in lines
    assert f"| {learned} | 1 | 0.700 | 0.400 | 0.650 | 1.40 | 1.4 |" in lines
