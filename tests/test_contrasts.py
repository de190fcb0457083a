"""Contrasts between rows, against sums by hand and SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from experiments import contrasts
from experiments.contrasts import FAILS, HOLDS, UNTOLD, Estimate, estimate

A, B, C, D = (("w", seed) for seed in range(4))
VALUES = {
    "low": {A: 0.1, B: 0.2, C: 0.1, D: 0.2},
    "own": {A: 0.3, B: 0.4, C: 0.3},
    "high": {A: 0.5, B: 0.6, C: 0.5, D: 0.9},
}


def test_an_estimate_is_scipys_mean_and_standard_error():
    values = np.random.default_rng(0).random(7)
    found = estimate(values)
    assert (found.mean, found.error, found.runs) == (
        pytest.approx(values.mean()), pytest.approx(stats.sem(values)), 7,
    )  # fmt: skip
    assert found.percent == f"{100 * values.mean():.1f} ± {100 * stats.sem(values):.1f}"


def test_one_run_has_no_error_and_none_no_mean():
    assert estimate([0.25]).percent == "25.0" and math.isnan(estimate([0.25]).error)
    assert estimate([]).percent == "–" and estimate([]).verdict == UNTOLD


def test_a_contrast_is_taken_within_runs():
    """Rows that go up and down together differ by the same in every run: no error, though each row varies."""
    found = contrasts.contrast({"own": 1, "low": -1}, VALUES)
    assert found.mean == pytest.approx(0.2) and found.error == pytest.approx(0, abs=1e-12) and found.runs == 3
    paired = stats.ttest_rel([0.5, 0.6, 0.5, 0.9], [0.1, 0.2, 0.1, 0.2])
    found = contrasts.contrast({"high": 1, "low": -1}, VALUES)
    assert found.mean / found.error == pytest.approx(paired.statistic)


def test_only_runs_that_all_rows_have_count():
    assert contrasts.by_run({"own": 2, "high": -1}, VALUES) == {
        A: pytest.approx(0.1), B: pytest.approx(0.2), C: pytest.approx(0.1),
    }  # fmt: skip
    assert contrasts.contrast({"own": 1, "absent": -1}, VALUES).runs == 0


def test_ratio_and_share_are_of_means():
    assert contrasts.ratio("own", "low", VALUES) == pytest.approx(1.0 / 0.4)
    assert contrasts.share("own", "low", "high", VALUES) == pytest.approx(0.6 / 1.2)
    assert math.isnan(contrasts.ratio("own", "absent", VALUES))
    assert math.isnan(contrasts.share("own", "low", "low", VALUES))


@pytest.mark.parametrize(
    "found, verdict",
    [
        (Estimate(0.021, 0.01, 3), HOLDS),
        (Estimate(0.019, 0.01, 3), UNTOLD),
        (Estimate(-0.021, 0.01, 3), FAILS),
        (Estimate(0.5, 0.01, 2), UNTOLD),  # Two runs do not know their own spread.
        (Estimate(0.0, 0.0, 5), UNTOLD),
    ],
)
def test_a_verdict_needs_two_standard_errors_and_three_runs(found, verdict):
    assert found.verdict == verdict


def test_the_best_row_is_that_of_the_highest_mean():
    assert contrasts.best(["low", "own", "absent"], VALUES) == "own"
    assert contrasts.best(["absent"], VALUES) == ""


def test_points_have_their_sign():
    assert Estimate(0.034, 0.012, 3).points == "+3.4 ± 1.2" and Estimate(-0.034, 0.012, 3).points == "-3.4 ± 1.2"
