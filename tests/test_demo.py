"""What the demo says at its end: true of the numbers, whatever they are."""

import json
import math

import pytest

from elo_tf.config import InputError
from experiments import demo, demo_worlds

VIDEOS = 700


def evaluation(folder, linear):
    """results.json of four entrants, whose accuracies are given."""
    return demo.read(write(folder, dict(zip(demo.ROWS, linear)))).results


def write(folder, accuracies):
    measured = [
        {"entrant": name, "protocol": protocol, "accuracy": accuracy, "test_videos": VIDEOS}
        for name, accuracy in accuracies.items()
        for protocol in demo.COLUMNS
    ]
    (folder / "results.json").write_text(json.dumps({"measurements": measured}))
    return folder


def test_the_error_is_that_of_a_proportion_of_the_test_videos(tmp_path):
    results = evaluation(tmp_path, (0.5, 0.4, 0.45, 0.1))
    assert results["evolved"]["linear"] == (0.5, math.sqrt(0.25 / VIDEOS))
    assert "evolved loss    50.0 ± 1.9  50.0 ± 1.9  50.0 ± 1.9" in demo.table(results).splitlines()[1]


def test_random_losses_have_one_row_their_mean(tmp_path):
    accuracies = {"evolved": 0.5, "random-1": 0.2, "random-2": 0.6, "equal": 0.4, "scratch": 0.1}
    results, random = demo.read(write(tmp_path, accuracies))
    # Of the videos, and of two losses drawn: s.d. .4 / sqrt(2), over sqrt(2).
    error = math.hypot((math.sqrt(0.16 / VIDEOS) + math.sqrt(0.24 / VIDEOS)) / 2, 0.2)
    assert results["random"]["linear"] == pytest.approx((0.4, error))
    assert demo.spread(random) == "random losses: the mean of 2, whose 1-layer accuracies are 20.0, 60.0"


def test_the_sentence_tells_ahead_even_and_behind(tmp_path):
    sentence = demo.sentence(evaluation(tmp_path, (0.5, 0.49, 0.6, 0.1)))
    assert "ahead of untrained, even with random losses, behind all terms at 1" in sentence
    sentence = demo.sentence(evaluation(tmp_path, (0.5, 0.3, 0.3, 0.1)))
    assert "ahead of random losses, all terms at 1 and untrained (" in sentence


def test_the_picture_has_a_panel_a_column_and_a_bar_a_row(tmp_path):
    figure = demo.picture(evaluation(tmp_path, (0.5, 0.4, 0.45, 0.1)))
    assert [axes.get_title() for axes in figure.axes] == list(demo.COLUMNS.values())
    bars = [round(patch.get_height()) for patch in figure.axes[1].patches]
    assert bars == [50, 40, 45, 10]


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "has no results.json; evaluate first"),
        ("{}", "is no file of results"),
        ('{"measurements": []}', "lacks kmeans of evolved, .*; evaluate them too"),
    ],
)
def test_results_that_cannot_be_used_are_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match=message):
        demo.read(tmp_path)


def test_over_worlds_differences_are_taken_within_each(tmp_path):
    given = []
    for name, linear in (("7", (0.5, 0.3, 0.45, 0.1)), ("8", (0.7, 0.4, 0.65, 0.1))):
        (tmp_path / name).mkdir()
        evaluation(tmp_path / name, linear)
        given.append(f"{name}={tmp_path / name}")
    worlds = demo_worlds.read(given)
    assert demo_worlds.differences(worlds, "random") == pytest.approx([20, 30])
    # Worlds differ by 20 points in both rows, which the difference between the rows does not see.
    assert demo_worlds.mean_and_error(demo_worlds.differences(worlds, "equal")) == "5.0 ± 0.0"
    text = demo_worlds.table(worlds)
    assert "| mean | 60.0 ± 10.0 | 35.0 ± 5.0 | 55.0 ± 10.0 | 10.0 ± 0.0 |" in text
    assert "| random losses | 25.0 ± 5.0 | 25.0 ± 5.0 | 25.0 ± 5.0 | 2 of 2 |" in text
    assert "| all terms at 1 | 5.0 ± 0.0 | 5.0 ± 0.0 | 5.0 ± 0.0 | 0 of 2 |" in text
    assert "random losses in 2 of 2" in text
    with pytest.raises(InputError, match="'7' is not NAME=DIR"):
        demo_worlds.read(["7"])
    with pytest.raises(InputError, match="is not NAME=DIR with a name of its own"):
        demo_worlds.read([given[0], given[0]])


def test_a_single_term_has_a_row_where_all_worlds_have_it(tmp_path):
    for name, accuracies in (("all", dict(zip(demo.ROWS, (0.5, 0.3, 0.45, 0.1)))), ("one", {demo_worlds.SINGLE: 0.4})):
        (tmp_path / name).mkdir()
        write(tmp_path / name, accuracies)
    worlds = demo_worlds.read([f"7={tmp_path / 'all'}"], [f"7={tmp_path / 'one'}"])
    text = demo_worlds.table(worlds)
    assert "| joint embedding alone | 10.0 | 10.0 | 10.0 | 1 of 1 |" in text
    assert "| 7 | 50.0 ± 1.9 | 30.0 ± 1.7 | 45.0 ± 1.9 | 10.0 ± 1.1 | 40.0 ± 1.9 |" in text
    with pytest.raises(InputError, match="--single has 8, --evaluations 7; give the same worlds"):
        demo_worlds.read([f"7={tmp_path / 'all'}"], [f"8={tmp_path / 'one'}"])
