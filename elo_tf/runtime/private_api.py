"""The private parts of TensorFlow and Keras that the package uses, each with the reason."""

from typing import Sequence

import tensorflow as tf
from tensorflow.python.distribute import multi_worker_util
from tensorflow.python.eager import context
from tensorflow.tsl.protobuf import coordination_config_pb2


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


def limit_registration(kinds: Sequence[str], seconds: float) -> None:
    """Bounds the time for which TensorFlow waits for the processes of a cluster to register, for ever by default.

    Configures the service as `MultiWorkerMirroredStrategy` does where nobody has.

    Args:
      kinds: Kinds of tasks of TF_CONFIG that train.
      seconds: The longest wait.
    """
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    spec = multi_worker_util.normalize_cluster_spec(resolver.cluster_spec())
    if resolver.task_type not in kinds:
        return
    jobs = [
        coordination_config_pb2.CoordinatedJob(name=kind, num_tasks=spec.num_tasks(kind))
        for kind in kinds
        if kind in spec.jobs
    ]
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=multi_worker_util.coordination_leader(spec),
        cluster_register_timeout_in_ms=int(seconds * 1000),
        coordinated_jobs=jobs,
    )
