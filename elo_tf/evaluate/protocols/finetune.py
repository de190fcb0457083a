"""fine-tune: the whole network and a new layer, trained by labels (Sec. 4, protocol 3; Tables 1-3, Fig. 5).

    varied training clips ─> network, BatchNorm in training mode ─> layer ─> cross-entropy
    test clips [V',W',...] ─> network, layer ─> softmax ─> mean over the W' clips of a video ─> most likely class

From random weights the same is the paper's `scratch`.
"""

import functools
import math
from typing import Any, Dict

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError, ProtocolConfig, TrainConfig
from elo_tf.evaluate.protocols.base import Case, Prediction, Protocol, register
from elo_tf.model.optimizer import make_optimizer, penalty
from elo_tf.networks.tower import make_network
from elo_tf.runtime.private_api import make_slots
from elo_tf.runtime.progress import progress_bar

# Steps after which a loss that is not finite is noticed.
_CHECK_EVERY = 50
# Keeps the random numbers of the new layer apart from those of random weights, which the seed draws itself.
_LAYER = 0x6C61


@register
class FinetuneProtocol(Protocol):
    """The whole network learns the classes."""

    name = "finetune"
    title = "fine-tune"
    needs_network = True

    def predict(self, case: Case) -> Prediction:
        own = trainer(case.backbone, len(case.split.classes), self.config)
        details = own.train(case)
        found = case.material.apply(own.probabilities, case.split.test, self.config.test_clips)  # [V',W',K]
        return Prediction(found.mean(axis=1).argmax(axis=1)[np.newaxis], details)


class Trainer:
    """A network with a layer on top. Its graphs are traced once, whatever it is trained from and on.

    Args:
      backbone: Name of the network's variant.
      classes: K.
      config: Settings.

    Attributes:
      network: [B,T,H,W,3] -> endpoints.
      layer: [B,D] -> logits [B,K].
    """

    def __init__(self, backbone: str, classes: int, config: ProtocolConfig):
        self._config = config
        settings = _train_settings(config)
        self.network = make_network(backbone, penalty(settings))
        self.layer = tf.keras.layers.Dense(classes, dtype=tf.float32)
        self.layer.build([None, self.network.channels["embedding"]])
        self._steps = tf.Variable(1, trainable=False)
        self._optimizer = make_optimizer(settings, self._steps)
        self._variables = self.network.trainable_variables + self.layer.trainable_variables
        make_slots(self._optimizer, self._variables)
        self._step = tf.function(self._train_step, autograph=False, reduce_retracing=True)
        self.probabilities = tf.function(self._probabilities, autograph=False, reduce_retracing=True)

    def train(self, case: Case) -> Dict[str, Any]:
        """Trains the network of a case, from its weights, on its training videos.

        Returns:
          `steps`, and `last_loss`, the cross-entropy of the last step.

        Raises:
          InputError: the loss stops being finite.
          ValueError: the case has no network.
        """
        self._reset(case)
        steps = steps_for(self._config, len(case.split.train))
        self._steps.assign(steps)
        reading = case.material.reading(case.split.train)
        with reading, progress_bar(steps, "step", what="fine-tuning") as bar:
            batches = case.material.reader(case.split.train).training(case.seed)
            for number, clips in enumerate(batches.take(steps), 1):
                loss = self._step(clips["now"]["rgb"], clips["label"])
                bar.update()
                if (number % _CHECK_EVERY == 0 or number == steps) and not math.isfinite(loss):
                    raise InputError(
                        f"finetune: the loss is not finite at step {number}; lower --finetune_learning_rate"
                    )
        return {"steps": steps, "last_loss": float(loss)}

    def _reset(self, case: Case) -> None:
        """The weights of the case, a new layer, an optimiser that has seen nothing.

        A layer of zeros would pass no gradient to the network in the first step.
        """
        if case.weights is None:
            raise ValueError("the case has no network to be fine-tuned")
        self.network.set_weights(case.weights())
        kernel, bias = self.layer.kernel, self.layer.bias
        kernel.assign(tf.keras.initializers.GlorotUniform(seed=case.seed ^ _LAYER)(kernel.shape))
        bias.assign(tf.zeros_like(bias))
        for variable in self._optimizer.variables():
            variable.assign(tf.zeros_like(variable))

    def _train_step(self, video: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = self.layer(self.network(video, training=True)["embedding"])
            entropy = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            total = entropy + tf.add_n(self.network.losses or [0.0])
        self._optimizer.apply_gradients(zip(tape.gradient(total, self._variables), self._variables))
        return entropy

    def _probabilities(self, video: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(self.layer(self.network(video, training=False)["embedding"]))


@functools.lru_cache(maxsize=1)
def trainer(backbone: str, classes: int, config: ProtocolConfig) -> Trainer:
    """The trainer for these, made once: tracing a large network takes as long as many steps."""
    return Trainer(backbone, classes, config)


def steps_for(config: ProtocolConfig, videos: int) -> int:
    """Steps for so many training videos."""
    return config.finetune_steps or max(1, math.ceil(config.finetune_epochs * videos / config.batch_size))


def _train_settings(config: ProtocolConfig) -> TrainConfig:
    return TrainConfig(
        optimizer=config.finetune_optimizer,
        learning_rate=config.finetune_learning_rate,
        momentum=config.finetune_momentum,
        weight_decay=config.finetune_weight_decay,
        warmup_steps=config.finetune_warmup_steps,
    )
