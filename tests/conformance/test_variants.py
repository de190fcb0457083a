"""The forms of a term that flags choose keep promises of the default: finite, of the right scale, who is taught, the
same under XLA and, nearly, in half precision.
"""

import functools

import pytest
import tensorflow as tf

from elo_tf.config import TaskConfig
from elo_tf.model.gradients import GradientNorms
from tests.batches import random_clips
from tests.conformance.models import build

DISTILL = ("flow/distill/stage3", "audio/distill/stage4")
EMBED = ("rgb-flow/embed", "rgb-audio/embed")
# Settings, terms that they change, and the range of their values at the start: raw norms are large by design. A term
# that sees pictures and one that hears sound stand for all of a kind, whose code is the same.
VARIANTS = {
    "norm=l2": (TaskConfig(norm="l2"), ("rgb/reconstruct", "flow/distill/stage3"), (1, 1000)),
    "norm=squared": (TaskConfig(norm="squared"), ("rgb/reconstruct", "flow/distill/stage3"), (0.01, 10)),
    "shuffle_frames=3": (TaskConfig(shuffle_frames=3), ("rgb/shuffle", "audio/shuffle"), (0.6, 0.8)),
    "align_head=literal": (TaskConfig(align_head="literal"), ("rgb-flow/align", "rgb-audio/align"), (0.6, 0.8)),
    # On representations as they are, whose length grows with their width.
    "embed_head=literal": (TaskConfig(embed_head="literal", embed_margin=1.0), EMBED, (0.1, 20)),
    "embed_negatives=active": (TaskConfig(embed_negatives="active"), EMBED, (0.1, 10)),
    "embed_negatives=hardest": (TaskConfig(embed_negatives="hardest"), EMBED, (0.1, 10)),
    # Colours of noise, pooled to the map, are nearly grey.
    "colorize_head=pointer": (TaskConfig(colorize_head="pointer"), ("grey/colorize", "rgb/shuffle"), (0.01, 10)),
    "decode_size=full": (TaskConfig(decode_size="full"), ("rgb/reconstruct", "rgb-audio/transfer"), (0.1, 10)),
    "distill_both_ways": (TaskConfig(distill_both_ways=True), DISTILL, (0.1, 10)),
}


def losses_of(variant, precision="float32", **options):
    """Losses by name; as a graph, where it has options."""
    model = build(*VARIANTS[variant][:2], precision=precision)
    losses = functools.partial(model.compute_losses, training=True)
    if options:
        losses = tf.function(losses, autograph=False, **options)
    return {name: value.numpy() for name, value in losses(random_clips()).items()}


@functools.cache
def measured(variant):
    """(tasks, losses by name, gradient norms by name and tower)."""
    model = build(*VARIANTS[variant][:2])
    return model.tasks, losses_of(variant), GradientNorms(model).measure(random_clips())


@pytest.mark.parametrize("variant", VARIANTS)
def test_values_are_finite_and_of_the_right_scale(variant):
    low, high = VARIANTS[variant][2]
    for name, value in measured(variant)[1].items():
        assert low < value < high, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_towers_that_it_says_are_taught(variant):
    terms, _, norms = measured(variant)
    for task in terms:
        taught = {modality for modality, norm in norms[task.name].items() if norm > 0}
        assert taught == set(task.teaches), task.name


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_xla_equals_eager(variant):
    assert losses_of(variant, jit_compile=True) == pytest.approx(measured(variant)[1], rel=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_half_precision_is_near(variant):
    # As in `test_ways_to_run`; the square of a distance is off by twice as much.
    assert losses_of(variant, precision="mixed_bfloat16") == pytest.approx(measured(variant)[1], rel=0.5, abs=0.1)
