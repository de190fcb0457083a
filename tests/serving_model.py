"""A SavedModel as TF Serving holds it: a session, signatures, and the errors that its requests end in.

Errors carry the code and wording of TF Serving 2.15, as its sources give them (server_core, predict_util, json_tensor).
"""

import pathlib
import threading
import time
from typing import Dict, List, Optional

import numpy as np
import tensorflow as tf

_AT_ONCE = 4  # sessions under way; more would only take memory


class Servable:
    """All versions in a folder `base`, of which the newest answers unless another is asked for.

    Attributes:
      name: What clients call the model.
      state: What the status of all versions is said to be; anything but AVAILABLE refuses requests.
      delay: Seconds by which each prediction is held back.
      max_batch_size: Largest first dimension of an input, as batching.config sets it.
      requests, answered: Predictions asked of it, and those that succeeded.
    """

    def __init__(self, base: pathlib.Path, max_batch_size: int = 16):
        self.name, self.state, self.delay, self.max_batch_size = base.name, "AVAILABLE", 0.0, max_batch_size
        self._versions = {int(path.name): _Session(path) for path in base.iterdir() if path.name.isdigit()}
        self._failures: List[tf.errors.OpError] = []
        self._lock, self._places = threading.Lock(), threading.BoundedSemaphore(_AT_ONCE)
        self.requests = self.answered = 0

    def fail_next(self, *errors: tf.errors.OpError) -> None:
        """The next predictions end so."""
        self._failures.extend(errors)

    def versions(self, name: str) -> List[int]:
        """Raises: NotFoundError."""
        if name != self.name:
            raise _error(tf.errors.NotFoundError, f"Could not find any versions of model {name}")
        return sorted(self._versions)

    def signatures(self, name: str, version: Optional[int]) -> Dict[str, object]:
        """SignatureDefs by name. Raises: NotFoundError."""
        return self._find(name, version)[1].signatures

    def find(self, name: str, version: Optional[int]) -> int:
        """The version that answers. Raises: NotFoundError."""
        return self._find(name, version)[0]

    def predict(
        self, name: str, version: Optional[int], signature: str, inputs: Dict[str, np.ndarray]
    ) -> Dict[str, np.ndarray]:
        """Outputs of a signature by name. Raises: tf.errors.OpError, as a request would end."""
        session = self._find(name, version)[1]
        with self._lock:
            self.requests += 1
            failure = self._failures.pop(0) if self._failures else None
        if failure:
            raise failure
        time.sleep(self.delay)
        with self._places:
            outputs = session.run(signature or "serving_default", inputs, self.max_batch_size)
        with self._lock:
            self.answered += 1
        return outputs

    def _find(self, name: str, version: Optional[int]):
        wanted = max(self._versions) if version is None else version
        if name != self.name or wanted not in self._versions or self.state != "AVAILABLE":
            asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise _error(tf.errors.NotFoundError, f"Servable not found for request: {asked}")
        return wanted, self._versions[wanted]


class _Session:
    """One version, loaded as TF Serving loads it: by graph, signatures and the ops that restore and initialise."""

    def __init__(self, path: pathlib.Path):
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(path))
        self.signatures = {
            name: found
            for name, found in loaded.signature_def.items()
            if found.method_name == tf.saved_model.PREDICT_METHOD_NAME
        }

    def run(self, signature: str, inputs: Dict[str, np.ndarray], max_batch_size: int) -> Dict[str, np.ndarray]:
        if signature not in self.signatures:
            raise _error(tf.errors.FailedPreconditionError, f'Serving signature key "{signature}" not found.')
        found = self.signatures[signature]
        if set(inputs) != set(found.inputs):
            raise _invalid(
                f"input size does not match signature: {len(inputs)}!={len(found.inputs)} len({{{','.join(inputs)}}})"
                f" != len({{{','.join(found.inputs)}}})."
            )
        for name, value in inputs.items():
            wanted = tf.dtypes.as_dtype(found.inputs[name].dtype)
            given = tf.string if value.dtype == object else tf.dtypes.as_dtype(value.dtype)
            if given != wanted:
                raise _invalid(f"Expects arg[0] to be {wanted.name} but {given.name} is provided")
            if value.ndim and len(value) > max_batch_size:
                raise _invalid(f"Task size {len(value)} is larger than maximum input batch size {max_batch_size}")
        fed = {found.inputs[name].name: value for name, value in inputs.items()}
        fetched = {name: output.name for name, output in found.outputs.items()}
        try:
            return self._session.run(fetched, fed)
        except ValueError as error:  # Python's own check of shapes, which the C++ session makes when it runs
            raise _invalid(str(error)) from error
        except tf.errors.OpError as error:  # without what Python adds before and after
            message = error.message.replace("Graph execution error:", "").split("Original stack trace")[0].strip()
            raise type(error)(None, None, message) from error


def _error(kind: type, message: str) -> tf.errors.OpError:
    return kind(None, None, message)


def _invalid(message: str) -> tf.errors.OpError:
    return _error(tf.errors.InvalidArgumentError, message)
