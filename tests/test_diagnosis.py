"""Figures of diagnostics and cluster sizes: what they show, with parts that were not measured left out."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from elo_tf.ops.zipf import zipf_prior
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.generation import Generation
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.journal.rungs import Rungs
from elo_tf.search.reporting import diagnosis


def generations(*rounds):
    """Each candidate: (value or None, diagnostics), or None without result."""
    told = [
        tuple(
            (TrialResult(9, 0, Fitness(each[0], None if each[0] else "dead", each[0] and 0.1, 4, each[1]), 1.0),)
            if each
            else ()
            for each in own
        )
        for own in rounds
    ]
    return [
        Generation(index, tuple(range(len(own))), np.zeros([len(own), 1]), own, Rungs.of(9, 1, 3.0))
        for index, own in enumerate(told)
    ]


def texts(figure):
    FigureCanvasAgg(figure).draw()
    return [text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")) if text.get_text()]


def drawn(axes, label):
    parts = [part for part in [*axes.collections, *axes.lines] if part.get_label() == label]
    return parts[0] if parts else None


def test_health_shows_every_candidate_that_was_measured():
    rounds = [
        [(0.2, {"feature_deviation": 0.5}), (None, {"feature_deviation": 0.01}), (0.3, {"feature_deviation": 0.4})],
        [(0.2, {"feature_deviation": 0.7}), (None, {}), None],
    ]
    untrained = {"feature_deviation": 0.9, "effective_rank": 5.0}
    figure = diagnosis.health_over_rounds(generations(*rounds), untrained, {"feature_deviation": 0.1})
    deviation, rank, *_ = figure.axes
    np.testing.assert_allclose(drawn(deviation, "feasible").get_offsets()[:, 1], [0.5, 0.4, 0.7])
    np.testing.assert_allclose(drawn(deviation, "infeasible").get_offsets(), [[0.0, 0.01]])
    np.testing.assert_allclose(drawn(deviation, "median of the round").get_ydata(), [0.4, 0.7])
    assert set(drawn(deviation, "untrained tower").get_ydata()) == {0.9}
    assert set(drawn(deviation, "health gate").get_ydata()) == {0.1}
    assert drawn(rank, "untrained tower") is None
    assert texts(figure).count("not measured") == 3


def test_health_tells_shorter_trainings_from_full_ones():
    results = [
        tuple(
            TrialResult(steps, 0, Fitness(value, None if value else "dead", None, 1, {"effective_rank": rank}), 1.0)
            for steps in own
        )
        for own, value, rank in (((3,), 0.5, 1.0), ((3, 9), 0.4, 7.0), ((3, 9), None, 5.0), ((3,), None, 2.0))
    ]
    generation = Generation(0, (0, 1, 2, 3), np.zeros([4, 1]), tuple(results), Rungs.of(9, 2, 3.0))
    rank = diagnosis.health_over_rounds([generation], {}, {}).axes[1]
    np.testing.assert_allclose(drawn(rank, "feasible").get_offsets()[:, 1], [7.0])
    np.testing.assert_allclose(drawn(rank, "feasible, trained shorter").get_offsets()[:, 1], [1.0])
    np.testing.assert_allclose(drawn(rank, "infeasible").get_offsets()[:, 1], [5.0, 2.0])
    np.testing.assert_allclose(drawn(rank, "median of the round").get_ydata(), [6.0])


def test_health_of_a_search_without_results():
    assert texts(diagnosis.health_over_rounds(generations([None, None]), {}, {})).count("not measured") == 4


def test_sizes_are_drawn_against_zipfs_law():
    sizes = np.array([0.6, 0.3, 0.1, 0.0])
    figure = diagnosis.sizes_of_clusters(sizes, np.full(4, 0.2), 1.5)
    (axes,) = figure.axes
    np.testing.assert_allclose(drawn(axes, "clusters, mean ± s.d.").get_ydata(), sizes)
    np.testing.assert_allclose(drawn(axes, "Zipf's law, exponent 1.5").get_ydata(), zipf_prior(4, 1.5), rtol=1e-6)
    assert set(drawn(axes, "all equal (a collapsed tower)").get_ydata()) == {0.25}
    assert "share of the clips" in texts(figure)
