"""A small model server for tests: REST and gRPC of TF Serving on the loopback, over a real SavedModel.

with Server(Servable(base)) as server:  server.rest, server.grpc  ("127.0.0.1:port")
"""

import base64
import concurrent.futures
import http.server
import json
import re
import threading
from typing import Any, Dict, Optional, Tuple

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.serving_model import Servable

DEFAULT_LIMIT = 4 << 20  # bytes of a message, by default of gRPC
_THREADS = 16
_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}
_HTTP_CODES = {
    tf.errors.INVALID_ARGUMENT: 400, tf.errors.FAILED_PRECONDITION: 400, tf.errors.NOT_FOUND: 404,
    tf.errors.RESOURCE_EXHAUSTED: 429, tf.errors.UNAVAILABLE: 503, tf.errors.DEADLINE_EXCEEDED: 504,
}  # fmt: skip
_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata|:predict)?")


class Server:
    """Both ports, open while the `with` block runs.

    Args:
      servable: The model.
      limit: Largest request in bytes; REST refuses larger ones as a proxy would, by 413 and a page that is no JSON.
    """

    def __init__(self, servable: Servable, limit: int = DEFAULT_LIMIT):
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS)
        self._grpc = grpc.server(
            self._threads,
            options=(("grpc.max_receive_message_length", limit), ("grpc.so_reuseport", 0)),
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Predictions(servable), self._grpc)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(servable), self._grpc)
        self.grpc = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        self._http = _HttpServer(("127.0.0.1", 0), _Handler)
        self._http.servable, self._http.limit = servable, limit
        self.rest = f"127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "Server":
        self._grpc.start()
        self._loop = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._loop.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._grpc.stop(grace=None).wait()
        self._http.shutdown()
        self._http.server_close()
        self._loop.join()
        self._threads.shutdown()


