"""Warm-up requests: TF Serving runs them before it announces a version, so that no client waits for them.

VERSION/assets.extra/tf_serving_warmup_requests    TFRecord of PredictionLog, one a signature and batch size
"""

import pathlib
from typing import Sequence, Type

import numpy as np
import tensorflow as tf
from google.protobuf.message import Message

from elo_tf.config import InputError
from export.module import ENCODED_FRAMES, SERVING_DEFAULT

FILE = "tf_serving_warmup_requests"
# TF Serving refuses a file with more.
MOST = 1000


def write(path: pathlib.Path, model: str, batch_sizes: Sequence[int], frames: int, size: int) -> None:
    """Writes requests of grey clips for each signature.

    Args:
      path: The file.
      model: Name under which the model is served.
      batch_sizes: B of the requests.
      frames, size: T and H = W of them.

    Raises:
      InputError: the package tensorflow-serving-api is missing.
    """
    prediction_log = message()
    grey = tf.io.encode_jpeg(np.full([size, size, 3], 128, np.uint8)).numpy()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in batch_sizes:
            video = tf.make_tensor_proto(0.5, tf.float32, [batch, frames, size, size, 3])  # Stored as one number.
            strings = tf.make_tensor_proto([[grey] * frames] * batch)
            for signature, name, tensor in ((SERVING_DEFAULT, "video", video), (ENCODED_FRAMES, "frames", strings)):
                log = prediction_log()
                request = log.predict_log.request
                request.model_spec.name, request.model_spec.signature_name = model, signature
                request.inputs[name].CopyFrom(tensor)
                writer.write(log.SerializeToString(deterministic=True))


def message() -> Type[Message]:
    """PredictionLog of TF Serving. It comes in a package of its own, which only those who serve a model need.

    Raises:
      InputError: the package is missing.
    """
    try:
        from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
    except ImportError:
        raise InputError(
            "warm-up requests need the package tensorflow-serving-api 2.15.1; install it (pip install -e .[serving]), "
            "or export without them: --warmup_batch_sizes="
        ) from None
    return PredictionLog
