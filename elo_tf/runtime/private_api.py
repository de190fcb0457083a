"""What the package uses of TensorFlow and Keras that is not public, each with the reason why nothing public will do."""

from typing import Sequence

import tensorflow as tf


def make_slots(optimizer: tf.keras.optimizers.Optimizer, variables: Sequence[tf.Variable]) -> None:
    """Makes the variables of a legacy optimizer, on all replicas under the scope of a strategy.

    `apply_gradients` makes them too, but can only be called inside of a replica, and a graph that makes variables is
    traced twice. The optimizers that have a public `build` are not the ones that tensorflow-addons derives AdamW from.
    """
    optimizer._create_all_weights(variables)


def track_biased_variance(norm: tf.keras.layers.BatchNormalization) -> None:
    """Makes fused batch normalisation track the biased variance, as the synchronised one does.

    Otherwise the statistics would depend on the number of replicas.
    """
    norm._bessels_correction_test_only = False


def function_graph(name: str) -> tf.Graph:
    """A graph in which layers can make their variables and a tape can record, and of which nothing is run.

    A plain `tf.Graph` makes variables of version 1; `tf.function` gives its graph away only when it is complete, when
    the forward pass can no longer be told from the backward pass.
    """
    return tf.__internal__.FuncGraph(name)
