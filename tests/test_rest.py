"""JSON as REST wants it: float32 comes back as it was, bytes are base64; and what is no answer of TF Serving."""

import base64
import json
import socket
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from elo_tf.config import InputError
from export.predictor import FLOAT, Patience, Predictor
from export.request_error import RequestError
from export.rest import RestTransport, to_json
from export.transport import Endpoint


@given(arrays(np.float32, array_shapes(max_dims=4, max_side=4), elements=st.floats(width=32, allow_nan=False)))
def test_floats_come_back_exactly(value):
    read = np.asarray(json.loads(json.dumps(to_json(value))), np.float32)
    np.testing.assert_array_equal(read.view(np.uint32) << 1, value.view(np.uint32) << 1)  # but for the sign of zero


def test_levels_of_pixels_are_short():
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    assert max(len(text) for text in json.dumps(to_json(levels)).split(", ")) <= 13


def test_bytes():
    value = np.array([[b"\xff\xd8", b""], [b"abc", b"\0"]], object)
    read = json.loads(json.dumps(to_json(value)))
    assert [[base64.b64decode(one["b64"]) for one in row] for row in read] == value.tolist()
    assert all(list(one) == ["b64"] for row in read for one in row)


@pytest.mark.parametrize(
    "answer, said",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "not one of TF Serving"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[{}]", "not one of TF Serving"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>", "not one of TF Serving"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>", "does not serve m (HTTP status 404)"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "failed: HTTP status 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "failed: HTTP status 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "not ready after 1 attempt (the connection broke: "),
        (b"SSH-2.0-x\r\n", "failed: it does not speak HTTP"),
        (b"", "not ready after 1 attempt (the connection broke: "),
    ],
)
def test_another_kind_of_server(answer, said):
    """A listener that sends the same bytes to whoever connects, and hangs up."""

    def listen(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, args=[listener], daemon=True).start()
        transport = RestTransport(Endpoint(f"127.0.0.1:{listener.getsockname()[1]}", "m", 10.0, 1 << 20, 1))
        with pytest.raises(InputError) as caught:
            Predictor(transport, FLOAT, Patience(retries=0))
        transport.close()
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "question, answer",
    [
        ("signatures", {"metadata": {"signature_def": {"signature_def": {"embed": "text"}}}}),
        ("signatures", {"metadata": {"signature_def": {"signature_def": 1.5}}}),
        ("status", {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": "OK"}]}),
        ("predict", {"outputs": [[10**400]]}),
        ("predict", {"outputs": [[1.0], [2.0, 3.0]]}),
    ],
)
def test_an_answer_of_another_shape_is_named(question, answer, monkeypatch):
    transport = RestTransport(Endpoint("127.0.0.1:1", "m", 10.0, 1 << 20, 1))
    monkeypatch.setattr(transport, "_ask", lambda *_: answer)
    given = {"status": (), "signatures": (1,), "predict": (1, "embed", "clips", np.zeros([1], np.float32))}
    with pytest.raises(RequestError, match="not one of TF Serving"):
        getattr(transport, question)(*given[question])
