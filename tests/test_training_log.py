"""The TensorBoard record: what it holds, read back from the file, and the warning of a term that holds all."""

import math

import pytest
import tensorflow as tf

from elo_tf.runtime.training_log import TrainingLog


def scalars(folder):
    """tag -> [(step, value)] of the event files of a folder; NaN for what is no number."""
    found = {}
    for path in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                array = tf.make_ndarray(value.tensor)
                found.setdefault(value.tag, []).append((event.step, float(array) if array.size == 1 else math.nan))
    return found


def test_holds_lambdas_losses_and_shares(tmp_path):
    log = TrainingLog(tmp_path, {"rgb/shuffle": 0.25})
    log.losses(0, {"rgb/shuffle": 0.5})
    log.losses(10, {"rgb/shuffle": 0.125})
    log.shares(10, {"rgb/shuffle": 1.0})
    log.close()
    assert scalars(tmp_path) == {
        "lambda/rgb/shuffle": [(0, 0.25)],
        "loss/rgb/shuffle": [(0, 0.5), (10, 0.125)],
        "share/rgb/shuffle": [(10, 1.0)],
    }


@pytest.mark.parametrize(
    "shares, expected",
    [
        ({"a": 0.95, "b": 0.05}, ["step 7: a holds 95% of the gradient in the RGB tower"]),
        ({"a": 0.85, "b": 0.15}, []),
        ({"a": 1.0}, []),
    ],
)
def test_warns_once_of_a_term_that_holds_all(tmp_path, shares, expected):
    warnings = []
    log = TrainingLog(tmp_path, {}, warnings.append)
    log.shares(7, shares)
    log.shares(8, shares)
    log.close()
    assert warnings == expected
