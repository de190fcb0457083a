"""Worker processes that convert videos, each into its own shards; a worker that dies costs at most its open shards.

    parent --- id ---> worker
           <-- ("line", line) after each video, ("shard", path, split, lines) when one is full
           --- None -> worker closes its shards and ends

Workers are spawned, not forked, so that they share no lock and no thread with the program. A worker whose parent is
gone sees the end of its pipe and ends.
"""

import collections
import multiprocessing
import os
import signal
import typing
from multiprocessing import connection
from typing import Any, Callable, Deque, Dict, Iterator, List, Sequence, Tuple

from elo_tf.config import InputError

_AHEAD = 2  # videos a worker holds, so that it never waits for the parent
_MAX_DEATHS_A_VIDEO = 2
_MAX_DEATHS = 50


def parse_workers(text: str) -> int:
    """Number of processes meant by `--workers`: `local` is one a core that this process may use, `local:2` is two.

    Raises:
      InputError: anything else.
    """
    kind, _, count = text.partition(":")
    if kind == "local" and text == "local":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if kind == "local" and count.isdecimal() and int(count) > 0:
        return int(count)
    raise InputError(f"--workers={text!r} is not understood; write local (all cores) or local:2 (two processes)")


class _Worker:
    """A process and what it owes.

    Attributes:
      given: Videos sent and not yet answered, in order.
      unsafe: Videos answered whose shard is still open.
    """

    def __init__(self, build: Callable, arguments: Tuple):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, build, arguments), daemon=True)
        self.process.start()
        theirs.close()
        self.given: Deque[str] = collections.deque()
        self.unsafe: Dict[str, None] = {}
        self.told_to_end = False


class Pool:
    """Deals out videos to processes and gathers what they answer; a context manager that leaves no process behind."""

    def __init__(self, build: Callable, arguments: Tuple, todo: Sequence[str], count: int):
        """
        Args:
          build: Makes a worker's converter (`add`, `finished`) of `arguments`, in the worker; importable by its name.
          todo: Ids of the videos.
          count: Number of processes.
        """
        self._new_worker = lambda: _Worker(build, arguments)
        self._todo = collections.deque(todo)
        self._suspected: typing.Counter[str] = collections.Counter()
        self._deaths = 0
        self._workers: List[_Worker] = []
        self._count = min(count, len(self._todo))

    def __enter__(self) -> "Pool":
        self._workers = [self._new_worker() for _ in range(self._count)]
        return self

    def __exit__(self, *_) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()

    def drain(self) -> None:
        """Deals out no further video. `events` then ends as soon as the workers have closed their shards."""
        self._todo.clear()

    def events(self) -> Iterator[Tuple]:
        """Yields ("line", line) and ("shard", path, split, lines) until nothing is left to do.

        Raises:
          OSError: a worker cannot write.
          RuntimeError: workers keep dying.
        """
        while self._workers:
            for worker in self._workers:
                self._feed(worker)
            ready = connection.wait([worker.pipe for worker in self._workers])
            for worker in [worker for worker in self._workers if worker.pipe in ready]:
                try:
                    message = worker.pipe.recv()
                except (EOFError, OSError):
                    yield from self._bury(worker)
                    continue
                if message[0] == "failed":
                    raise OSError(*message[1:])
                self._note(worker, message)
                yield message

    def _feed(self, worker: _Worker) -> None:
        if worker.told_to_end:
            return
        try:
            while self._todo and len(worker.given) < _AHEAD:
                worker.given.append(self._todo.popleft())
                worker.pipe.send(worker.given[-1])
            if not worker.given:
                worker.told_to_end = True
                worker.pipe.send(None)
        except OSError:
            pass  # It died; its pipe is ready to say so.

    def _note(self, worker: _Worker, message: Tuple) -> None:
        if message[0] == "line":
            worker.given.popleft()
            if message[1]["ok"]:
                worker.unsafe[message[1]["id"]] = None
        else:
            for line in message[3]:
                del worker.unsafe[line["id"]]

    def _bury(self, worker: _Worker) -> Iterator[Tuple]:
        """Takes a worker that ended off the list; if it died, its unfinished videos go back, to a new worker."""
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        lost = [*worker.unsafe, *worker.given]
        if not lost:
            return
        self._deaths += 1
        if self._deaths > _MAX_DEATHS:
            raise RuntimeError(f"workers keep dying, the last one with exit status {worker.process.exitcode}")
        if worker.given:
            suspect = worker.given[0]
            self._suspected[suspect] += 1
            if self._suspected[suspect] >= _MAX_DEATHS_A_VIDEO:
                lost.remove(suspect)
                why = f"the converter died on it twice (exit status {worker.process.exitcode})"
                yield "line", {"id": suspect, "ok": False, "why": why, "again": True, "file": None}
        self._todo.extendleft(reversed(lost))
        if self._todo:
            self._workers.append(self._new_worker())


def _serve(pipe: connection.Connection, build: Callable, arguments: Tuple[Any, ...]) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent decides what an interruption means.
    try:
        converter = build(*arguments)
        for video in iter(pipe.recv, None):
            pipe.send(("line", converter.add(video)))
            for shard in converter.finished():
                pipe.send(("shard", *shard))
        for shard in converter.finished(last=True):
            pipe.send(("shard", *shard))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # The parent is gone.
    except OSError as error:
        pipe.send(("failed", error.errno, error.strerror))
