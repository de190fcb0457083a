"""Sliding windows: by hand, and the promises over all lengths and strides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elo_tf.embed.windows import slide


def frames(count):
    return (np.full([2, 2, 3], place, np.uint8) for place in range(count))


def places(count, length, stride):
    """(offset, places of its frames) of each window."""
    return [(offset, clip[:, 0, 0, 0].tolist()) for offset, clip in slide(frames(count), length, stride)]


@pytest.mark.parametrize(
    "count, length, stride, expected",
    [
        (11, 4, 3, [0, 3, 6, 7]),
        (10, 4, 3, [0, 3, 6]),
        (8, 4, 4, [0, 4]),
        (9, 4, 4, [0, 4, 5]),
        (4, 4, 1, [0]),
        (5, 4, 1, [0, 1]),
        (12, 2, 5, [0, 5, 10]),
        (11, 2, 5, [0, 5, 9]),
        (3, 4, 1, []),
        (0, 4, 4, []),
        (3, 1, 1, [0, 1, 2]),
    ],
)
def test_by_hand(count, length, stride, expected):
    assert places(count, length, stride) == [(start, list(range(start, start + length))) for start in expected]


@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 12))
def test_none_is_left_out_or_comes_twice(count, length, stride):
    found = places(count, length, stride)
    starts = [start for start, _ in found]
    assert all(shown == list(range(start, start + length)) for start, shown in found)
    assert starts == sorted(set(starts)) and all(start % stride == 0 for start in starts[:-1])
    assert bool(found) == (count >= length)
    if found:
        assert starts[0] == 0 and found[-1][1][-1] == count - 1
    if found and stride <= length:
        assert {place for _, shown in found for place in shown} == set(range(count))


@given(st.integers(0, 12), st.integers(1, 9), st.integers(1, 12))
def test_fewer_frames_than_a_window_begin_again(count, length, stride):
    found = [(offset, clip[:, 0, 0, 0].tolist()) for offset, clip in slide(frames(count), length, stride, loop=True)]
    once = places(count, length, stride)
    again = [place % count for place in range(length)] if count else []
    assert found == (once or [(0, again)] * bool(count))


def test_windows_do_not_change_afterwards():
    kept = list(slide(frames(6), 3, 1))
    assert [clip[0, 0, 0, 0] for _, clip in kept] == [0, 1, 2, 3]
