"""The towers: sizes by formula, endpoints, any clip size, fine behaviour in training."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.networks.backbone import ENDPOINTS, VARIANTS, Backbone
from elo_tf.networks.layers import every_frame, middle_width


def unit_weights(inputs, outputs, middle=None, spatial=3):
    middle = middle or middle_width(inputs, outputs)
    # Kernels, and scale and shift of the normalisation between them.
    return spatial**2 * inputs * middle + 2 * middle + 3 * middle * outputs


def expected_weights(variant):
    """Trainable weights by the formula of [41], block by block."""
    if variant.startswith("tiny"):
        inputs, widths = (8, (24, 32, 48, 64)) if variant == "tiny_0" else (16, (16, 32, 64, 128))
        total = unit_weights(3, inputs, inputs) + 2 * inputs
        depths, kind = (1, 1, 1, 1), "unit"
    else:
        total = unit_weights(3, 64, 45, 7) + 2 * 64
        widths, inputs = (64, 128, 256, 512), 64
        depths, kind = ((2, 2, 2, 2), "basic") if variant == "r18" else ((3, 4, 6, 3), "bottleneck")
    for stage, (width, depth) in enumerate(zip(widths, depths)):
        for block in range(depth):
            outputs = 4 * width if kind == "bottleneck" else width
            if kind == "unit":
                total += unit_weights(inputs, width, width) + 2 * width
            elif kind == "basic":
                total += unit_weights(inputs, width) + unit_weights(width, width) + 4 * width
            else:
                total += inputs * width + unit_weights(width, width) + width * outputs + 4 * width + 2 * outputs
            if inputs != outputs or (stage and not block):
                total += inputs * outputs + 2 * outputs
            inputs = outputs
    return total


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_weights_follow_the_formula(variant):
    tower = Backbone(variant)
    tower(tf.zeros([1, 2, 16, 16, 3]))
    assert sum(int(tf.size(weight)) for weight in tower.trainable_variables) == expected_weights(variant)


def test_r18_is_as_large_as_published():
    # Tran et al. [41], Table 1, give 33.3 million for R(2+1)D-18 with its classifier of 400 classes (0.2 million).
    assert expected_weights("r18") / 1e6 == pytest.approx(33.3 - 0.2, abs=0.1)


def test_endpoints_have_the_sizes_of_the_docstring():
    endpoints = Backbone("tiny")(tf.zeros([2, 8, 32, 48, 3]))
    assert tuple(endpoints) == ENDPOINTS
    shapes = {name: tuple(tensor.shape) for name, tensor in endpoints.items()}
    assert shapes == {
        "stem": (2, 4, 16, 24, 16),
        "stage1": (2, 4, 16, 24, 16),
        "stage2": (2, 2, 8, 12, 32),
        "stage3": (2, 1, 4, 6, 64),
        "stage4": (2, 1, 2, 3, 128),
        "embedding": (2, 128),
    }
    np.testing.assert_allclose(endpoints["embedding"], tf.reduce_mean(endpoints["stage4"], [1, 2, 3]), atol=1e-6)


@pytest.mark.parametrize("modality, size", [("flow", (3, 17, 23, 2)), ("audio", (5, 4, 16, 1)), ("grey", (1, 9, 9, 1))])
def test_any_size_gives_one_embedding(modality, size):
    embedding = Backbone("tiny", modality)(tf.zeros([2, *size]))["embedding"]
    assert embedding.shape == (2, 128) and embedding.dtype == tf.float32
    assert np.isfinite(embedding).all()


def test_unknown_sizes_trace_once():
    tower = Backbone("tiny")
    tower(tf.zeros([1, 2, 8, 8, 3]))  # Makes the weights.
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None, 3])])
    def embed(video):
        traces.append(1)
        return tower(video)["embedding"]

    for size in ((1, 8, 32, 32), (2, 5, 20, 30)):
        video = tf.random.stateless_uniform([*size, 3], [1, 2])
        np.testing.assert_allclose(embed(video), tower(video)["embedding"], atol=1e-5)
    assert len(traces) == 1


def test_unknown_variant_lists_the_known():
    with pytest.raises(ValueError, match="'r19' is unknown; choose from tiny, tiny_0, r18, r50"):
        Backbone("r19")


def test_half_of_the_channels_begin_blind_to_what_stands_still():
    tower = Backbone("tiny")
    tower(tf.zeros([1, 8, 16, 16, 3]))
    kernel = tower.stages[0][0].unit.time.conv.kernel.numpy()  # [3, 1, C, filters]
    still = np.abs(kernel.sum(axis=0)).max(axis=(0, 1))
    assert (still[8:] < 1e-6).all() and (still[:8] > 0.1).all()
    # The variance is He's in both halves: 2 / (3 C).
    assert kernel[..., 8:].std() == pytest.approx(kernel[..., :8].std(), rel=0.15)
    plain = Backbone("r18")
    plain(tf.zeros([1, 2, 16, 16, 3]))
    assert np.abs(plain.stages[0][0].first.time.conv.kernel.numpy().sum(axis=0)).min() > 0


@pytest.mark.parametrize("frames, stride", [(8, 2), (7, 2), (9, 3), (5, 1)])
def test_every_frame_is_the_slice(frames, stride):
    video = tf.random.stateless_uniform([2, frames, 4, 3, 2], [0, 1])
    with tf.GradientTape() as tape:
        tape.watch(video)
        chosen = every_frame(video, stride)
        total = tf.reduce_sum(tf.square(chosen))
    np.testing.assert_array_equal(chosen, video[:, ::stride])
    expected = np.zeros(video.shape, np.float32)
    expected[:, ::stride] = 2 * video.numpy()[:, ::stride]
    np.testing.assert_allclose(tape.gradient(total, video), expected)
