"""The traced step: parameters, operations and memory that can be counted by hand; faults that it must see."""

import pytest
import tensorflow as tf

from elo_tf import tasks
from elo_tf.config import TrainConfig
from elo_tf.costs.budget import slots_a_weight
from elo_tf.costs.traced_step import HEADS, kept_bytes, trace
from elo_tf.model.elo_model import EloModel
from elo_tf.model.optimizer import make_optimizer
from elo_tf.model.term_table import count_operations
from elo_tf.networks.backbone import VARIANTS
from elo_tf.runtime.private_api import make_slots
from tests.batches import SIZES, random_clips
from tests.test_backbone import expected_weights

BATCH = 4


def model_of(*patterns, modalities=("rgb", "flow")):
    return EloModel(tasks.select(modalities, patterns), SIZES)


@pytest.fixture(scope="module")
def shuffle():
    return trace(model_of("rgb/shuffle", modalities=("rgb",)), BATCH)


def graph_of(forward, *shapes):
    """(graph, number of operations forward, inputs) of a scalar function and of its gradients by the variables."""
    graph = tf.__internal__.FuncGraph("by_hand")
    with graph.as_default():
        inputs = [tf.compat.v1.placeholder(tf.float32, shape) for shape in shapes]
        with tf.GradientTape() as tape:
            value = forward(*inputs)
        before = len(graph.get_operations())
        tape.gradient(value, tape.watched_variables())
    return graph, before, inputs


def test_parameters_by_the_formula(shuffle):
    # The head is one layer on the embedding, with a bias.
    assert shuffle.parameters == {"rgb": expected_weights("tiny"), HEADS: VARIANTS["tiny"].widths[-1] + 1}
    assert shuffle.gradient_bytes == 4 * sum(shuffle.parameters.values())


def test_operations_of_one_convolution_by_hand():
    kernel = tf.Variable(tf.ones([3, 3, 5, 7]))
    graph = tf.__internal__.FuncGraph("convolution")
    with graph.as_default(), tf.name_scope("rgb/shuffle"):
        tf.nn.conv2d(tf.compat.v1.placeholder(tf.float32, [2, 8, 8, 5]), kernel, 2, "SAME")
    # Each of the 4 x 4 places of 7 channels of 2 images takes 3 x 3 x 5 products and as many sums.
    counts = count_operations(graph, model_of("rgb/shuffle", modalities=("rgb",)))
    assert counts["rgb/shuffle"] == 2 * (2 * 4 * 4 * 7) * (3 * 3 * 5)


def test_operations_do_not_depend_on_the_batch(shuffle):
    twice = trace(model_of("rgb/shuffle", modalities=("rgb",)), 2 * BATCH)
    assert twice.forward["rgb"] == pytest.approx(shuffle.forward["rgb"], rel=1e-3)
    assert twice.parameters == shuffle.parameters
    assert twice.kept_bytes == pytest.approx(2 * shuffle.kept_bytes, rel=0.01)
    assert twice.clip_bytes == pytest.approx(2 * shuffle.clip_bytes)


def test_runs_are_the_clip_and_half_for_each_other_view(shuffle):
    assert shuffle.runs == {"rgb": 1.5}


def test_activations_of_one_convolution_by_hand():
    kernel = tf.Variable(tf.ones([3, 3, 5, 7]))

    def forward(images):
        # ReLU keeps its result; the reshaped copy of it, which the square keeps, is the same memory. The convolution
        # keeps the images, which are counted as clips, and the kernel, which is a weight.
        maps = tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME"))
        return tf.reduce_sum(tf.square(tf.reshape(maps, [2, -1])))

    assert kept_bytes(*graph_of(forward, [2, 8, 8, 5])) == (4 * 2 * 8 * 8 * 7, 0)


