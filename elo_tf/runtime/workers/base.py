"""Workers: objects in other processes, on this or other machines, that answer messages.

    engine.start(build, arguments) ──> process: handler = build(*arguments)
    worker.receive()               <──  None: it is ready
    worker.send(message)           ──>          answer = handler(message)
    worker.receive()               <──  the answer, or what the handler raised

A worker answers its messages in their order. It never outlives the program, and one that ends before its time costs
what it had not answered: `receive` raises `LostError`, and whoever sent the message sends it to another. One that waits
for a place to run, on a busy cluster, is not ready, and nothing should be sent to it that others could do.
"""

import abc
import traceback
from typing import Any, Callable, Generic, List, Optional, Sequence, Tuple, TypeVar

from elo_tf.config import InputError

# What a handler makes of a message; the message and the answer can be pickled.
Handler = Callable[[Any], Any]


class LostError(RuntimeError):
    """A worker ended before it answered; the message says how."""


class HandlerError(RuntimeError):
    """A handler raised what is neither bad input nor a failure of the system; the message names it.

    Attributes:
      trace: The traceback in the worker.
    """

    def __init__(self, message: str, trace: str = ""):
        super().__init__(message, trace)
        self.trace = trace

    def __str__(self) -> str:
        return self.args[0]


class Worker(abc.ABC):
    """One process and its handler."""

    @abc.abstractmethod
    def send(self, message: Any) -> None:
        """Hands over a message; that the worker is gone is told by `receive`."""

    @abc.abstractmethod
    def receive(self) -> Any:
        """The next answer, the first being None once the worker is ready; waits for it.

        Raises:
          InputError, OSError: as the handler raised it, or the function that builds it.
          HandlerError: the handler raised anything else.
          LostError: the worker is gone.
        """

    @abc.abstractmethod
    def kill(self) -> None:
        """Ends the process, whatever it does."""


AnyWorker = TypeVar("AnyWorker", bound=Worker)


class Engine(abc.ABC, Generic[AnyWorker]):
    """Starts workers; a context manager that ends what it has started.

    Attributes:
      count: How many workers are meant to run at a time.
      start_minutes: The longest that whoever uses the engine waits for a first worker that is ready; 0 is for ever.
    """

    count: int
    start_minutes: float = 0.0

    @abc.abstractmethod
    def start(self, build: Callable[..., Handler], arguments: Tuple) -> AnyWorker:
        """A new worker, which may still be waiting for a place to run.

        Args:
          build: Makes the handler, in the worker; importable by its name. Where it is not, there, `receive` raises an
            `InputError`: no other worker could import it.
          arguments: Of `build`; can be pickled.
        """

    @abc.abstractmethod
    def wait(self, workers: Sequence[AnyWorker], timeout: Optional[float] = None) -> List[AnyWorker]:
        """Those of the workers whose `receive` would not wait; empty after `timeout` seconds without any."""

    @abc.abstractmethod
    def lost(self, workers: Sequence[AnyWorker]) -> List[AnyWorker]:
        """Those of the workers, which owe no answer, that are known to be gone."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends all workers."""

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def answer(handler: Handler, message: Any) -> Tuple[Any, Optional[Exception]]:
    """What a handler makes of a message, and what it raised, in a form that can be pickled."""
    try:
        return handler(message), None
    except (InputError, OSError) as error:
        return None, error
    except Exception as error:  # Any other is reported by the program, not by this process.
        line = " ".join(str(error).split())[:500]
        return None, HandlerError(f"{type(error).__name__}: {line}", traceback.format_exc())


def built(make: Callable[[], Handler]) -> Tuple[Any, Optional[Exception]]:
    """The handler of a new worker, and what was raised in place of one, in a form that can be pickled."""

    def importing(_):
        try:
            return make()
        except ImportError as error:
            raise cannot_import(f"{type(error).__name__}: {error}") from None

    return answer(importing, None)


def cannot_import(why: str) -> InputError:
    """What the first worker is answered for that lacks a package: all others would lack it too."""
    return InputError(
        f"a worker cannot start ({why}); install the same packages, of the same versions, on every machine that runs "
        "workers"
    )
