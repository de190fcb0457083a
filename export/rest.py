"""TF Serving over HTTP and JSON.

    GET  /v1/models/MODEL                      -> state of the versions
    GET  /v1/models/MODEL/versions/N/metadata  -> signatures
    POST /v1/models/MODEL/versions/N:predict   {"signature_name": ..., "inputs": {...}} -> {"outputs": ...}

Bytes are sent as {"b64": ...}. Floats become text and take three times the space that gRPC needs for them.
"""

import base64
import http.client
import json
import urllib.parse
from typing import Any, Dict, List, Optional

import numpy as np
import urllib3

from elo_tf.runtime import json_text
from export.request_error import Code, RequestError
from export.transport import Endpoint, Signature, Tensor, Transport, VersionStatus

_CONNECT_SECONDS = 5.0

# 502: a proxy before the server. 413: one with a limit of its own; TF Serving has none for REST.
_CODES = {
    400: Code.INVALID_ARGUMENT, 404: Code.NOT_FOUND, 413: Code.TOO_LARGE, 429: Code.BUSY,
    502: Code.UNAVAILABLE, 503: Code.UNAVAILABLE, 504: Code.DEADLINE,
}  # fmt: skip


# What reading JSON of another shape than expected may raise; a number may be too large for a float.
_UNLIKE = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


class RestTransport(Transport):
    """Speaks HTTP/1.1 over a pool of connections that stay open.

    Raises:
      InputError: the name of the server is not host:port.
    """

    def __init__(self, endpoint: Endpoint):
        super().__init__(endpoint)
        host, port = endpoint.address()
        self._pool = urllib3.HTTPConnectionPool(
            host,
            port,
            maxsize=endpoint.connections,
            block=True,
            # Sending again is decided in one place for both transports.
            retries=False,
            timeout=urllib3.Timeout(
                connect=min(_CONNECT_SECONDS, endpoint.deadline), read=endpoint.deadline, total=endpoint.deadline
            ),
        )
        self._model = f"/v1/models/{urllib.parse.quote(endpoint.model, safe='')}"

    def status(self) -> List[VersionStatus]:
        answer = self._ask("GET", self._model)
        try:
            return [
                VersionStatus(int(one["version"]), one["state"], one.get("status", {}).get("error_message", ""))
                for one in answer["model_version_status"]
            ]
        except _UNLIKE as error:
            raise self._foreign(error) from error

    def signatures(self, version: int) -> Dict[str, Signature]:
        answer = self._ask("GET", f"{self._model}/versions/{version}/metadata")
        try:
            found = answer["metadata"]["signature_def"]["signature_def"]
            return {
                name: Signature(_tensors(one["inputs"]), _tensors(one["outputs"]))
                for name, one in found.items()
                if one.get("method_name") == "tensorflow/serving/predict"
            }
        except _UNLIKE as error:
            raise self._foreign(error) from error

    def predict(self, version: int, signature: str, name: str, value: np.ndarray) -> Dict[str, np.ndarray]:
        body = json.dumps({"signature_name": signature, "inputs": {name: to_json(value)}}).encode()
        if len(body) > self.endpoint.max_bytes:
            raise RequestError(Code.TOO_LARGE, f"a request of {len(body)} bytes, limit {self.endpoint.max_bytes}")
        answer = self._ask("POST", f"{self._model}/versions/{version}:predict", body)
        try:
            outputs = answer["outputs"]
            # The name of a single output is left out.
            named = outputs if isinstance(outputs, dict) else {"": outputs}
            return {output: np.asarray(values, np.float32) for output, values in named.items()}
        except _UNLIKE as error:
            raise self._foreign(error) from error

    def close(self) -> None:
        self._pool.close()

    def _ask(self, method: str, path: str, body: Optional[bytes] = None) -> Dict[str, Any]:
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            answer = self._pool.request(method, path, body=body, headers=headers)
        except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError) as error:
            raise RequestError(Code.UNAVAILABLE, str(error).rpartition(": ")[2]) from error
        except urllib3.exceptions.TimeoutError as error:
            raise RequestError(Code.DEADLINE, f"no answer within {self.endpoint.deadline:g} s") from error
        except urllib3.exceptions.HTTPError as error:
            cause = error.args[-1] if error.args else error
            if isinstance(cause, http.client.BadStatusLine) and not isinstance(cause, ConnectionError):
                raise RequestError(Code.OTHER, "it does not speak HTTP; is this the port of gRPC?") from error
            raise RequestError(Code.UNAVAILABLE, f"the connection broke: {type(cause).__name__}") from error
        try:
            content = json_text.parse(answer.data)
        except ValueError:
            content = None
        if answer.status != 200:
            said = content.get("error") if isinstance(content, dict) else None
            raise RequestError(_CODES.get(answer.status, Code.OTHER), str(said or f"HTTP status {answer.status}"))
        if not isinstance(content, dict):
            raise self._foreign("no JSON object")
        return content

    def _foreign(self, why: Any) -> RequestError:
        return RequestError(Code.OTHER, f"the answer is not one of TF Serving ({why!r})")


def to_json(value: np.ndarray) -> Any:
    """Nested lists whose numbers, printed by `json`, are the shortest that are read back as the same float32.

    Args:
      value: float32, or object with bytes in it.
    """
    if value.dtype == object:
        flat = [{"b64": base64.b64encode(content).decode()} for content in value.ravel()]
        boxes = np.empty(len(flat), object)
        boxes[:] = flat
        return boxes.reshape(value.shape).tolist()
    # Frames have at most 256 levels: each is formatted once.
    levels, places = np.unique(value, return_inverse=True)
    shortest = np.array([float(str(level)) for level in levels])
    return shortest[places].reshape(value.shape).tolist()


def _tensors(found: Dict[str, Any]) -> Dict[str, Tensor]:
    return {
        name: Tensor(one["dtype"], tuple(int(side["size"]) for side in one["tensor_shape"].get("dim", ())))
        for name, one in found.items()
    }
