"""Figures of real journals: what they show, that nothing is cut off, and that drawing leaves nothing behind."""

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.reporting import figures
from elo_tf.search.reporting.findings import winner
from elo_tf.search.reporting.quantity import QUANTITIES

CODES = {
    "rgb/shuffle": "R-S",
    "grey/reconstruct": "G-Rec",
    "flow/distill/stage1": "F-D1",
    "flow/distill/stage4": "F-D4",
    "rgb-audio/embed": "RA-E",
    "audio/shuffle": "A-S",
}
NAMES = tuple(CODES)
BEST = 7
TITLE = QUANTITIES["zipf"].title


def write(path, rounds=3, population=4, failed=(), told=None):
    """A journal whose candidates get 1 - number / 100, the best of them 0.125."""
    generator = np.random.default_rng(0)
    with Journal.open(str(path), {"seed": 0, "settings": {"fitness": "zipf", "steps": 9}, "names": NAMES}) as journal:
        for _ in range(rounds):
            for number in journal.ask(generator.random((population, len(NAMES)))):
                if told is not None and number >= told:
                    continue
                value = 0.125 if number == BEST else 1 - number / 100
                dead, alive = Fitness(None, "dead", None, 20, {}), Fitness(value, None, 0.01, 20, {})
                journal.tell(number, TrialResult(9, 0, dead if number in failed else alive, 1.0))
    return Journal.read(str(path))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def texts(figure):
    FigureCanvasAgg(figure).draw()
    return [text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")) if text.get_text()]


def meshes(figure):
    return [mesh.get_array() for axes in figure.axes for mesh in axes.collections if hasattr(mesh, "get_coordinates")]


def test_lambdas_show_the_mean_of_each_round_by_modality(path):
    generations = write(path).generations()
    figure = figures.lambdas_over_rounds(generations, NAMES, CODES)
    shown = np.concatenate([mesh for mesh in meshes(figure) if mesh.shape[1] == 3])
    order = [0, 1, 2, 3, 5, 4]  # rgb, grey, flow, audio, pairs
    np.testing.assert_allclose(shown, np.array([g.lambdas.mean(0) for g in generations]).T[order])
    drawn = texts(figure)
    labels = ["shuffle  R-S", "reconstruct  G-Rec", "distill/stage1  F-D1", "distill/stage4  F-D4", "shuffle  A-S"]
    places = [drawn.index(label) for label in [*labels, "rgb-audio/embed  RA-E"]]
    assert places == sorted(places)
    assert {"rgb", "grey", "flow", "audio", "pairs", "round (generation)"} <= set(drawn)


def test_fitness_shows_every_candidate_and_the_best_so_far(path):
    figure = figures.fitness_over_rounds(write(path).generations(), TITLE)
    (axes,) = figure.axes
    dots = next(part for part in axes.collections if part.get_label() == "candidate ± s.e.").get_offsets()
    assert len(dots) == 12
    assert len(np.unique(dots[:, 0])) == 12
    np.testing.assert_allclose(dots[BEST], [1.3, 0.125])
    best = next(line for line in axes.lines if line.get_label() == "best so far")
    np.testing.assert_allclose(best.get_ydata(), [0.97, 0.125, 0.125])
    assert "zipf score, nats" in texts(figure)


def test_a_single_round_has_no_fractions_of_rounds_below_it(path):
    generations = write(path, rounds=1).generations()
    lambdas = figures.lambdas_over_rounds(generations, NAMES, CODES)
    for figure in (lambdas, figures.fitness_over_rounds(generations, TITLE)):
        below = next(axes for axes in figure.axes if axes.get_xlabel() == "round (generation)")
        FigureCanvasAgg(figure).draw()
        assert all(tick == round(tick) for tick in below.get_xticks())


def test_fitness_shows_standard_errors_and_ties(path):
    with Journal.open(str(path), {"seed": 0, "settings": {"steps": 9}, "names": NAMES}) as journal:
        numbers = journal.ask(np.zeros([3, len(NAMES)]))
        for number, value in zip(numbers, (0.5, 0.55, 0.9)):
            journal.tell(number, TrialResult(9, 0, Fitness(value, None, 0.2, 25, {}), 1.0))
        (axes,) = figures.fitness_over_rounds(journal.generations(), TITLE).axes
    rings = next(part for part in axes.collections if part.get_label() == "the best and its ties").get_offsets()
    np.testing.assert_allclose(rings[:, 1], [0.5, 0.55])
    bars = [segment for part in axes.collections if hasattr(part, "get_segments") for segment in part.get_segments()]
    lengths = [segment[1, 1] - segment[0, 1] for segment in bars]
    assert np.isclose(lengths, 2 * 0.2 / 5).sum() == 3


def test_values_of_short_trainings_are_not_drawn(path):
    settings = {"steps": 9, "rungs": 2, "reduction": 3.0}
    with Journal.open(str(path), {"seed": 0, "settings": settings, "names": NAMES}) as journal:
        numbers = journal.ask(np.zeros([4, len(NAMES)]))
        for number, value in zip(numbers, (0.01, None, 0.02, 0.03)):
            reason, deviation = (None, 0.1) if value else ("dead", None)
            journal.tell(number, TrialResult(3, 0, Fitness(value, reason, deviation, 25, {}), 1.0))
        for number, value in zip((0, 2), (0.5, 0.7)):
            journal.tell(number, TrialResult(9, 0, Fitness(value, None, 0.1, 1, {}), 1.0))
        assert journal.last().complete
        strip, axes = figures.fitness_over_rounds(journal.generations(), TITLE).axes
    dots = next(part for part in axes.collections if part.get_label() == "candidate ± s.e.").get_offsets()
    np.testing.assert_allclose(dots[:, 1], [0.5, 0.7])
    assert [bar.get_height() for bar in strip.patches] == [1]
    (best,) = [line for line in axes.lines if line.get_label() == "best so far"]
    np.testing.assert_allclose(best.get_ydata(), [0.5])


def test_infeasible_candidates_are_counted_and_not_drawn_as_values(path):
    figure = figures.fitness_over_rounds(write(path, failed=(0, 1, 9)).generations(), TITLE)
    strip, axes = figure.axes
    assert [bar.get_height() for bar in strip.patches] == [2, 0, 1]
    assert {"2", "1", "infeasible"} <= set(texts(figure))
    dots = next(part for part in axes.collections if part.get_label() == "candidate ± s.e.").get_offsets()
    assert len(dots) == 9


def test_best_loss_shows_the_lambdas_of_the_lowest_value(path):
    journal = write(path)
    figure = figures.best_loss(winner(journal), NAMES, CODES)
    lambdas = journal.generations()[1].lambdas[3]
    drawn = texts(figure)
    assert {f"{CODES[name]}\n{value:.2f}" for name, value in zip(NAMES, lambdas)} <= set(drawn)
    assert "Best loss: candidate 7, fitness 0.125" in drawn
    (grid,) = [mesh for mesh in meshes(figure) if mesh.shape == (5, 5)]
    np.testing.assert_allclose(np.sort(grid.compressed()), np.sort(lambdas))


def test_without_any_value_the_figures_say_so(path):
    generations = write(path, rounds=1, failed=range(4)).generations()
    assert "no candidate has a value so far" in texts(figures.fitness_over_rounds(generations, TITLE))
    drawn = texts(figures.best_loss(None, NAMES, CODES))
    assert "No feasible candidate so far" in drawn and "R-S" in drawn


def test_a_name_without_a_task_is_drawn_as_it_is():
    drawn = texts(figures.best_loss(None, ["rgb/shuffle", "other"], {"rgb/shuffle": "R-S", "other": "other"}))
    assert {"R-S", "other"} <= set(drawn)


@pytest.mark.parametrize("rounds, failed, told", [(1, (), 0), (3, (1,), 6), (70, (1, 2, 80), None)])
def test_nothing_is_cut_off(path, rounds, failed, told):
    journal = write(path, rounds, failed=failed, told=told)
    generations = journal.generations()
    for figure in (
        figures.lambdas_over_rounds(generations, NAMES, CODES),
        figures.fitness_over_rounds(generations, QUANTITIES["zipf_scale_free"].title),
        figures.best_loss(winner(journal), NAMES, CODES),
    ):
        FigureCanvasAgg(figure).draw()
        frame = figure.bbox
        for text in figure.findobj(lambda part: hasattr(part, "get_text")):
            # Ticks outside of the view keep their text, and are not drawn.
            if not text.get_visible() or not text.get_text() or text.get_window_extent().width == 0:
                continue
            box = text.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            assert inside or text.get_text() in _ticks_out_of_view(figure), text


def _ticks_out_of_view(figure):
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            hidden |= {tick.label1.get_text() for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    return hidden


def test_files_are_whole_pictures_at_150_dpi_and_nothing_else(path, tmp_path):
    write(path)
    directory = tmp_path / "run" / "figures"
    for _ in range(2):
        files = figures.draw_all(path, directory, CODES)
    assert [file.name for file in files] == ["lambdas.png", "fitness.png", "best_loss.png"]
    assert sorted(directory.iterdir()) == sorted(files)
    height, width, _ = imread(files[1]).shape
    assert (width, height) == (6.0 * 150, 4.6 * 150)
    assert all(imread(file).std() > 0.02 for file in files)


def test_drawing_does_not_touch_pyplot(path, tmp_path):
    before = dict(pyplot.rcParams)
    figures.draw_all(write(path), tmp_path, CODES)
    assert pyplot.get_fignums() == []
    assert dict(pyplot.rcParams) == before


def test_a_search_without_a_round_has_no_figures(path, tmp_path):
    assert figures.draw_all(write(path, rounds=0), tmp_path / "figures", CODES) == []
    assert not (tmp_path / "figures").exists()


def test_a_name_without_code_stands_for_itself(path):
    journal = write(path)
    assert figures.draw_all(journal, path.parent, {})
    drawn = texts(figures.lambdas_over_rounds(journal.generations(), NAMES, {}))
    assert "shuffle" in drawn and "rgb-audio/embed" in drawn
