"""Workers as processes of this machine."""

import contextlib
import itertools
import multiprocessing
import os
import sys
import threading
import types
from multiprocessing import connection, resource_tracker
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple, cast

from elo_tf.runtime import interruption
from elo_tf.runtime.machine import cores
from elo_tf.runtime.workers.base import Engine, Handler, LostError, Worker, answer, built

__all__ = ["LocalEngine", "LocalWorker", "cores", "follow_parent", "place", "starting"]

_place = 0

# A process that was killed while it waits for a disk ends when the disk answers; nobody waits for that.
_BURIAL_SECONDS = 5.0


def place() -> int:
    """Which of the workers of this machine this process is, from 0: what they share out among them goes by it.

    A worker has the place of one that was lost before it. 0 in any other process, and for a worker of a cluster, which
    shares its machine out itself.
    """
    return _place


class LocalEngine(Engine["LocalWorker"]):
    """Processes of this machine. They are spawned, not forked, so that they share no lock and no thread."""

    def __init__(self, count: int):
        self.count = count
        self._workers: List[LocalWorker] = []

    def start(self, build: Callable[..., Handler], arguments: Tuple) -> "LocalWorker":
        self._workers = [worker for worker in self._workers if worker.process.is_alive()]
        free = next(number for number in itertools.count() if number not in {each.place for each in self._workers})
        self._workers.append(LocalWorker(build, arguments, free))
        return self._workers[-1]

    def wait(self, workers: Sequence["LocalWorker"], timeout: Optional[float] = None) -> List["LocalWorker"]:
        ready = connection.wait([worker.pipe for worker in workers], timeout)
        return [worker for worker in workers if worker.pipe in ready]

    def lost(self, workers: Sequence["LocalWorker"]) -> List["LocalWorker"]:
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
        self.process = context.Process(target=_serve, args=(theirs, place), daemon=True)
        needs_main = b"__main__" in bytes(ForkingPickler.dumps((build, arguments)))
        with starting(), contextlib.nullcontext() if needs_main else hidden_main():
            self.process.start()
        theirs.close()
        # Through the pipe, so that what cannot be imported there is told by the pipe too.
        self.send((build, arguments))

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
        self.process.join(_BURIAL_SECONDS)
        self.pipe.close()


@contextlib.contextmanager
def hidden_main() -> Iterator[None]:
    """Within it a new process does not import the program that starts it.

    A spawned process imports it, to find what it defines. A script that starts a search without the lines of
    `if __name__ == "__main__"`, as one tries a few lines in, would start another search there.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Around the start of processes that call `follow_parent`: until they do, signals to their group pass them by."""
    resource_tracker.ensure_running()  # When it starts, it lets through what is held back.
    with interruption.held_back():
        yield


def follow_parent() -> None:
    """Leaves signals to the parent of this process, and ends this one when the parent ends, however it ends."""

    # Not None: multiprocessing has started this process.
    parent = cast(BaseProcess, multiprocessing.parent_process())

    def follow() -> None:
        parent.join()
        os._exit(1)

    interruption.ignore()
    threading.Thread(target=follow, daemon=True).start()


def _serve(pipe: connection.Connection, number: int) -> None:
    """The life of a local worker."""
    global _place
    _place = number
    follow_parent()

    def make() -> Handler:
        build, arguments = pipe.recv()
        return build(*arguments)

    try:
        handler, error = built(make)
        pipe.send((None, error))
        while not error:
            pipe.send(answer(handler, pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # The parent has closed its end.
