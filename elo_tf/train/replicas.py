"""The devices of a training: one, all of this machine, several machines, or a TPU (`tf.distribute`)."""

import contextlib
import functools
import os
import socket
from typing import Iterator, Sequence

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.data.sources import Share
from elo_tf.runtime import interruption, private_api
from elo_tf.train.cluster import CHIEFS, Cluster

ANSWER_SECONDS = 10  # A TPU that is there answers at once.
# All processes are there when TensorFlow is asked to join them: it needs seconds.
JOIN_SECONDS = 120


def make_strategy(distribute: str, tpu: str = "", minutes: float = 10.0) -> tf.distribute.Strategy:
    """The strategy of a name; to be made before anything else touches the devices.

    Args:
      distribute: `one`, `mirrored` (all GPUs, or all logical CPUs), `multi_worker` (as TF_CONFIG says) or `tpu`.
      tpu: Name or address of the TPU; empty is the one of this machine.
      minutes: How long the other processes of `multi_worker` are waited for; 0 is for ever.

    Raises:
      InputError: TF_CONFIG is missing or malformed or names what cannot be, processes are missing, or there is no TPU
        at the address.
    """
    return tf.distribute.get_strategy() if distribute == "one" else _made(distribute, tpu, minutes)


# One a process: its replicas find each other by numbers that every strategy would count from the same start.
@functools.cache
def _made(distribute: str, tpu: str, minutes: float) -> tf.distribute.Strategy:
    if distribute == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices(kind)])
    if distribute == "multi_worker":
        cluster = Cluster.read()
        cluster.gather(minutes)
        return _join(cluster)
    try:
        _knock(tpu)
        with interruption.at_once():
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(tpu or "local")
    except TypeError:  # How builds of TensorFlow for CPUs and GPUs answer for the TPU of this machine.
        raise InputError(f"--tpu={tpu}: this build of TensorFlow has none; install one for TPU machines") from None
    except (ValueError, RuntimeError, tf.errors.OpError, OSError) as error:
        raise InputError(
            f"--tpu={tpu}: no TPU can be reached ({_reason(error)}); give its name or grpc:// address"
        ) from None
    return tf.distribute.TPUStrategy(resolver)


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _knock(tpu: str) -> None:
    """Raises `OSError` where nothing answers at a grpc:// address: TensorFlow itself would try for ever."""
    if tpu.startswith("grpc://"):
        host, _, port = tpu[len("grpc://") :].rpartition(":")
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()


def _join(cluster: Cluster) -> tf.distribute.Strategy:
    """The strategy of processes that are all there.

    Raises:
      InputError: it cannot be had, or one of them ended meanwhile.
    """
    private_api.limit_registration(CHIEFS, JOIN_SECONDS)
    try:
        # TensorFlow lets no other Python thread run before it has seen the others.
        with interruption.at_once():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(
            f"--distribute=multi_worker: TF_CONFIG={os.environ['TF_CONFIG']!r} is no cluster that this process "
            f"could join ({_reason(error)}); is the port free, and are {', '.join(cluster.others)} still there?"
        ) from None


def share_of(context: tf.distribute.InputContext) -> Share:
    """What a process reads, whose replicas take one batch each."""
    cuts = context.num_replicas_in_sync // context.num_input_pipelines
    return Share(context.input_pipeline_id, context.num_input_pipelines, cuts)


def processes(strategy: tf.distribute.Strategy) -> int:
    """Number of processes that train together."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver is None:
        return 1
    return sum(len(addresses) for kind, addresses in resolver.cluster_spec().as_dict().items() if kind in CHIEFS)


def number(strategy: tf.distribute.Strategy) -> int:
    """Number of this process among those that train together; 0 is the chief, which writes what others read."""
    if processes(strategy) == 1:
        return 0
    resolver = strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return 0 if resolver.task_type == "chief" else resolver.task_id + has_chief


def agree(strategy: tf.distribute.Strategy, wish: bool) -> bool:
    """Whether any of the processes wishes it. All have to ask at the same step."""
    return _sum(strategy, [float(wish)])[0] > 0


@contextlib.contextmanager
def refused_together(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """What one of the processes refuses (`InputError`, `OSError`), all refuse: none waits for one that has ended.

    What is done in it must not need the others.
    """
    refusal = None
    try:
        yield
    except (InputError, OSError) as error:
        refusal = error
    if agree(strategy, refusal is not None):
        raise refusal or InputError("another of the processes was refused; its message says why")


@contextlib.contextmanager
def in_company(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Makes one line of what TensorFlow says when another process has ended.

    Raises:
      OSError: it has, whatever the reason.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        if processes(strategy) == 1:
            raise
        raise OSError(
            f"another of the {processes(strategy)} processes has ended; its last message says why ({_reason(error)}); "
            "rerun the commands of all processes, and they resume from the last checkpoint"
        ) from None


def are_alike(strategy: tf.distribute.Strategy, number: int) -> bool:
    """Whether all processes name the same whole number. All have to ask."""
    count, total, squares = _sum(strategy, [1.0, float(number), float(number) ** 2])
    return count * squares == total**2


def _sum(strategy: tf.distribute.Strategy, values: Sequence[float]) -> np.ndarray:
    """Sums over the replicas of all processes, float64."""
    if processes(strategy) == 1:
        return np.array(values)
    shared = strategy.experimental_distribute_values_from_function(lambda _: tf.constant(values, tf.float64))
    return strategy.reduce(tf.distribute.ReduceOp.SUM, shared, axis=None).numpy()
