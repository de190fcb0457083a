"""However it is run, a term is the same: eagerly, in a graph, under XLA, in half precision, on replicas, restored."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.runtime.private_api import make_slots
from elo_tf.train.update import Update
from tests.batches import random_clips
from tests.conformance.models import TERMS, build, losses_of, whole_model


def compiled(model, training, **options):
    """Losses of a model as a graph makes them."""
    graph = tf.function(functools.partial(model.compute_losses, training=training), autograph=False, **options)
    return {name: value.numpy() for name, value in graph(random_clips()).items()}


@functools.cache
def graph_losses():
    return compiled(whole_model(), True)


@functools.cache
def xla_losses():
    return compiled(whole_model(), True, jit_compile=True)


@functools.cache
def half_precision():
    """Losses and norms of the gradient in the towers, under mixed_bfloat16."""
    model = build(precision="mixed_bfloat16")
    with tf.GradientTape(persistent=True) as tape:
        losses = model.compute_losses(random_clips(), training=True)
        total = tf.add_n(list(losses.values()))
    towers = {modality: tower.trainable_variables for modality, tower in model.towers.items()}
    norms = {name: tf.linalg.global_norm(tape.gradient(total, tower)).numpy() for name, tower in towers.items()}
    return {name: value.numpy() for name, value in losses.items()}, norms


@functools.cache
def replica_losses(replicas):
    """Losses of eight clips in the second step, on one device or spread over two."""
    devices = [f"CPU:{index}" for index in range(replicas)]
    strategy = tf.distribute.MirroredStrategy(devices) if replicas > 1 else tf.distribute.OneDeviceStrategy(*devices)
    clips = random_clips(batch=8)
    with strategy.scope():
        model = build()

    def part(context):
        rows = 8 // replicas
        first = context.replica_id_in_sync_group * rows
        return tf.nest.map_structure(lambda tensor: tensor[first : first + rows], clips)

    batch = strategy.experimental_distribute_values_from_function(part)
    losses = tf.function(lambda batch: strategy.run(model.compute_losses, [batch, True]), autograph=False)
    for _ in range(2):
        values = losses(batch)
    return {name: strategy.reduce("MEAN", value, axis=None).numpy() for name, value in values.items()}


@functools.cache
def restored_losses(folder):
    """Losses of another model after it has loaded the first one's state: weights, statistics, memories."""
    model = whole_model()
    model.compute_losses(random_clips(seed=1), training=True)
    path = tf.train.Checkpoint(model).write(str(folder / "state"))
    before = {name: value.numpy() for name, value in model.compute_losses(random_clips(), training=True).items()}
    other = build()
    for variable in other.variables:
        variable.assign(tf.ones_like(variable))
    tf.train.Checkpoint(other).read(path).assert_consumed()
    return before, {name: value.numpy() for name, value in other.compute_losses(random_clips(), training=True).items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.mark.parametrize("name", TERMS)
def test_graph_equals_eager(name):
    assert graph_losses()[name] == pytest.approx(losses_of(True)[name], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", TERMS)
def test_xla_equals_eager(name):
    assert xla_losses()[name] == pytest.approx(losses_of(True)[name], rel=1e-3)


@pytest.mark.parametrize("name", TERMS)
def test_half_precision_is_near(name):
    losses, norms = half_precision()
    assert np.isfinite(list(norms.values())).all() and min(norms.values()) > 0
    # Batch normalisation of four clips amplifies what eight bits of mantissa leave out.
    assert losses[name] == pytest.approx(losses_of(True)[name], rel=0.25, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", TERMS)
def test_two_replicas_equal_one(name):
    assert replica_losses(2)[name] == pytest.approx(replica_losses(1)[name], abs=1e-5)


@pytest.mark.parametrize("name", TERMS)
def test_survives_save_and_load(name, folder):
    before, after = restored_losses(folder)
    assert after[name] == before[name]


@pytest.mark.slow
def test_a_whole_step_of_all_terms_is_translated_to_xla():
    """What a TPU asks for: static shapes, and kernels of XLA for the gradients and the update too.

    It is not compiled to machine code, which takes ten minutes here; `test_trainer` does that with two terms.
    """
    model = build()
    model.compile(optimizer=tf.keras.optimizers.legacy.SGD(0.01, momentum=0.9))
    make_slots(model.optimizer, model.trainable_variables)
    update = Update(model)
    step = tf.function(lambda clips: update(clips), autograph=False, jit_compile=True)
    text = step.experimental_get_compiler_ir(random_clips())(stage="hlo")
    assert text.startswith("HloModule") and "[<=" not in text  # A dynamic dimension is written [<=4].
