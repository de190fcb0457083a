"""Checkpoints of a training: what is saved comes back; what cannot be loaded is said in one line, never passed over."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.train.checkpoints import Checkpoints


def make(run_dir, width=3, value=None, process=0, keep=3):
    """Checkpoints of a model of one layer with an optimiser that has slots; its kernel is `value` everywhere."""
    model = tf.keras.Sequential([tf.keras.layers.Dense(width)])
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam())
    model.build([None, 2])
    model.optimizer._create_all_weights(model.trainable_variables)
    if value is not None:
        model.layers[0].kernel.assign(tf.fill([2, width], value))
        for variable in model.optimizer.variables()[1:]:
            variable.assign(tf.ones_like(variable) * value / 2)
    return model, Checkpoints(run_dir, model, tf.Variable(0, dtype=tf.int64), keep, process)


def run(run_dir, steps=(1, 2), keep=3):
    """A run with a checkpoint of each of the steps, whose kernel is the step."""
    model, checkpoints = make(run_dir, keep=keep)
    assert checkpoints.restore() is None
    for step in steps:
        model.layers[0].kernel.assign(tf.fill([2, 3], float(step)))
        checkpoints._step.assign(step)
        assert checkpoints.save() == str(run_dir / "checkpoints" / f"ckpt-{step}")
    return run_dir / "checkpoints"


def test_weights_optimiser_and_step_come_back(tmp_path):
    model, checkpoints = make(tmp_path, value=7.0)
    checkpoints._step.assign(12)
    prefix = checkpoints.save()
    other, restored = make(tmp_path, value=0.0)
    assert restored.restore() == prefix == restored.last
    assert int(restored._step) == 12
    for before, after in zip(model.optimizer.variables(), other.optimizer.variables()):
        np.testing.assert_array_equal(before.numpy(), after.numpy())
    np.testing.assert_array_equal(other.layers[0].kernel.numpy(), np.full([2, 3], 7.0))


def test_keeps_as_many_as_it_is_told_and_goes_on_from_the_last(tmp_path):
    folder = run(tmp_path, steps=(1, 2, 3, 4), keep=2)
    assert {path.stem for path in folder.glob("*.index")} == {"ckpt-3", "ckpt-4"}
    model, checkpoints = make(tmp_path)
    checkpoints.restore()
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), np.full([2, 3], 4.0))


def tear(folder):
    data = folder / "ckpt-2.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:40])


def flip(folder):
    data = folder / "ckpt-2.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 0xFF
    data.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage, message",
    [
        (tear, "ckpt-2 cannot be loaded .*to resume from ckpt-1, put it in place of ckpt-2"),
        (flip, "ckpt-2 cannot be loaded .*to resume from ckpt-1"),
        (lambda folder: (folder / "ckpt-2.index").unlink(), "checkpoint"),
        (lambda folder: (folder / "checkpoint").unlink(), "checkpoint, which lists the checkpoints, is missing"),
        (lambda folder: (folder / "checkpoint").write_text("model"), "checkpoint, which lists the checkpoints, is"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "has lost its checkpoints"),
        (lambda folder: [path.unlink() for path in folder.iterdir()] + [folder.rmdir()], "has lost its checkpoints"),
    ],
)
def test_what_cannot_be_loaded_is_an_error_and_nothing_is_touched(tmp_path, damage, message):
    folder = run(tmp_path)
    (tmp_path / "tower.json").write_text("{}")
    damage(folder)
    left = sorted(tmp_path.rglob("*"))
    _, checkpoints = make(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        checkpoints.restore()
    assert "\n" not in str(error.value) and "--run_dir" in str(error.value) and str(tmp_path) in str(error.value)
    assert sorted(tmp_path.rglob("*")) == left


@pytest.mark.parametrize("width", [2, 4])
def test_a_checkpoint_of_another_model(tmp_path, width):
    run(tmp_path)
    _, checkpoints = make(tmp_path, width=width)
    with pytest.raises(InputError, match="ckpt-2 cannot be loaded"):
        checkpoints.restore()


def test_killed_in_the_first_checkpoint_begins_anew(tmp_path):
    """Nothing came of the run yet: the files of step 0 are there, their list is not."""
    folder = run(tmp_path, steps=(0,))
    (folder / "checkpoint").unlink()
    _, checkpoints = make(tmp_path)
    assert checkpoints.restore() is None
    assert checkpoints.save() == checkpoints.last


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    run(tmp_path)
    _, checkpoints = make(tmp_path, value=float("inf"))
    with pytest.raises(FloatingPointError, match="kernel"):
        checkpoints.save()
    assert pathlib.Path(checkpoints.last).name == "ckpt-2"


def test_another_process_leaves_nothing(tmp_path):
    folder = run(tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    model, checkpoints = make(tmp_path, process=1)
    assert checkpoints.restore().endswith("ckpt-2")
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), np.full([2, 3], 2.0))
    for _ in range(2):
        checkpoints.save()
        assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    _, checkpoints = make(tmp_path)
    with pytest.raises(OSError, match="checkpoints"):
        checkpoints.save()
