"""Experiments at their smallest size, as their users start them: those that share a world, in one folder."""

import pytest

from experiments import table2
from tests.smokes import rows_of, smoke

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The first experiment renders worlds and trains towers here, the others find them."""
    return tmp_path_factory.mktemp("smokes")


@pytest.mark.parametrize(
    "module, rows",
    [
        ("table1", ["untrained", "labels of other classes", "joint embedding"]),
        ("label_budgets", ["untrained"]),
        ("unlabelled_videos", ["iterations fixed", "epochs fixed"]),
    ],
)
def test_a_table_has_its_rows(folder, module, rows):
    assert rows_of(smoke(module, folder)) == rows


def test_table2_has_towers_with_distillation_and_without(folder):
    names = rows_of(smoke("table2", folder))
    assert names[:2] == [table2.UNTRAINED, table2.WITH] and "the same with untrained teachers" in names


def test_table4_has_a_row_a_searcher(folder):
    assert rows_of(smoke("table4", folder))[:2] == ["cma_es_rungs", "random"]


def test_fig9_counts_its_trainings_and_compares_variants(folder):
    printed = smoke("fig9", folder)
    assert "\n6 trainings; of the first" in printed  # Four losses, two of them twice.
    assert "## Variants of the fitness" in printed and "zipf standardise_l2 within" in printed


@pytest.mark.parametrize(
    "module, rows",
    [("learning_speed", ["rgb-flow/embed"]), ("weightings", ["equal", "λ by gradient, predictability"])],
)
def test_each_row_has_a_run(folder, module, rows):
    printed = smoke(module, folder)
    assert [row for row in rows if f"| {row} | 1 |" not in printed] == []
