"""Sends windows of a video to a model server and returns embeddings: checks first, retries, and explains errors.

ready:  which version is available -> do its signatures take what will be sent?
embed:  [B,T,H,W,3] frames -> as floats, or each as JPEG or PNG -> request -> [B,D]
                                                   ^---- again after a pause, for what passes
"""

import dataclasses
import random
import time
from typing import Callable, Sequence, TypeVar

import numpy as np

from elo_tf.config import IngestConfig, InputError
from export.request_error import PASSING, Code, RequestError
from export.transport import Tensor, Transport

Answer = TypeVar("Answer")

FLOAT, JPEG, PNG = "float", "jpeg", "png"
# How frames are sent -> signature, its input, type and sizes of that.
_INPUTS = {
    FLOAT: ("serving_default", "video", "DT_FLOAT"),
    JPEG: ("encoded_frames", "frames", "DT_STRING"),
    PNG: ("encoded_frames", "frames", "DT_STRING"),
}
_OUTPUT = "embedding"
_EXPLANATIONS = {
    Code.UNAVAILABLE: "{model} at {server} is not ready after {tried} ({said}); start the server, or correct --server",
    Code.BUSY: "{model} at {server} is overloaded after {tried} ({said}); lower --in_flight",
    Code.MIXED: "other clients of {model} at {server} send windows of another shape, which its batching does not allow "
    "(gave up after {tried}); agree on --frames and --size, or serve without batching",
    Code.DEADLINE: "{model} at {server} gave no answer within {deadline:g} s in {tried}; raise --deadline or lower "
    "--batch_size",
    Code.NOT_FOUND: "{server} does not serve {model} ({said}); correct --model_name, or start again if it was replaced",
    Code.TOO_LARGE: "a message for {model} at {server} is too large ({said}); lower --batch_size, or use --send=jpeg",
    Code.INVALID_ARGUMENT: "{model} at {server} refuses the request: {said}",
}
JPEG_QUALITY = IngestConfig().jpeg_quality  # that of the records on which towers are trained


@dataclasses.dataclass(frozen=True)
class Patience:
    """How often and when a request is sent again.

    Attributes:
      retries: Further attempts after the first.
      pause: Mean seconds before the first of them; doubled before each further one.
      longest: Mean seconds that a pause grows to.
    """

    retries: int = 4
    pause: float = 0.25
    longest: float = 8.0

    def seconds(self, attempt: int) -> float:
        """Pause after attempt 0, 1, ...: drawn, so that many clients do not come back all at once."""
        return min(self.longest, self.pause * 2**attempt) * random.uniform(0.5, 1.5)


