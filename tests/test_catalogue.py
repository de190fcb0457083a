"""The table of terms: complete, and its costs those that can be counted by hand."""

import pytest

from elo_tf import tasks
from elo_tf.model.elo_model import EloModel
from elo_tf.model.term_table import catalogue, table
from tests.batches import SIZES


@pytest.fixture(scope="module")
def entries():
    terms = tasks.select(("rgb", "flow"), ["rgb/shuffle", "rgb/predict", "rgb-flow/align"])
    return {entry.name: entry for entry in catalogue(EloModel(terms, SIZES))}


def test_every_term_has_its_line(entries):
    lines = table(list(entries.values())).splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["rgb/predict", "rgb/shuffle", "rgb-flow/align"]
    assert lines[-1].startswith("3 terms.")
    assert "R-S" in lines[2] and "Eq. 7" in lines[2] and "rgb plain, rgb shuffled" in lines[2]


def test_views_of_every_second_clip_count_half(entries):
    # One run of the RGB tower on each clip, and one on every second clip.
    run = entries["rgb/predict"].alone - entries["rgb/predict"].head
    assert entries["rgb/shuffle"].alone - entries["rgb/shuffle"].head == pytest.approx(1.5 * run)


def test_the_head_of_shuffle_by_hand(entries):
    # A product of 128 numbers with 128 weights for each of a clip and half a shuffled clip, 2 operations a weight, and
    # a few for bias and entropy.
    assert 1.5 * 2 * 128 <= entries["rgb/shuffle"].head < 1.5 * 2 * 128 + 40
