"""Table 2: its rows from a loss, what frozen teachers are, and its differences by hand."""

import dataclasses

import numpy as np
import pytest

from elo_tf.config import InputError
from elo_tf.model.objective import save_loss
from experiments import table2, towers
from experiments.tables import TablesConfig

CONFIG = TablesConfig(worlds=("second:301",), seeds=3)
RUN = ("second:301", 0)
NAMES = ("rgb/shuffle", "flow/distill/stage4", "rgb-flow/embed")


def made_of(tmp_path, weights, name="with"):
    path = tmp_path / f"{name}.json"
    save_loss(path, NAMES, weights, {})
    return dataclasses.replace(CONFIG, losses=(f"{name}={path}",))


def test_rows_differ_by_distillation_and_by_teachers(tmp_path):
    rows = {row.name: row.towers[RUN][0] for row in table2.make_rows(made_of(tmp_path, (0.5, 0.7, 1.0)))}
    assert rows[table2.WITH].terms == NAMES and rows[table2.WITH].frozen == ()
    assert rows[table2.LEFT_OUT].terms == ("rgb/shuffle", "rgb-flow/embed")
    assert rows[table2.FROZEN].terms == NAMES and rows[table2.FROZEN].frozen == ("flow",)
    assert rows[table2.FROZEN_LEFT_OUT].frozen == ("flow",)
    assert len({towers.key(job) for job in rows.values()}) == len(rows) == 5
    assert table2.WITHOUT not in rows


def test_losses_that_answer_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match="--losses lacks with=FILE"):
        table2.make_rows(CONFIG)
    with pytest.raises(InputError, match="has no distillation of a weight that counts"):
        table2.make_rows(made_of(tmp_path, (0.5, 0.0, 1.0)))


def test_differences_worked_by_hand():
    runs = [("w", seed) for seed in range(3)]
    means = {table2.WITH: 0.6, table2.LEFT_OUT: 0.5, table2.FROZEN: 0.45, table2.FROZEN_LEFT_OUT: 0.4}
    found = {"finetune": {name: {run: mean for run in runs} for name, mean in means.items()}}
    shown = table2.differences(found).splitlines()[2:]
    # Nobody was searched without distillation: that question is not answered.
    assert shown == [
        "| distillation in the evolved loss, over left out | +10.0 ± 0.0 |",
        "| the same with untrained teachers | +5.0 ± 0.0 |",
        "| teachers that learn, over untrained ones, by distillation | +5.0 ± 0.0 |",
    ]


def test_a_frozen_teacher_keeps_its_weights_and_teaches():
    import tensorflow as tf

    from elo_tf.config import TrainConfig
    from elo_tf.model.elo_model import EloModel
    from elo_tf.model.optimizer import make_optimizer
    from experiments import training
    from tests.batches import SIZES, random_clips

    tf.keras.utils.set_random_seed(0)
    model = EloModel(training.select(("flow/distill/stage4", "rgb-flow/embed")), SIZES)
    model.compile(optimizer=make_optimizer(TrainConfig(steps=2, warmup_steps=0)))
    clips = random_clips()
    model.compute_losses(clips)
    before = {name: [each.numpy() for each in tower.trainable_variables] for name, tower in model.towers.items()}
    towers.freeze(model, "flow")
    model.train_step(clips)
    after = {name: [each.numpy() for each in tower.trainable_variables] for name, tower in model.towers.items()}
    for old, new in zip(before["flow"], after["flow"]):
        np.testing.assert_array_equal(old, new)
    assert any(np.any(old != new) for old, new in zip(before["rgb"], after["rgb"]))
