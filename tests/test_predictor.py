"""The client's core against a server of the real export: equal to the tower, patient, and clear about what is wrong."""

import socket
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import InputError
from export.predictor import FLOAT, JPEG, PNG, Patience, Predictor, encode
from tests import served
from tests.serving_model import Servable
from tests.serving_server import Server
from tests.towers import FRAMES, SIZE

HASTY = Patience(retries=2, pause=0.01)
KINDS = ("rest", "grpc")


@pytest.fixture(scope="module")
def running():
    servable = Servable(served.export()[0])
    with Server(servable) as server:
        yield servable, server


@pytest.fixture(params=KINDS)
def reach(request, running):
    """Makes transports of one kind, which are closed in the end."""
    made = []

    def connect(**changes):
        made.append(served.reach(request.param, running[1], **changes))
        return made[-1]

    yield connect
    for transport in made:
        transport.close()


@pytest.fixture()
def servable(running):
    yield running[0]
    running[0].state, running[0].delay, running[0].requests = "AVAILABLE", 0.0, 0


def refusal(action):
    """The one line of the error."""
    with pytest.raises(InputError) as caught:
        action()
    line = str(caught.value)
    assert "\n" not in line and len(line) < 600
    return line


@pytest.mark.parametrize("send", [FLOAT, PNG, JPEG])
def test_equals_the_tower(reach, send):
    windows = served.noise(1, 3, FRAMES, SIZE, SIZE, 3)
    predictor = Predictor(reach(), send)
    seen = windows
    if send == JPEG:  # What the server sees is what TensorFlow makes of the JPEG.
        images = encode(windows, JPEG)
        seen = np.stack([[tf.io.decode_jpeg(image).numpy() for image in clip] for clip in images])
        assert 0 < np.abs(seen.astype(int) - windows).mean() < 16
    expected = served.export()[1].network(tf.constant(seen / np.float32(255)))["embedding"].numpy()
    embeddings = predictor.embed(windows)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3  # An answer for another window would not pass.
    assert predictor.version == 2


def test_sends_again_what_passes(reach, servable):
    predictor = Predictor(reach(), FLOAT, HASTY)
    windows = served.noise(2, 1, 2, 16, 16, 3)
    expected = predictor.embed(windows)
    servable.fail_next(tf.errors.UnavailableError(None, None, "queue is full"),
                       tf.errors.ResourceExhaustedError(None, None, "waiting in batching queue"))  # fmt: skip
    servable.requests = 0
    np.testing.assert_array_equal(predictor.embed(windows), expected)
    assert servable.requests == 3


def test_gives_up_in_the_end(reach, servable):
    predictor = Predictor(reach(), FLOAT, HASTY)
    servable.requests = 0
    servable.fail_next(*[tf.errors.UnavailableError(None, None, "queue is full")] * 3)
    line = refusal(lambda: predictor.embed(served.noise(2, 1, 2, 16, 16, 3)))
    assert "after 3 attempts" in line and "queue is full" in line and servable.requests == 3


def test_other_clients_may_spoil_a_batch(reach, servable):
    """TF Serving refuses all requests that share a batch if their shapes differ; alone, each would be answered."""
    spoilt = tf.errors.FailedPreconditionError(
        None, None, "Tensors with name 'x' from different tasks have different shapes and padding is turned off."
    )
    predictor, windows = Predictor(reach(), FLOAT, HASTY), served.noise(2, 1, 2, 16, 16, 3)
    servable.fail_next(spoilt)
    assert predictor.embed(windows).shape[0] == 1
    servable.fail_next(*[spoilt] * 3)
    line = refusal(lambda: predictor.embed(windows))
    assert "other clients" in line and "3 attempts" in line and "--frames and --size" in line


def test_never_sends_again_what_was_refused(reach, servable):
    predictor = Predictor(reach(), FLOAT, HASTY)
    servable.requests = 0
    line = refusal(lambda: predictor.embed(served.noise(2, servable.max_batch_size + 1, 1, 16, 16, 3)))
    assert "refuses the request" in line and "17 is larger than maximum input batch size 16" in line
    assert servable.requests == 1


def test_deadline(reach, servable):
    predictor = Predictor(reach(deadline=0.2), FLOAT, Patience(retries=1, pause=0.01))
    servable.delay = 0.8
    line = refusal(lambda: predictor.embed(served.noise(2, 1, 2, 16, 16, 3)))
    assert "no answer within 0.2 s in 2 attempts" in line and "--deadline" in line


