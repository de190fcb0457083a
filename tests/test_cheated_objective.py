"""An objective that can be cheated is: λ learned by it go to the term that cheats, and judging by another shows it.

Features are a linear map of what clips show and of a nuisance, a number whose frequencies follow Zipf's law. The honest
term draws features to what the other modality shows. The planted one draws them to the nuisance alone, whose clusters
have the sizes that Eq. 5 asks for, and which foretells nothing.
"""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import WeightingConfig
from elo_tf.model.outer import OBJECTIVES
from elo_tf.model.weighting import base
from elo_tf.model.weighting.term_gradients import TermGradients

CLIPS, SHOWN, KINDS, WIDTH = 160, 4, 12, 6


class Clips:
    """Clips of one half: what they show, the nuisance as [N, KINDS] of 0 and 1, and the other modality."""

    def __init__(self, seed):
        random = np.random.default_rng(seed)
        shared = np.random.default_rng(99)
        frequencies = 1 / np.arange(1, KINDS + 1)
        kinds = random.choice(KINDS, CLIPS, p=frequencies / frequencies.sum())
        shown = random.normal(size=[CLIPS, SHOWN])
        self.inputs = tf.constant(np.concatenate([shown, 3 * np.eye(KINDS)[kinds]], axis=1), tf.float32)
        self.flow = tf.constant(shown @ shared.normal(size=[SHOWN, WIDTH]), tf.float32)
        self.codes = tf.constant(5 * shared.normal(size=[KINDS, WIDTH])[kinds], tf.float32)
        self.videos = tf.range(CLIPS, dtype=tf.int64)


def learn(objective):
    """λ of the honest and of the planted term, learned by the objective, the training clips apart from its own."""
    training, held_out = Clips(1), Clips(2)
    outer = OBJECTIVES[objective]()
    w = tf.Variable(np.random.default_rng(3).normal(size=[SHOWN + KINDS, WIDTH]).astype(np.float32))
    start = base.Start(("rgb-flow/honest", "rgb/planted"), [0.5, 0.5], 0, WeightingConfig(lambda_rate=0.1))
    weighting = base.create("lookahead", start)

    def value():
        features = tf.matmul(held_out.inputs, w)
        return outer.value(features, held_out.videos, {"flow": held_out.flow}, {"flow": tf.ones([CLIPS])})

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape(persistent=True) as tape:
            features = tf.matmul(training.inputs, w)
            losses = tf.stack([tf.reduce_mean((features - each) ** 2) for each in (training.flow, training.codes)])
        gradients = TermGradients(tape, losses, [w], None, value)
        w.assign_sub(0.1 * gradients.total(weighting.ask(losses, gradients))[0])

    for _ in range(80):
        step()
    return weighting.logits.lambdas().numpy(), float(foretold(w, held_out))


def foretold(w, clips):
    """What the map is judged by from outside: how much of the other modality it does not explain."""
    outer = OBJECTIVES["predictability"]()
    targets, present = {"flow": clips.flow}, {"flow": tf.ones([CLIPS])}
    return outer.value(tf.matmul(clips.inputs, w), clips.videos, targets, present)


@pytest.fixture(scope="module")
def learned():
    return {name: learn(name) for name in ("predictability", "zipf")}


def test_predictability_leaves_the_planted_term(learned):
    lambdas, unexplained = learned["predictability"]
    assert lambdas[0] > 3 * lambdas[1] and unexplained < 0.5


def test_zipf_falls_for_the_planted_term_and_predictability_shows_it(learned):
    lambdas, unexplained = learned["zipf"]
    assert lambdas[1] > 3 * lambdas[0]
    assert unexplained > learned["predictability"][1] + 0.3
