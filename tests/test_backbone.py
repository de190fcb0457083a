"""The towers: sizes by formula, endpoints, any clip size, fine behaviour in training."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.networks.backbone import ENDPOINTS, VARIANTS, Backbone
from elo_tf.networks.layers import middle_width


def unit_weights(inputs, outputs, middle=None, spatial=3):
    middle = middle or middle_width(inputs, outputs)
    # Kernels, and scale and shift of the normalisation between them.
    return spatial**2 * inputs * middle + 2 * middle + 3 * middle * outputs


def expected_weights(variant):
    """Trainable weights by the formula of [41], block by block."""
    if variant == "tiny":
        total = unit_weights(3, 8, 8) + 2 * 8
        widths, depths, kind = (24, 32, 48, 64), (1, 1, 1, 1), "unit"
        inputs = 8
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
        "stem": (2, 8, 16, 24, 8),
        "stage1": (2, 8, 16, 24, 24),
        "stage2": (2, 4, 8, 12, 32),
        "stage3": (2, 2, 4, 6, 48),
        "stage4": (2, 1, 2, 3, 64),
        "embedding": (2, 64),
    }
    np.testing.assert_allclose(endpoints["embedding"], tf.reduce_mean(endpoints["stage4"], [1, 2, 3]), atol=1e-6)


@pytest.mark.parametrize("modality, size", [("flow", (3, 17, 23, 2)), ("audio", (5, 4, 16, 1)), ("grey", (1, 9, 9, 1))])
def test_any_size_gives_one_embedding(modality, size):
    embedding = Backbone("tiny", modality)(tf.zeros([2, *size]))["embedding"]
    assert embedding.shape == (2, 64) and embedding.dtype == tf.float32
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
    with pytest.raises(ValueError, match="'r19' is unknown; choose from tiny, r18, r50"):
        Backbone("r19")
