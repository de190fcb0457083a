"""Requests of TF Serving's REST API into tensors: the column form, {"b64": ...} for bytes, its words for errors."""

import base64
import json
from typing import Any, Dict, List, Tuple

import numpy as np
import tensorflow as tf


def parse(body: bytes, signatures: Dict[str, Any]) -> Tuple[str, Dict[str, np.ndarray]]:
    """Name of the signature, and the inputs by name.

    Raises:
      tf.errors.InvalidArgumentError: as TF Serving would refuse it.
    """
    try:
        request = json.loads(body)
        signature, given = request.get("signature_name", "serving_default"), request["inputs"]
    except (ValueError, KeyError) as error:
        raise bad(f"JSON Parse error: {error}") from error
    if signature not in signatures:
        raise bad(f'Serving signature name: "{signature}" not found in signature def')
    wanted = signatures[signature].inputs
    unknown = set(given) - set(wanted)
    if unknown:
        raise bad(f"JSON object: does not have named input: {unknown.pop()}")
    return signature, {name: _tensor(value, wanted[name]) for name, value in given.items()}


def _tensor(value: Any, info: Any) -> np.ndarray:
    """A tensor of nested lists, which must not be ragged."""
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    leaves: List[Any] = []
    _collect(value, shape, tf.dtypes.as_dtype(info.dtype), leaves)
    tensor = np.empty(len(leaves), object if info.dtype == tf.string.as_datatype_enum else np.float32)
    tensor[:] = leaves
    return tensor.reshape(shape)


def _collect(value: Any, shape: List[int], dtype: tf.DType, leaves: List[Any]) -> None:
    if isinstance(value, list):
        if not shape or len(value) != shape[0]:
            raise bad(f"Encountered list at unexpected size: {len(value)}")
        for one in value:
            _collect(one, shape[1:], dtype, leaves)
    elif shape:
        raise bad(f"JSON Value: {json.dumps(value)[:100]} found at incorrect level")
    elif dtype == tf.string and isinstance(value, dict) and list(value) == ["b64"]:
        leaves.append(base64.b64decode(value["b64"], validate=True))
    elif dtype == tf.float32 and isinstance(value, (int, float)):
        leaves.append(value)
    else:
        raise bad(
            f"JSON Value: {json.dumps(value)[:100]} Type: {type(value).__name__} is not of expected type: {dtype.name}"
        )


def bad(message: str) -> tf.errors.OpError:
    """What a request that is refused ends in."""
    return tf.errors.InvalidArgumentError(None, None, message)
