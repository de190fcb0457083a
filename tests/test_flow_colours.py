"""Colours of optical flow: hue by direction, saturation by speed."""

import numpy as np
import pytest

from elo_tf.plots.flow_colours import flow_colours


@pytest.mark.parametrize(
    "direction, colour",
    [((1, 0), (255, 0, 0)), ((0, 1), (128, 255, 0)), ((-1, 0), (0, 255, 255)), ((0, -1), (128, 0, 255))],
    ids=["right", "down", "left", "up"],
)
def test_directions_have_the_colours_that_are_documented(direction, colour):
    flow = 4 * np.array(direction, np.float32)
    assert np.abs(flow_colours(flow, fastest=4).astype(int) - colour).max() <= 1
    # Faster is no other colour; half as fast is half way to white.
    np.testing.assert_array_equal(flow_colours(3 * flow, fastest=4), flow_colours(flow, fastest=4))
    halfway = (np.array(colour) + 255) / 2
    assert np.abs(flow_colours(flow / 2, fastest=4) - halfway).max() <= 1


def test_what_does_not_move_is_white_and_the_shape_is_kept():
    colours = flow_colours(np.zeros([2, 3, 4, 2]), fastest=1)
    assert colours.shape == (2, 3, 4, 3) and colours.dtype == np.uint8 and (colours == 255).all()
