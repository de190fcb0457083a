"""A server that answers as TF Serving does over REST, and spoils what it says."""

import contextlib
import http.server
import json
import random
import threading
from typing import Any, Dict, Iterator, Tuple

from tests.fuzz.mutations import spoil_json

_PREDICT = "tensorflow/serving/predict"
_SHAPE = {"dim": [{"size": "-1"}, {"size": "-1"}, {"size": "-1"}, {"size": "-1"}, {"size": "3"}]}
_SIGNATURE = {
    "inputs": {"video": {"dtype": "DT_FLOAT", "tensor_shape": _SHAPE}},
    "outputs": {"embedding": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "5"}]}}},
    "method_name": _PREDICT,
}
# End of the path -> what a whole server answers.
WHOLE: Dict[str, Any] = {
    "elo_rgb": {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK"}}]},
    "metadata": {"metadata": {"signature_def": {"signature_def": {"serving_default": _SIGNATURE}}}},
    "1:predict": {"outputs": [[0.1, 0.2, 0.3, 0.4, 0.5]] * 3},
}
Answers = Dict[str, Tuple[int, str]]


def spoilt_answers(random: random.Random) -> Answers:
    """End of the path -> status and body; one of them is spoilt."""
    answers = {path: (200, json.dumps(content)) for path, content in WHOLE.items()}
    path = random.choice(sorted(answers))
    status = random.choice((200, 200, 200, 400, 404, 429, 500, 503, 204))
    answers[path] = (status, spoil_json(random, WHOLE[path]))
    return answers


@contextlib.contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """A server that gives these answers; its host:port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  As the library calls it.
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = answers.get(self.path.rpartition("/")[2], (404, '{"error": "no such path"}'))
            content = body.encode(errors="surrogateescape")
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_) -> None:
            """Says nothing."""

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
