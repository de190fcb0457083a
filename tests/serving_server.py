"""A small model server for tests: REST and gRPC of TF Serving on the loopback, over a real SavedModel.

with Server(Servable(base)) as server:  server.rest, server.grpc  ("127.0.0.1:port")
"""

import concurrent.futures
import contextlib
import http.server
import json
import re
import socket
import threading
from typing import Any, Dict, Optional, Tuple

import grpc
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests import serving_json
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
      ports: Of REST and gRPC; 0 is any that is free.
    """

    def __init__(self, servable: Servable, limit: int = DEFAULT_LIMIT, ports: Tuple[int, int] = (0, 0)):
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS)
        self._grpc = grpc.server(
            self._threads,
            options=(("grpc.max_receive_message_length", limit), ("grpc.so_reuseport", 0)),
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Predictions(servable), self._grpc)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(servable), self._grpc)
        self.grpc = f"127.0.0.1:{self._grpc.add_insecure_port(f'127.0.0.1:{ports[1]}')}"
        self._http = _HttpServer(("127.0.0.1", ports[0]), _Handler)
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
        self._http.hang_up()
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

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._open = set()

    def process_request(self, request: socket.socket, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends connections that are kept open, as the end of a process does."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


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
            raise serving_json.bad(f"Malformed request: {method} {self.path}")
        name, version = match[1], int(match[2]) if match[2] else None
        if match[3] == "/metadata":
            return _rest_metadata(servable, name, version)
        if method == "GET":
            return _to_json(_status(servable, name))
        signature, inputs = serving_json.parse(body, servable.signatures(name, version))
        outputs = servable.predict(name, version, signature, inputs)
        plain = {output: value.tolist() for output, value in outputs.items()}
        return {"outputs": next(iter(plain.values())) if len(plain) == 1 else plain}

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
