"""The interface of REST and gRPC: addresses of server and model, requests and answers."""

import abc
import dataclasses
import urllib.parse
from typing import Dict, List, Tuple

import numpy as np

from elo_tf.config import InputError


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A model on a server, and the limits of talking to it.

    Attributes:
      server: host:port.
      model: Name of the model on the server.
      deadline: Seconds that one attempt at a request may take.
      max_bytes: Largest request and answer.
      connections: Requests under way at once.
    """

    server: str
    model: str
    deadline: float
    max_bytes: int
    connections: int

    def address(self) -> Tuple[str, int]:
        """Host and port.

        Raises:
          InputError: `server` is something else.
        """
        try:
            parts = urllib.parse.urlsplit(f"//{self.server}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or not port or parts.path or parts.username:
            raise InputError(f"--server={self.server} is not host:port, such as 127.0.0.1:8501")
        return host, port


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """State of one version: START, LOADING, AVAILABLE, UNLOADING or END; `error` says why it ended, "" if well."""

    version: int
    state: str
    error: str


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output of a signature: type as in `DT_FLOAT`, and its sizes, -1 where any will do."""

    dtype: str
    shape: Tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Signature:
    """Inputs and outputs by name."""

    inputs: Dict[str, Tensor]
    outputs: Dict[str, Tensor]


class Transport(abc.ABC):
    """One way to talk to TF Serving. Each method is one attempt, usable from any thread, and raises `RequestError`."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint = endpoint

    @abc.abstractmethod
    def status(self) -> List[VersionStatus]:
        """State of all versions of the model."""

    @abc.abstractmethod
    def signatures(self, version: int) -> Dict[str, Signature]:
        """The signatures of a version that is available, by name."""

    @abc.abstractmethod
    def predict(self, version: int, signature: str, name: str, value: np.ndarray) -> Dict[str, np.ndarray]:
        """Runs a signature of one input.

        Args:
          version: A version that is available.
          signature: Name of the signature.
          name: Name of its input.
          value: float32, or object with bytes in it.

        Returns:
          float32 outputs by name.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Ends all connections."""