class Predictor:
    """A model on a server, asked over any transport; usable from several threads.

    Attributes:
      version: The version that answers all requests, found when this is built: the embeddings of one video must not
        come from two towers.
    """

    def __init__(self, transport: Transport, send: str, patience: Patience = Patience()):
        """Waits for the model within `patience`, and checks its signatures.

        Args:
          transport: How the server is spoken to.
          send: `FLOAT`, `JPEG` or `PNG`.
          patience: For every request.

        Raises:
          InputError: no server, no such model, no version ready, or the model is not one of this project.
        """
        self._transport, self._send, self._patience = transport, send, patience
        self._signature, self._input, dtype = _INPUTS[send]
        self.version = self._again(self._available)
        self._tensor = self._check(dtype)

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Embeds a batch.

        Args:
          windows: [B,T,H,W,3] uint8, RGB; or [B,T] object with encoded images, unless frames are sent as floats.

        Returns:
          [B,D] float32.

        Raises:
          InputError: the request was refused, or no attempt was answered; one line says why.
        """
        value = windows if windows.dtype == object else encode(windows, self._send)
        if not _fits(value.shape, self._tensor):
            raise InputError(f"{self._model()} takes {self._input} of shape {_text(self._tensor.shape)}, not "
                             f"{_text(value.shape)}; change --frames or --size")  # fmt: skip
        outputs = self._again(lambda: self._transport.predict(self.version, self._signature, self._input, value))
        embeddings = outputs[_OUTPUT] if _OUTPUT in outputs else next(iter(outputs.values()))
        if embeddings.ndim != 2 or len(embeddings) != len(windows):
            raise InputError(
                f"{self._model()} answers {len(windows)} windows with {embeddings.shape}, not one row for each; "
                "name a model of python -m export.saved_model"
            )
        return embeddings

    def _model(self) -> str:
        return f"{self._transport.endpoint.model} at {self._transport.endpoint.server}"

    def _available(self) -> int:
        """The newest version that is available."""
        states = self._transport.status()
        ready = [one.version for one in states if one.state == "AVAILABLE"]
        if ready:
            return max(ready)
        if not states:
            raise RequestError(Code.NOT_FOUND, "it has no version")
        last = max(states, key=lambda one: one.version)
        told = f"version {last.version} is in state {last.state}" + (f": {last.error}" if last.error else "")
        raise RequestError(Code.OTHER if last.error else Code.UNAVAILABLE, told)

    def _check(self, dtype: str) -> Tensor:
        """The input of the signature that is used, after a look at the whole of it."""
        signatures = self._again(lambda: self._transport.signatures(self.version))
        signature = signatures.get(self._signature)
        tensor = signature and signature.inputs.get(self._input)
        output = signature and signature.outputs.get(_OUTPUT)
        if not tensor or not output or tensor.dtype != dtype:
            known = ", ".join(sorted(signatures)) or "none"
            raise InputError(f"{self._model()} has no signature {self._signature} from {self._input} ({dtype}) to "
                             f"{_OUTPUT} (it has: {known}); name a model of python -m export.saved_model")  # fmt: skip
        return tensor

    def _again(self, ask: Callable[[], Answer]) -> Answer:
        """Asks until there is an answer, a failure that will not pass, or no patience left."""
        for attempt in range(self._patience.retries + 1):
            try:
                return ask()
            except RequestError as error:
                last = error
                if error.code not in PASSING:
                    break
            if attempt < self._patience.retries:
                time.sleep(self._patience.seconds(attempt))
        raise InputError(self._explain(last, attempt + 1)) from last

    def _explain(self, error: RequestError, attempts: int) -> str:
        """A failed request in one line, with the remedy."""
        endpoint = self._transport.endpoint
        return _EXPLANATIONS.get(error.code, "{model} at {server} failed: {said}").format(
            model=endpoint.model,
            server=endpoint.server,
            deadline=endpoint.deadline,
            said=error.message,
            tried=f"{attempts} attempt{'s' if attempts > 1 else ''}",
        )


def encode(windows: np.ndarray, send: str) -> np.ndarray:
    """What is sent for frames.

    Args:
      windows: [...,H,W,3] uint8, RGB.
      send: `FLOAT`, `JPEG` or `PNG`.

    Returns:
      [...,H,W,3] float32 in [0,1], or [...] object with the bytes of an image each.
    """
    if send == FLOAT:
        return windows.astype(np.float32) / np.float32(255)
    import cv2  # Of no use where frames are sent as numbers, and slow to import.

    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if send == JPEG else []
    images = np.empty(windows.shape[:-3], object)
    for place in np.ndindex(images.shape):
        images[place] = cv2.imencode(f".{send}", cv2.cvtColor(windows[place], cv2.COLOR_RGB2BGR), options)[1].tobytes()
    return images


def _fits(shape: Sequence[int], tensor: Tensor) -> bool:
    """Whether a value of this shape can be the input."""
    return len(shape) == len(tensor.shape) and all(b in (-1, a) for a, b in zip(shape, tensor.shape))


def _text(shape: Sequence[int]) -> str:
    return f"[{','.join('any' if side < 0 else str(side) for side in shape)}]"