def test_what_two_convolutions_and_a_normalisation_keep():
    first, second = tf.Variable(tf.ones([1, 1, 5, 7])), tf.Variable(tf.ones([1, 1, 7, 3]))
    scale, shift = tf.Variable(tf.ones([7])), tf.Variable(tf.zeros([7]))

    def forward(images):
        maps = tf.nn.conv2d(images, first, 1, "SAME")
        maps, _, _ = tf.compat.v1.nn.fused_batch_norm(maps, scale, shift)
        return tf.reduce_sum(tf.nn.conv2d(tf.nn.relu(maps), second, 1, "SAME"))

    # The result of the first convolution for the normalisation, that of ReLU for both of its sides. A few numbers a
    # channel are the mean and the deviation.
    kept, fixed = kept_bytes(*graph_of(forward, [2, 8, 8, 5]))
    maps = 4 * 2 * 8 * 8 * 7
    assert 2 * maps < kept <= 2 * maps + 3 * 4 * 7
    assert fixed == 0


def test_weights_in_another_type_are_memory_that_does_not_grow_with_the_batch():
    kernel = tf.Variable(tf.ones([3, 3, 5, 7]))

    def forward(images):
        maps = tf.nn.conv2d(tf.cast(images, tf.bfloat16), tf.cast(kernel, tf.bfloat16), 1, "SAME")
        return tf.reduce_sum(tf.square(tf.cast(tf.nn.relu(maps), tf.float32)))

    graph, before, inputs = graph_of(forward, [2, 8, 8, 5])
    # Kept: the images in bfloat16, ReLU's result in bfloat16 and, for the square, in float32.
    assert kept_bytes(graph, before, inputs)[0] == 2 * 8 * 8 * (2 * 5 + 2 * 7 + 4 * 7)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_whole_model_has_no_faults_and_weights_of_half_size_in_bfloat16(precision):
    tf.keras.mixed_precision.set_global_policy(precision)
    try:
        step = trace(model_of("rgb/reconstruct", "rgb-flow/*", "flow/distill/stage2"), BATCH)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert step.faults == ()
    # Kernels that are used in bfloat16 exist a second time, at half of the size.
    share = step.cast_bytes / step.gradient_bytes
    assert 0.4 < share < 0.5 if precision == "mixed_bfloat16" else share < 0.01


def test_a_teacher_that_nothing_teaches_is_no_fault():
    # Flow is only a teacher, up to stage 2; RGB learns up to there.
    assert trace(model_of("flow/distill/stage2"), BATCH).faults == ()


def test_a_gradient_that_a_broken_term_loses_is_reported(monkeypatch):
    model = model_of("rgb/shuffle", "rgb/backward", modalities=("rgb",))
    broken = model.tasks[0]
    loss = broken.loss
    monkeypatch.setattr(broken, "loss", lambda *arguments: tf.stop_gradient(loss(*arguments)))
    faults = trace(model, BATCH).faults
    # The tower still learns from the other term, but the head of this one does not: kernel and bias.
    assert len(faults) == 2 and all(fault.startswith(f"{broken.name}: ") for fault in faults)
    assert "gets no gradient" in faults[0]


def test_a_tower_that_loses_its_only_term_is_reported(monkeypatch):
    model = model_of("rgb/shuffle", modalities=("rgb",))
    monkeypatch.setattr(model.tasks[0], "loss", lambda features, clips, training: tf.constant(1.0))
    faults = trace(model, BATCH).faults
    assert len(faults) == len(model.towers["rgb"].trainable_variables)
    assert all(fault.startswith("rgb tower: ") for fault in faults)


def test_bytes_are_those_of_a_model_that_runs():
    step = trace(model_of("rgb/shuffle", "rgb/deep_cluster", modalities=("rgb",)), BATCH)
    model = model_of("rgb/shuffle", "rgb/deep_cluster", modalities=("rgb",))
    model.compute_losses(random_clips(BATCH))
    assert step.weight_bytes == sum(variable.numpy().nbytes for variable in model.variables)
    for name in ("sgd", "adam"):
        train = TrainConfig(optimizer=name)
        optimizer = make_optimizer(train)
        make_slots(optimizer, model.trainable_variables)
        # Besides its slots it has a counter of steps.
        slots = sum(variable.numpy().nbytes for variable in optimizer.variables() if variable.shape.rank)
        assert slots == slots_a_weight(train) * step.gradient_bytes
