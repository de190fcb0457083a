"""fine-tune: the whole network and a new layer, trained by labels (Sec. 4, protocol 3; Tables 1-3, Fig. 5).

    varied training clips ─> network, BatchNorm in training mode ─> layer ─> cross-entropy
    test clips [V',W',...] ─> network, layer ─> softmax ─> mean over the W' clips of a video ─> most likely class

From random weights the same is the paper's `scratch`.
"""

import math
from typing import Callable, NamedTuple

import numpy as np
import tensorflow as tf

from elo_tf.backbone import Backbone
from elo_tf.config import InputError, ProtocolConfig, TrainConfig
from elo_tf.evaluation.base import Case, Prediction, Protocol, register
from elo_tf.optimizer import make_optimizer, make_slots, penalty
from elo_tf.progress import progress_bar

# Steps after which a loss that is not finite is noticed.
_CHECK_EVERY = 50
# Keeps the random numbers of the new layer apart from those of random weights, which the seed draws itself.
_LAYER = 0x6C61


class Trained(NamedTuple):
    """A network that labels have trained.

    Attributes:
      network: [B,T,H,W,3] -> endpoints.
      layer: [B,D] -> logits [B,K].
      steps: That it took.
      loss: Cross-entropy of the last step.
    """

    network: Backbone
    layer: tf.keras.layers.Dense
    steps: int
    loss: float


@register
class FinetuneProtocol(Protocol):
    """The whole network learns the classes."""

    name = "finetune"
    title = "fine-tune"
    needs_network = True

    def predict(self, case: Case) -> Prediction:
        trained = train(case, self.config)

        @tf.function(reduce_retracing=True)
        def likely(video):
            return tf.nn.softmax(trained.layer(trained.network(video, training=False)["embedding"]))

        found = case.material.apply(likely, case.split.test, self.config.test_clips)  # [V',W',K]
        details = {"steps": trained.steps, "last_loss": trained.loss}
        return Prediction(found.mean(axis=1).argmax(axis=1)[np.newaxis], details)


def train(case: Case, config: ProtocolConfig) -> Trained:
    """Trains the network of a case on its training videos.

    Raises:
      InputError: the loss stops being finite.
    """
    settings = train_settings(config, len(case.split.train))
    network = case.network(penalty(settings))
    layer = _new_layer(len(case.split.classes), network.channels["embedding"], case.seed)
    variables = network.trainable_variables + layer.trainable_variables
    optimizer = make_optimizer(settings)
    make_slots(optimizer, variables)

    @tf.function(autograph=False)
    def step(video, labels):
        with tf.GradientTape() as tape:
            logits = layer(network(video, training=True)["embedding"])
            entropy = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            total = entropy + tf.add_n(network.losses or [0.0])
        optimizer.apply_gradients(zip(tape.gradient(total, variables), variables))
        return entropy

    loss = _run(step, case, settings.steps)
    return Trained(network, layer, settings.steps, loss)


def train_settings(config: ProtocolConfig, videos: int) -> TrainConfig:
    """Settings of the training for so many videos."""
    steps = config.finetune_steps or max(1, math.ceil(config.finetune_epochs * videos / config.batch_size))
    return TrainConfig(
        steps=steps,
        optimizer=config.finetune_optimizer,
        learning_rate=config.finetune_learning_rate,
        momentum=config.finetune_momentum,
        weight_decay=config.finetune_weight_decay,
        warmup_steps=config.finetune_warmup_steps,
    )


def _new_layer(classes: int, width: int, seed: int) -> tf.keras.layers.Dense:
    """A layer of zeros would do for one layer alone; here it would stop the first gradient of the network."""
    initializer = tf.keras.initializers.GlorotUniform(seed=seed ^ _LAYER)
    layer = tf.keras.layers.Dense(classes, kernel_initializer=initializer, dtype=tf.float32)
    layer.build([None, width])
    return layer


def _run(step: Callable, case: Case, steps: int) -> float:
    """Makes the steps; returns the last loss.

    Raises:
      InputError: it is not finite.
    """
    batches = case.material.reader(case.split.train).training(case.seed)
    with progress_bar(steps, "step", what="fine-tuning") as bar:
        for number, clips in enumerate(batches.take(steps), 1):
            loss = step(clips["now"]["rgb"], clips["label"])
            bar.update()
            if (number % _CHECK_EVERY == 0 or number == steps) and not math.isfinite(loss):
                raise InputError(f"finetune: the loss is not finite at step {number}; lower --finetune_learning_rate")
    return float(loss)
