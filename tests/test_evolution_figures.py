"""What several searches say of the terms, from journals worked by hand."""

import json

import numpy as np
import pytest

from elo_tf.config import InputError
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from experiments import evolution_figures, evolution_plots
from experiments.evolution_figures import FALLS, MIXED, RISES
from tests.smokes import rows_of, smoke


def search(folder, rounds, values=None, names=("a", "b", "c")):
    """A search whose rounds have these λ vectors; candidates without a value have not ended."""
    folder.mkdir()
    header = {"seed": 0, "settings": {"steps": 9, "fitness": "zipf"}, "names": [*names]}
    with Journal.open(str(folder / "journal.jsonl"), header) as journal:
        for place, vectors in enumerate(rounds):
            for number in journal.ask(np.array(vectors)):
                value = 1.0 - 0.1 * number if values is None else values[place]
                if value is not None:
                    journal.tell(number, TrialResult(9, 0, Fitness(value, None, 0.1, 4, {}), 1.0))
    return str(folder)


@pytest.fixture
def courses(tmp_path):
    first = search(tmp_path / "1", [[[0.2, 0.5, 0.5], [0.4, 0.5, 0.5]], [[0.8, 0.1, 0.6], [0.6, 0.3, 0.6]]])
    second = search(tmp_path / "2", [[[0.5, 0.9, 0.5]], [[0.6, 0.8, 0.1]]])
    return evolution_figures.read([f"one={first}", f"two={second}"])


def test_a_course_is_the_mean_of_each_round(courses):
    np.testing.assert_allclose(courses["one"].means, [[0.3, 0.5, 0.5], [0.7, 0.2, 0.6]])
    np.testing.assert_allclose(courses["one"].change, [0.4, -0.3, 0.1])
    # The lowest value is that of the last candidate.
    np.testing.assert_allclose(courses["one"].final, [0.6, 0.3, 0.6])
    assert courses["one"].fitness == "zipf"


def test_directions_are_those_that_all_searches_share(courses):
    assert evolution_figures.directions(courses) == [RISES, FALLS, MIXED]
    # Of three coins thrown twice, 3 / 2 fall alike.
    assert evolution_figures.expected_by_chance(3, 2) == 1.5
    lines = evolution_figures.table(courses).splitlines()
    assert lines[2] == "| a | 0.40 | 0.65 | +0.25 | +0.10 | +0.40 | rises in all | 0.60 |"
    assert lines[-1] == "2 of 3 terms go the same way in all 2 searches; 1.5 would by chance."


def test_a_round_that_has_not_ended_does_not_count(tmp_path):
    place = search(tmp_path / "1", [[[0.2, 0.2, 0.2]], [[0.4, 0.4, 0.4]], [[0.9, 0.9, 0.9]]], [0.5, 0.4, None])
    (found,) = evolution_figures.read([f"x={place}"]).values()
    np.testing.assert_allclose(found.change, [0.2, 0.2, 0.2])
    short = search(tmp_path / "2", [[[0.2, 0.2, 0.2]]])
    with pytest.raises(InputError, match="has 1 complete rounds; two show a change"):
        evolution_figures.read([f"x={short}"])


def test_searches_that_are_not_alike_are_refused(tmp_path):
    first = search(tmp_path / "1", [[[0.2, 0.5, 0.5]]] * 2)
    other = search(tmp_path / "2", [[[0.2, 0.5]]] * 2, names=("a", "b"))
    with pytest.raises(InputError, match="--searches: two is over other terms than one"):
        evolution_figures.read([f"one={first}", f"two={other}"])
    for given in (["one"], [f"one={first}", f"one={first}"]):
        with pytest.raises(InputError, match="is not NAME=DIR with a name of its own"):
            evolution_figures.read(given)
    with pytest.raises(InputError, match="--searches is missing"):
        evolution_figures.read([])


def test_figures_show_the_numbers(courses):
    panels = evolution_plots.over_rounds(courses).axes
    assert [axes.get_title() for axes in panels] == ["a", "b", "c"]
    np.testing.assert_allclose(panels[1].lines[0].get_ydata(), [0.5, 0.2])
    shown = evolution_plots.final_losses(courses).axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, np.array([[0.6, 0.3, 0.6], [0.6, 0.8, 0.1]]).T)
    assert json.loads(json.dumps(evolution_figures.numbers(courses)))["searches"][1]["name"] == "two"


@pytest.mark.slow
def test_it_runs_at_its_smoke_size():
    assert sorted(rows_of(smoke("evolution_figures"))) == ["rgb-flow/embed", "rgb/shuffle"]