def test_waits_for_a_version_that_loads(reach, servable):
    servable.state = "LOADING"
    line = refusal(lambda: Predictor(reach(), FLOAT, HASTY))
    assert "version 2 is in state LOADING" in line and "after 3 attempts" in line

    def loaded():
        servable.state = "AVAILABLE"

    threading.Timer(0.3, loaded).start()
    assert Predictor(reach(), FLOAT, Patience(retries=30, pause=0.05, longest=0.1)).version == 2


def test_unknown_model(reach):
    line = refusal(lambda: Predictor(reach(model="other"), FLOAT, HASTY))
    assert "does not serve other" in line and "--model_name" in line


def test_keeps_to_its_version(reach, servable):
    predictor = Predictor(reach(), FLOAT, HASTY)
    predictor.version = 7  # gone meanwhile
    line = refusal(lambda: predictor.embed(served.noise(2, 1, 2, 16, 16, 3)))
    assert "Specific(elo_rgb, 7)" in line and "start again" in line


@pytest.mark.parametrize("kind", KINDS)
def test_no_server(kind, running):
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        transport = served.reach(kind, running[1], server=address)
        line = refusal(lambda: Predictor(transport, FLOAT, HASTY))
        transport.close()
    assert address in line and "not ready after 3 attempts" in line and "start the server" in line


@pytest.mark.parametrize("kind", KINDS)
def test_outlives_the_server(kind, running):
    """The server ends between two requests and starts again, on the same port, while the second is tried."""
    windows, servable = served.noise(2, 1, 2, 16, 16, 3), running[0]
    with Server(servable) as first:
        transport = served.reach(kind, first)
        predictor = Predictor(transport, FLOAT, Patience(retries=30, pause=0.1, longest=0.2))
        expected = predictor.embed(windows)
        ports = tuple(int(address.rpartition(":")[2]) for address in (first.rest, first.grpc))
    answers = []
    asking = threading.Thread(target=lambda: answers.append(predictor.embed(windows)))
    asking.start()
    time.sleep(0.5)
    assert not answers
    with Server(servable, ports=ports):
        asking.join(20)
    transport.close()
    np.testing.assert_array_equal(answers[0], expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("server", ["localhost", "127.0.0.1:port", "http://127.0.0.1:8501", "127.0.0.1:8501/v1", ":1"])
def test_no_address(kind, server, running):
    line = refusal(lambda: served.reach(kind, running[1], server=server))
    assert f"--server={server} is not host:port" in line


@pytest.mark.parametrize("kind, other, said", [("rest", "grpc", "is this the port of gRPC?"), ("grpc", "rest", "")])
def test_wrong_port(kind, other, said, running):
    address = getattr(running[1], other)
    transport = served.reach(kind, running[1], server=address, deadline=5.0)
    line = refusal(lambda: Predictor(transport, FLOAT, Patience(0)))
    transport.close()
    assert address in line and said in line


@pytest.mark.parametrize("kind, frames", [("rest", 5), ("grpc", 14)])
def test_too_large(kind, frames, running):
    windows = served.noise(3, 1, frames, 160, 160, 3)  # 5 MB as text, or as float32
    for limit in (1 << 20, 64 << 20):  # the client's, and, above it, the server's
        transport = served.reach(kind, running[1], max_bytes=limit)
        line = refusal(lambda: Predictor(transport, FLOAT, HASTY).embed(windows))  # noqa: B023
        transport.close()
        assert "too large" in line and "--batch_size" in line and "--send=jpeg" in line


def test_shape_is_checked_before_it_is_sent(reach, servable):
    predictor = Predictor(reach(), FLOAT, HASTY)
    servable.requests = 0
    line = refusal(lambda: predictor.embed(served.noise(3, 2, 16, 16, 3)))
    assert "[any,any,any,any,3], not [2,16,16,3]" in line and servable.requests == 0


def test_a_model_of_another_kind(tmp_path):
    module = tf.Module()
    module.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    tf.saved_model.save(module, str(tmp_path / "elo_rgb" / "1"), signatures={"serving_default": module.double})
    with Server(Servable(tmp_path / "elo_rgb")) as server:
        for kind in KINDS:
            transport = served.reach(kind, server)
            line = refusal(lambda: Predictor(transport, FLOAT, HASTY))  # noqa: B023
            transport.close()
            assert "no signature serving_default from video" in line and "it has: serving_default" in line


def test_pauses_grow_and_differ():
    patience = Patience(pause=1.0, longest=6.0)
    drawn = [[patience.seconds(attempt) for _ in range(200)] for attempt in range(5)]
    for mean, pauses in zip((1, 2, 4, 6, 6), drawn):
        assert mean / 2 <= min(pauses) < 0.7 * mean and 1.3 * mean < max(pauses) <= 1.5 * mean
