"""Shares of terms in the gradient of random losses, by hand."""

import numpy as np

from experiments import loss_units


def test_shares_follow_the_unit():
    shares = loss_units.shares(np.array([1.0, 100.0, 0.0]), seed=0)
    lambdas = np.random.default_rng(0).random((loss_units.DRAWS, 3))
    first = lambdas[:, 0] / (lambdas[:, 0] + 100 * lambdas[:, 1])
    np.testing.assert_allclose(shares["value"][:, 0], first)
    np.testing.assert_allclose(shares["gradient"][:, 0], lambdas[:, 0] / lambdas[:, :2].sum(1))
    assert (shares["value"][:, 2] == 0).all() and (shares["gradient"][:, 2] == 0).all()


def test_table_names_what_cannot_be_chosen():
    seeds = [
        {name: {"value": 1.0, "gradient": gradient} for name, gradient in (("a", 0.001), ("b", scale), ("c", 0.0))}
        for scale in (1.0, 3.0)
    ]
    lines = loss_units.table(seeds).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:4]] == ["a", "b"]
    assert "Largest over smallest gradient: 2000." in lines
    assert any(
        "In units of the value" in line and "1 of 2 terms stay below 1 %" in line and "(a)" in line for line in lines
    )
    assert any("In units of the gradient" in line and "0 of 2 terms" in line for line in lines)