class _Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, servable: Servable):
        self._servable = servable

    def Predict(self, request, context):  # noqa: N802
        name, version = _model(request.model_spec)
        try:
            inputs = {key: tf.make_ndarray(tensor) for key, tensor in request.inputs.items()}
            outputs = self._servable.predict(name, version, request.model_spec.signature_name, inputs)
            answer = predict_pb2.PredictResponse()
            answer.model_spec.name = name
            answer.model_spec.version.value = self._servable.find(name, version)
        except tf.errors.OpError as error:
            context.abort(_GRPC_CODES[error.error_code], error.message)
        for key, value in outputs.items():
            answer.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return answer

    def GetModelMetadata(self, request, context):  # noqa: N802
        try:
            return _metadata(self._servable, *_model(request.model_spec))
        except tf.errors.OpError as error:
            context.abort(_GRPC_CODES[error.error_code], error.message)


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, servable: Servable):
        self._servable = servable

    def GetModelStatus(self, request, context):  # noqa: N802
        try:
            return _status(self._servable, request.model_spec.name)
        except tf.errors.OpError as error:
            context.abort(_GRPC_CODES[error.error_code], error.message)


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # connections that a test opens at once


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:  # noqa: N802
        self._serve("GET", b"")

    def do_POST(self) -> None:  # noqa: N802
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if length > self.server.limit:
            self._send(413, b"<html>Request Entity Too Large</html>", "text/html")
            return
        self._serve("POST", body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def _serve(self, method: str, body: bytes) -> None:
        try:
            status, content = 200, self._answer(method, body)
        except tf.errors.OpError as error:
            status, content = _HTTP_CODES.get(error.error_code, 500), {"error": error.message}
        self._send(status, json.dumps(content, indent=1).encode(), "application/json")

    def _answer(self, method: str, body: bytes) -> Dict[str, Any]:
        match, servable = _PATH.fullmatch(self.path), self.server.servable
        if not match or (method == "POST") != (match[3] == ":predict"):
            raise _bad(f"Malformed request: {method} {self.path}")
        name, version = match[1], int(match[2]) if match[2] else None
        if match[3] == "/metadata":
            return _rest_metadata(servable, name, version)
        if method == "GET":
            return _to_json(_status(servable, name))
        signature, key, inputs = _parse(body, servable.signatures(name, version))
        outputs = servable.predict(name, version, signature, inputs)
        plain = {output: value.tolist() for output, value in outputs.items()}
        return {key: next(iter(plain.values())) if len(plain) == 1 else plain}

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _model(spec: Any) -> Tuple[str, Optional[int]]:
    return spec.name, spec.version.value if spec.HasField("version") else None


def _status(servable: Servable, name: str) -> get_model_status_pb2.GetModelStatusResponse:
    answer = get_model_status_pb2.GetModelStatusResponse()
    for version in servable.versions(name):
        state = get_model_status_pb2.ModelVersionStatus.State.Value(servable.state)
        answer.model_version_status.add(version=version, state=state)
        answer.model_version_status[-1].status.SetInParent()
    return answer


def _metadata(servable: Servable, name: str, version: Optional[int]):
    found = get_model_metadata_pb2.SignatureDefMap()
    for signature, content in servable.signatures(name, version).items():
        found.signature_def[signature].CopyFrom(content)
    answer = get_model_metadata_pb2.GetModelMetadataResponse()
    answer.model_spec.name = name
    answer.model_spec.version.value = servable.find(name, version)
    answer.metadata["signature_def"].Pack(found)
    return answer


def _rest_metadata(servable: Servable, name: str, version: Optional[int]) -> Dict[str, Any]:
    content = _to_json(_metadata(servable, name, version))
    del content["metadata"]["signature_def"]["@type"]
    return content


def _to_json(message: Any) -> Dict[str, Any]:
    return json_format.MessageToDict(message, including_default_value_fields=True, preserving_proto_field_name=True)


def _parse(body: bytes, signatures: Dict[str, Any]) -> Tuple[str, str, Dict[str, np.ndarray]]:
    """The signature's name, the key of the answer, and the inputs of a request of one input."""
    try:
        request = json.loads(body)
    except ValueError as error:
        raise _bad(f"JSON Parse error: {error}") from error
    signature = request.get("signature_name", "serving_default")
    if signature not in signatures:
        raise _bad(f'Serving signature name: "{signature}" not found in signature def')
    wanted = signatures[signature].inputs
    if "instances" in request:
        return (
            signature,
            "predictions",
            {next(iter(wanted)): _tensor(request["instances"], next(iter(wanted.values())))},
        )
    given = request.get("inputs")
    if given is None:
        raise _bad("Missing 'inputs' or 'instances' key")
    if not isinstance(given, dict):
        given = {next(iter(wanted)): given}
    unknown = set(given) - set(wanted)
    if unknown:
        raise _bad(f"JSON object: does not have named input: {unknown.pop()}")
    return signature, "outputs", {name: _tensor(value, wanted[name]) for name, value in given.items()}


def _tensor(value: Any, info: Any) -> np.ndarray:
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    leaves = []
    _collect(value, shape, tf.dtypes.as_dtype(info.dtype), leaves)
    tensor = np.empty(len(leaves), object if info.dtype == tf.string.as_datatype_enum else np.float32)
    tensor[:] = leaves
    return tensor.reshape(shape)


def _collect(value: Any, shape: Any, dtype: tf.DType, leaves: list) -> None:
    if isinstance(value, list):
        if not shape or len(value) != shape[0]:
            raise _bad(f"Encountered list at unexpected size: {len(value)}")
        for one in value:
            _collect(one, shape[1:], dtype, leaves)
    elif shape:
        raise _bad(f"JSON Value: {json.dumps(value)[:100]} found at incorrect level")
    elif dtype == tf.string and isinstance(value, dict) and list(value) == ["b64"]:
        try:
            leaves.append(base64.b64decode(value["b64"], validate=True))
        except ValueError as error:
            raise _bad("Unable to base64 decode") from error
    elif isinstance(value, str if dtype == tf.string else (int, float)) and not isinstance(value, bool):
        leaves.append(value.encode() if dtype == tf.string else value)
    else:
        raise _bad(
            f"JSON Value: {json.dumps(value)[:100]} Type: {type(value).__name__} is not of expected type: {dtype.name}"
        )


def _bad(message: str) -> tf.errors.OpError:
    return tf.errors.InvalidArgumentError(None, None, message)
