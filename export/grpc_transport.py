"""TF Serving over gRPC: the services PredictionService and ModelService of tensorflow-serving-api."""

from typing import Any, Callable, Dict, List

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from export.request_error import Code, RequestError
from export.transport import Endpoint, Signature, Tensor, Transport, VersionStatus

_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: Code.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION: Code.INVALID_ARGUMENT,
    grpc.StatusCode.OUT_OF_RANGE: Code.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND: Code.NOT_FOUND,
    grpc.StatusCode.DEADLINE_EXCEEDED: Code.DEADLINE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Code.BUSY,
    grpc.StatusCode.UNAVAILABLE: Code.UNAVAILABLE,
}


class GrpcTransport(Transport):
    """Speaks gRPC over one connection, without encryption, as the official image does.

    Raises:
      InputError: the name of the server is not host:port.
    """

    def __init__(self, endpoint: Endpoint):
        super().__init__(endpoint)
        endpoint.address()  # gRPC would wait for a name that it cannot resolve.
        self._channel = grpc.insecure_channel(
            endpoint.server,
            options=(
                # gRPC allows 4 MB by default, less than four windows of 112 x 112 pixels as floats.
                ("grpc.max_send_message_length", endpoint.max_bytes),
                ("grpc.max_receive_message_length", endpoint.max_bytes),
                # The server is named as it is, also where HTTP goes through a proxy.
                ("grpc.enable_http_proxy", 0),
                # Sending again is decided in one place for both transports.
                ("grpc.enable_retries", 0),
                # By default a broken connection is tried again after a second, then more and more rarely.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
            ),
        )
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def status(self) -> List[VersionStatus]:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=model_pb2.ModelSpec(name=self.endpoint.model))
        state = get_model_status_pb2.ModelVersionStatus.State.Name
        return [
            VersionStatus(one.version, state(one.state), one.status.error_message)
            for one in self._ask(self._models.GetModelStatus, request).model_version_status
        ]

    def signatures(self, version: int) -> Dict[str, Signature]:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec(version), metadata_field=["signature_def"]
        )
        found = get_model_metadata_pb2.SignatureDefMap()
        self._ask(self._predictions.GetModelMetadata, request).metadata["signature_def"].Unpack(found)
        return {
            name: Signature(_tensors(one.inputs), _tensors(one.outputs))
            for name, one in found.signature_def.items()
            if one.method_name == tf.saved_model.PREDICT_METHOD_NAME
        }

    def predict(self, version: int, signature: str, name: str, value: np.ndarray) -> Dict[str, np.ndarray]:
        spec = self._spec(version)
        spec.signature_name = signature
        request = predict_pb2.PredictRequest(model_spec=spec)
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        answer = self._ask(self._predictions.Predict, request)
        return {output: tf.make_ndarray(tensor) for output, tensor in answer.outputs.items()}

    def close(self) -> None:
        self._channel.close()

    def _spec(self, version: int) -> model_pb2.ModelSpec:
        spec = model_pb2.ModelSpec(name=self.endpoint.model)
        spec.version.value = version
        return spec

    def _ask(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return method(request, timeout=self.endpoint.deadline)
        except grpc.RpcError as error:
            code, message = _CODES.get(error.code(), Code.OTHER), error.details() or error.code().name
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "message larger than max" in message:
                code = Code.TOO_LARGE
            raise RequestError(code, message) from error


def _tensors(found: Any) -> Dict[str, Tensor]:
    return {
        name: Tensor(types_pb2.DataType.Name(one.dtype), tuple(side.size for side in one.tensor_shape.dim))
        for name, one in found.items()
    }
