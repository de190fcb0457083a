"""Neighbours by cosine: against NumPy, window by window, and what cannot be asked."""

import dataclasses

import numpy as np
import pytest

from elo_tf.config import InputError
from elo_tf.embed import neighbours
from elo_tf.embed.neighbours import nearest_moments, nearest_videos
from elo_tf.embed.table import Entry, Table


def make_entry(name, windows, stride=3):
    windows = np.asarray(windows, np.float32)
    offsets = stride * np.arange(len(windows))
    return Entry(name, windows.mean(axis=0), 99, (1, 2), "", windows, offsets)


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    windows = [random.normal(size=(random.integers(1, 6), 7)) + 3 for _ in range(20)]
    return Table({"fps": 12.5}, [make_entry(f"{number:02}.mp4", rows) for number, rows in enumerate(windows)])


@pytest.fixture(scope="module")
def query():
    return make_entry("query.mp4", np.random.default_rng(1).normal(size=(4, 7)) + 3, stride=5)


def cosine(ours, theirs):
    return ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)


@pytest.mark.parametrize("centre", [False, True])
def test_videos_against_numpy(table, query, centre):
    mean = centre * table.embeddings.mean(axis=0)
    expected = [cosine(entry.embedding - mean, query.embedding - mean) for entry in table.entries]
    found = nearest_videos(query, table, 6, centre)
    assert [int(match.entry.id[:2]) for match in found] == np.argsort(expected)[::-1][:6].tolist()
    np.testing.assert_allclose([match.similarity for match in found], sorted(expected)[::-1][:6], rtol=1e-5)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("at_a_time", [2, 1000])
def test_moments_against_numpy(table, query, centre, at_a_time, monkeypatch):
    monkeypatch.setattr(neighbours, "_WINDOWS_AT_A_TIME", at_a_time)
    mean = centre * table.embeddings.mean(axis=0)
    expected = []
    for entry in table.entries:
        for number, window in enumerate(entry.windows):
            for own, row in enumerate(query.windows):
                expected.append((cosine(window - mean, row - mean), entry.id, 3 * number, 5 * own))
    best = {}
    for similarity, name, offset, own in sorted(expected, reverse=True):
        best.setdefault(name, (similarity, offset, own))
    found = nearest_moments(query, table, 5, centre)
    assert [match.entry.id for match in found] == list(best)[:5]
    for match in found:
        similarity, offset, own = best[match.entry.id]
        assert match.similarity == pytest.approx(similarity, rel=1e-5)
        assert (match.offset, match.query_offset) == (offset, own)


def test_a_video_is_nearest_to_itself_and_then_to_its_copy(table, query):
    copy = dataclasses.replace(query, id="copy.mp4", embedding=query.embedding * 1.5 + 1e-3)
    larger = Table(table.settings, [*table.entries, copy, query])
    for nearest in (nearest_videos, nearest_moments):
        found = nearest(query, larger, 2)
        assert {match.entry.id for match in found} == {"copy.mp4", "query.mp4"}
        assert found[0].similarity == pytest.approx(1)
    assert [match.entry.id for match in nearest_videos(query, larger, 2)] == ["query.mp4", "copy.mp4"]


def test_scale_does_not_matter_and_zero_is_like_nothing(query):
    zero, huge = make_entry("zero", np.zeros((2, 7))), make_entry("huge", 1e20 * query.windows)
    found = nearest_videos(query, Table({}, [zero, huge]), 2)
    assert [match.entry.id for match in found] == ["huge", "zero"]
    assert found[0].similarity == pytest.approx(1) and found[1].similarity == 0


def test_what_cannot_be_asked(table, query):
    with pytest.raises(InputError, match="--neighbours=21 is more than the 20 videos"):
        nearest_videos(query, table, 21)
    bare = [dataclasses.replace(entry, windows=entry.windows[:0], offsets=entry.offsets[:0]) for entry in table.entries]
    with pytest.raises(InputError, match="needs embeddings of windows"):
        nearest_moments(query, Table(table.settings, bare), 3)
    assert len(nearest_videos(query, Table(table.settings, bare), 3)) == 3
