"""Errors between a client and a model server, by the codes of gRPC, which TF Serving uses for REST too.

transport  -> RequestError(code, message)  -> predictor: again, or an InputError of one line
"""

import enum
import re


class Code(enum.Enum):
    """Canonical codes, as far as clients tell them apart."""

    INVALID_ARGUMENT = "invalid argument"  # the request itself is wrong: sent again, it is wrong again
    NOT_FOUND = "not found"  # no such model or version
    TOO_LARGE = "too large"  # the request or the answer passes a limit of the client, the server or a proxy
    DEADLINE = "deadline"
    BUSY = "busy"  # the queue of the batcher is full, or the request waited there for too long
    MIXED = "mixed shapes"  # the batch that the request became part of held windows of another shape, and was refused
    UNAVAILABLE = "unavailable"  # nobody listens, the connection broke, or the server is starting or stopping
    OTHER = "other"


# Embedding has no side effects, so that a request whose answer was lost may be sent again.
PASSING = frozenset((Code.DEADLINE, Code.BUSY, Code.MIXED, Code.UNAVAILABLE))


class RequestError(Exception):
    """A request that was not answered with a result.

    Attributes:
      code: What it was.
      message: The server's words, or the library's, in one line, without names of nodes of the graph.
    """

    def __init__(self, code: Code, message: str):
        # TF Serving answers so (FAILED_PRECONDITION, 400) where requests of several clients share a batch.
        self.code = Code.MIXED if "padding is turned off" in message else code
        self.message = " ".join(re.sub(r"\[\[.*?\]\]", "", message).split())[:300]
        super().__init__(f"{code.value}: {self.message}")
