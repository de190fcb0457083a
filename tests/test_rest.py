"""JSON as REST wants it: float32 comes back as it was, and bytes are base64."""

import base64
import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from export.rest import to_json


@given(arrays(np.float32, array_shapes(max_dims=4, max_side=4), elements=st.floats(width=32, allow_nan=False)))
def test_floats_come_back_exactly(value):
    read = np.asarray(json.loads(json.dumps(to_json(value))), np.float32)
    np.testing.assert_array_equal(read.view(np.uint32) << 1, value.view(np.uint32) << 1)  # but for the sign of zero


def test_levels_of_pixels_are_short():
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    assert max(len(text) for text in json.dumps(to_json(levels)).split(", ")) <= 13


def test_bytes():
    value = np.array([[b"\xff\xd8", b""], [b"abc", b"\0"]], object)
    read = json.loads(json.dumps(to_json(value)))
    assert [[base64.b64decode(one["b64"]) for one in row] for row in read] == value.tolist()
    assert all(list(one) == ["b64"] for row in read for one in row)
