"""The model: each tower once a step, NaN kept in its term, two replicas as one."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf import tasks
from elo_tf.config import TrainConfig
from elo_tf.model.elo_model import EloModel, with_grey
from elo_tf.model.optimizer import make_optimizer
from tests.batches import SIZES, random_clips

SOME = ("rgb/*", "flow/distill/stage3", "rgb-flow/*", "audio/reconstruct")


def make_model(patterns=SOME, modalities=("rgb", "grey", "flow", "audio"), **train):
    model = EloModel(tasks.select(modalities, patterns), SIZES, weight_decay=1e-4)
    model.compile(optimizer=make_optimizer(TrainConfig(steps=10, **train)))
    return model


def test_only_what_terms_need_is_built_and_asked_for():
    model = make_model(["flow/distill/stage3", "rgb/shuffle"])
    assert list(model.towers) == ["rgb", "flow"]
    assert model.views == {"rgb": ["plain", "shuffled"], "flow": ["plain"]}
    assert model.needs == {("now", "rgb"), ("now", "flow")}
    assert ("other", "audio") in make_model(["rgb-audio/align"]).needs


def test_each_tower_runs_once_on_all_of_its_views():
    model = make_model()
    calls = []
    for name, tower in model.towers.items():
        call = tower.call
        tower.call = lambda video, training=False, call=call, name=name: (
            calls.append((name, video.shape[0])),
            call(video, training),
        )[1]
    model.compute_losses(random_clips(batch=4))
    # Plain views hold four clips; shuffled, reversed and other moments two.
    assert sorted(calls) == [("audio", 4), ("flow", 6), ("rgb", 8)]


def test_features_are_those_of_each_view_alone():
    model = make_model()
    clips = with_grey(random_clips())
    features = model.encode(clips, training=False)
    alone = model.towers["flow"](clips["other"]["flow"][::2])["stage4"]
    np.testing.assert_allclose(features["flow", "other"]["stage4"], alone, atol=1e-5)


def test_grey_is_the_luma_of_rgb():
    clips = with_grey(random_clips())
    expected = clips["now"]["rgb"].numpy() @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(clips["now"]["grey"][..., 0], expected, atol=1e-6)


def test_steps_lower_the_loss():
    model = make_model(["rgb/*", "flow/distill/stage3"], optimizer="adam", learning_rate=3e-3)
    clips = random_clips(batch=8)
    step = tf.function(model.train_step, autograph=False)
    totals = [float(model.objective.total(step(clips))) for _ in range(15)]
    assert totals[-1] < 0.9 * totals[0]


def test_nan_of_a_term_of_weight_zero_touches_nothing():
    model = make_model(["rgb/reconstruct", "rgb/shuffle"])
    clips = random_clips()
    model.compute_losses(clips)
    head = model.tasks[1].head
    head.kernel.assign(tf.fill(head.kernel.shape, np.nan))
    model.objective.assign([1.0, 0.0])
    losses = model.train_step(clips)
    assert np.isnan(losses["rgb/shuffle"]) and np.isfinite(losses["rgb/reconstruct"])
    for variable in model.towers["rgb"].variables:
        assert np.isfinite(variable).all(), variable.name


# Terms of each kind, and some that teach each tower; `tests/conformance` compares every term.
OF_EACH_KIND = (
    "rgb/*", "rgb-flow/transfer", "grey/colorize", "flow/backward", "audio/backward", "*/embed", "*/align", "*/stage3",
)  # fmt: skip


@pytest.mark.slow
def test_two_replicas_equal_one():
    clips = random_clips(batch=8, seed=3)
    # Two of eight videos are silent, both on one replica: their number differs between the halves.
    clips["present"] = {**clips["present"], "audio": tf.constant([0.0, 0, 1, 1, 1, 1, 1, 1])}

    def two_steps(strategy):
        tf.keras.utils.set_random_seed(1)
        with strategy.scope():
            # Adam would divide gradients near zero, which differ by their rounding, by their own size.
            model = make_model(OF_EACH_KIND, optimizer="sgd", learning_rate=0.003)
            model.objective.assign(np.linspace(0.1, 1.0, len(model.tasks)))
        replicas = strategy.num_replicas_in_sync

        def part(context):
            rows = 8 // replicas
            first = context.replica_id_in_sync_group * rows
            return tf.nest.map_structure(lambda tensor: tensor[first : first + rows], clips)

        batch = strategy.experimental_distribute_values_from_function(part)
        step = tf.function(lambda batch: strategy.run(model.train_step, [batch]), autograph=False)
        losses = [
            {name: strategy.reduce("MEAN", value, axis=None).numpy() for name, value in step(batch).items()}
            for _ in range(2)
        ]
        return losses, [(variable.name, variable.numpy()) for variable in model.variables]

    one = two_steps(tf.distribute.OneDeviceStrategy("CPU:0"))
    two = two_steps(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    for before, after in zip(one[0], two[0]):
        for name, value in before.items():
            assert after[name] == pytest.approx(value, abs=1e-5), name
    for (name, before), after in zip(one[1], two[1]):
        np.testing.assert_allclose(before, after[1], atol=1e-5, err_msg=name)
