"""Objects in processes of their own, which answer what they are sent: on this machine here, on others in `ray_workers`.

    engine.start(build, arguments) ──> process: handler = build(*arguments)
    worker.receive()               <──  None: it is ready
    worker.send(message)           ──>          answer = handler(message)
    worker.receive()               <──  the answer, or what the handler raised

A worker answers its messages in their order. It never outlives the program, and one that ends before its time costs
what it had not answered: `receive` raises `LostError`, and whoever sent the message sends it to another. One that waits
for a place to run, on a busy cluster, is not ready, and nothing should be sent to it that others could do.
"""

import abc
import itertools
import multiprocessing
import os
import signal
import threading
import traceback
from multiprocessing import connection
from typing import Any, Callable, List, Optional, Sequence, Tuple

from elo_tf.config import InputError

# What a handler makes of a message; the message and the answer can be pickled.
Handler = Callable[[Any], Any]

_place = 0


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


class Engine(abc.ABC):
    """Starts workers; a context manager that ends what it has started.

    Attributes:
      count: How many workers are meant to run at a time.
    """

    count: int

    @abc.abstractmethod
    def start(self, build: Callable[..., Handler], arguments: Tuple) -> Worker:
        """A new worker, which may still be waiting for a place to run.

        Args:
          build: Makes the handler, in the worker; importable by its name.
          arguments: Of `build`; can be pickled.
        """

    @abc.abstractmethod
    def wait(self, workers: Sequence[Worker], timeout: Optional[float] = None) -> List[Worker]:
        """Those of the workers whose `receive` would not wait; empty after `timeout` seconds without any."""

    @abc.abstractmethod
    def lost(self, workers: Sequence[Worker]) -> List[Worker]:
        """Those of the workers, which owe no answer, that are known to be gone."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends all workers."""

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def parse(text: str, ray_address: str = "auto", gpus: float = 0.0) -> "Engine":
    """The engine that `--workers` means.

    Args:
      text: `local`, a process for each core that this one may use; `local:2`, two processes; `ray`, as many as the
        cluster has room for; `ray:16`, sixteen of them.
      ray_address: Where the cluster is, for `ray`.
      gpus: That each worker of `ray` takes; may be a fraction.

    Raises:
      InputError: anything else, or there is no such cluster.
    """
    kind, colon, count = text.partition(":")
    if kind in ("local", "ray") and (not colon or (count.isdecimal() and int(count) > 0)):
        if kind == "local":
            return LocalEngine(int(count) if colon else cores())
        from elo_tf.ray_workers import RayEngine

        return RayEngine(ray_address, int(count) if colon else 0, gpus)
    raise InputError(
        f"--workers={text!r} is not understood; write local (all cores), local:2 (two processes), ray or ray:16"
    )


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def place() -> int:
    """Which of the workers of this machine this process is, from 0: what they share out among them goes by it.

    A worker has the place of one that was lost before it. 0 in any other process, and for a worker of a cluster, which
    shares its machine out itself.
    """
    return _place


class LocalEngine(Engine):
    """Processes of this machine. They are spawned, not forked, so that they share no lock and no thread."""

    def __init__(self, count: int):
        self.count = count
        self._workers: List[LocalWorker] = []

    def start(self, build: Callable[..., Handler], arguments: Tuple) -> "LocalWorker":
        self._workers = [worker for worker in self._workers if worker.process.is_alive()]
        free = next(number for number in itertools.count() if number not in {each.place for each in self._workers})
        self._workers.append(LocalWorker(build, arguments, free))
        return self._workers[-1]

    def wait(self, workers: Sequence[Worker], timeout: Optional[float] = None) -> List[Worker]:
        ready = connection.wait([worker.pipe for worker in workers], timeout)
        return [worker for worker in workers if worker.pipe in ready]

    def lost(self, workers: Sequence[Worker]) -> List[Worker]:
        return [worker for worker in workers if not worker.process.is_alive()]

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers = []


class LocalWorker(Worker):
    """A process at the other end of a pipe.

    Attributes:
      place: `place()` in that process.
    """

    def __init__(self, build: Callable[..., Handler], arguments: Tuple, place: int):
        self.place = place
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, build, arguments, place), daemon=True)
        self.process.start()
        theirs.close()

    def send(self, message: Any) -> None:
        try:
            self.pipe.send(message)
        except OSError:
            pass  # It is gone; its pipe is ready to say so.

    def receive(self) -> Any:
        try:
            answer, error = self.pipe.recv()
        except (EOFError, OSError):
            self.kill()
            raise LostError(f"exit status {self.process.exitcode}") from None
        if error is not None:
            raise error
        return answer

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def answer(handler: Handler, message: Any) -> Tuple[Any, Optional[Exception]]:
    """What a handler makes of a message, and what it raised, in a form that can be pickled."""
    try:
        return handler(message), None
    except (InputError, OSError) as error:
        return None, error
    except Exception as error:  # Any other is reported by the program, not by this process.
        line = " ".join(str(error).split())[:500]
        return None, HandlerError(f"{type(error).__name__}: {line}", traceback.format_exc())


def follow_parent() -> None:
    """Leaves interruptions to the parent of this process, and ends this one when the parent ends, however it ends."""

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=follow, daemon=True).start()


def _serve(pipe: connection.Connection, build: Callable[..., Handler], arguments: Tuple[Any, ...], number: int) -> None:
    """The life of a local worker."""
    global _place
    _place = number
    follow_parent()
    handler, error = answer(lambda given: build(*given), arguments)
    try:
        pipe.send((None, error))
        while not error:
            pipe.send(answer(handler, pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # The parent has closed its end.
