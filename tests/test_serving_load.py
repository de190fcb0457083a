"""A thousand requests at once, over both transports, three in ten of them bad: each gets its answer, none is lost."""

import concurrent.futures
import dataclasses
import threading
from typing import Any, Dict, List, Tuple

import numpy as np
import pytest
import tensorflow as tf

from export.predictor import JPEG, PNG, encode
from export.request_error import Code, RequestError
from tests import served
from tests.serving_model import Servable
from tests.serving_server import Server
from tests.towers import SIZE

REQUESTS = 1000
SECONDS = 60.0  # for all of them


@dataclasses.dataclass(frozen=True)
class Case:
    """A request and what has to come back: an embedding, or a code and a word of the message."""

    signature: str
    name: str
    value: np.ndarray
    expected: Any
    model: str = served.NAME
    version: int = 2


def good_cases() -> Dict[str, Case]:
    """Six clips as floats, as PNG and as JPEG, with what the tower in memory makes of them."""
    network, cases = served.export()[1].network, {}
    for seed in range(6):
        clip = served.noise(seed, 1, 2, SIZE, SIZE, 3)
        photos = encode(clip, JPEG)
        seen = np.stack([[tf.io.decode_jpeg(photo).numpy() for photo in photos[0]]])
        exact, lossy = (network(tf.constant(x / np.float32(255)))["embedding"].numpy() for x in (clip, seen))
        cases[f"float {seed}"] = Case("serving_default", "video", clip / np.float32(255), exact)
        cases[f"png {seed}"] = Case("encoded_frames", "frames", encode(clip, PNG), exact)
        cases[f"jpeg {seed}"] = Case("encoded_frames", "frames", photos, lossy)
    return cases


def bad_cases() -> Dict[str, Case]:
    """One request of each kind that is wrong."""

    def floats(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    def texts(*content: bytes) -> np.ndarray:
        return np.array([content], object)

    def wrong(word: str) -> Tuple[Code, str]:
        return Code.INVALID_ARGUMENT, word

    video, frames, clip = ("serving_default", "video"), ("encoded_frames", "frames"), floats(1, 2, 16, 16, 3)
    return {
        "wrong rank": Case(*video, floats(1, 2, 16, 3), wrong("shape")),
        "wrong channels": Case(*video, floats(1, 2, 16, 16, 4), wrong("shape")),
        "text for numbers": Case(*video, texts(b"text"), wrong("float")),
        "numbers for images": Case(*frames, floats(1, 2), wrong("string")),
        "wrong input": Case("serving_default", "clip", clip, wrong("input")),
        "too many windows": Case(*video, floats(17, 1, 8, 8, 3), wrong("17")),
        "no image": Case(*frames, texts(b"no", b"image"), wrong("image")),
        "half an image": Case(*frames, texts(encode(served.noise(0, 16, 16, 3), PNG).item()[:60]), wrong("")),
        "oversized": Case(*frames, texts(b"x" * (5 << 20)), (Code.TOO_LARGE, "")),
        "wrong signature": Case("other", "video", clip, wrong("other")),
        "unknown model": Case(*video, clip, (Code.NOT_FOUND, "other"), model="other"),
        "unknown version": Case(*video, clip, (Code.NOT_FOUND, "9"), version=9),
    }


def draw(good: List[str], bad: List[str]) -> List[Tuple[str, str]]:
    """`REQUESTS` pairs of a transport and the name of a case, mixed."""
    random = np.random.default_rng(0)
    # Large ones are few: 5 MB each, a thousand of them would test the memory of the machine.
    shares = np.array([0.2 if name == "oversized" else 1.0 for name in bad])
    names = [*random.choice(good, REQUESTS * 7 // 10), *random.choice(bad, REQUESTS * 3 // 10, p=shares / shares.sum())]
    return [(("rest", "grpc")[index % 2], str(name)) for index, name in enumerate(random.permutation(names))]


def send_all(server: Server, requests: List[Tuple[str, Case]]) -> List[Any]:
    """Sends all at the same moment; returns outputs or errors."""
    start = threading.Barrier(len(requests) + 1)
    reached = {
        (kind, model): served.reach(kind, server, model=model, deadline=SECONDS, connections=200)
        for kind in ("rest", "grpc")
        for model in (served.NAME, "other")
    }

    def send(kind: str, case: Case) -> Any:
        start.wait()
        try:
            return reached[kind, case.model].predict(case.version, case.signature, case.name, case.value)
        except RequestError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
        waiting = [pool.submit(send, *request) for request in requests]
        start.wait()
        _, late = concurrent.futures.wait(waiting, SECONDS)
    for transport in reached.values():
        transport.close()
    assert not late, f"{len(late)} requests have no answer after {SECONDS:g} s"
    return [one.result() for one in waiting]


@pytest.mark.slow
def test_a_thousand_requests_at_once():
    servable, good, bad = Servable(served.export()[0]), good_cases(), bad_cases()
    cases, drawn = {**good, **bad}, draw(sorted(good), sorted(bad))
    with Server(servable) as server:
        answers = send_all(server, [(kind, cases[name]) for kind, name in drawn])

    for (kind, name), answer in zip(drawn, answers):
        expected = cases[name].expected
        if name in good:
            assert isinstance(answer, dict), (kind, name, answer)
            np.testing.assert_allclose(
                next(iter(answer.values())), expected, rtol=1e-5, atol=1e-5, err_msg=f"{kind} {name}"
            )
        else:
            assert isinstance(answer, RequestError), (kind, name)
            assert answer.code is expected[0] and expected[1] in answer.message, (kind, name, str(answer))
    assert len(set(drawn)) == 2 * len(cases)  # Each kind of request went over each transport.
    assert servable.answered == sum(name in good for _, name in drawn)
