"""Searches that start at once: each is forked from a process that has imported TensorFlow and done nothing with it.

    Nursery().start(flags, log) ──> nursery: fork ──> elo_tf.search in a process group of its own, its workers in it too
    search.kill()  ── SIGKILL ────────────────────────> the whole group
    search.wait() <── exit status ── nursery

A test that starts a search dozens of times would otherwise spend its time on imports. The first worker is forked too;
what a search computes is the same, which such a test shows by mixing both kinds of start.
"""

import contextlib
import itertools
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time
from typing import List, Sequence, Tuple


class Search:
    """A search that runs.

    Attributes:
      pid: Of its first process, and of its process group.
    """

    def __init__(self, nursery: "Nursery", pid: int):
        self.pid = pid
        self._nursery = nursery
        self._status = None

    def kill(self) -> None:
        """SIGKILL to the search and its workers; returns when all are gone."""
        os.killpg(self.pid, signal.SIGKILL)
        self.wait()
        while _alive(self.pid):
            time.sleep(0.005)

    def wait(self) -> int:
        """Its exit status; negative, the signal that ended it."""
        if self._status is None:
            self._status = self._nursery.answer()
        return self._status


class Nursery:
    """The process from which searches are forked, one at a time; a context manager that ends it."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm_search"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, arguments: Sequence[str], log: pathlib.Path, largest: int = -1) -> Search:
        """A new search with these flags; output goes to `log`; no file grows above `largest` bytes but by workers."""
        self._process.stdin.write(json.dumps([list(arguments), str(log), largest]) + "\n")
        self._process.stdin.flush()
        return Search(self, self.answer())

    def answer(self) -> int:
        """The next number that the nursery says: the pid of a search that begins, or the status of one that ended."""
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the nursery ended with status {self._process.wait()}")
        return int(line)

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait()


def _alive(group: int) -> List[int]:
    """Threads of a process group that still hold its files: a zombie, which no one may ever collect, holds none.

    All threads, since the first of a process can have ended long before the last.
    """
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            if _state(process)[1] == group:
                for thread in (process / "task").iterdir():
                    with contextlib.suppress(OSError):
                        found += [thread] * (_state(thread)[0] not in "ZX")
    return [int(thread.name) for thread in found]


def _state(process: pathlib.Path) -> Tuple[str, int]:
    """State and process group, of a folder of /proc."""
    state, _, group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
    return state, int(group)


def _lift_limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _serve() -> None:
    """In the nursery: forks a search for each line, says its pid, then its exit status."""
    import multiprocessing

    from elo_tf.runtime import command_line
    from elo_tf.search import __main__ as search
    from elo_tf.search import api  # noqa: F401, imported here so that no search has to.

    # The first worker of a search begins before the search uses TensorFlow; afterwards a fork would share its threads.
    context, methods = multiprocessing.get_context, itertools.chain(["fork"], itertools.repeat("spawn"))
    multiprocessing.get_context = lambda method=None: context(next(methods) if method == "spawn" else method)
    for line in sys.stdin:
        arguments, log, largest = json.loads(line)
        pid = os.fork()
        if not pid:
            os.setsid()
            descriptors = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for source, target in zip((descriptors[0], descriptors[1], descriptors[1]), (0, 1, 2)):
                os.dup2(source, target)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
            # TensorFlow writes the functions that it traces to files of its own.
            os.register_at_fork(after_in_child=_lift_limit)
            sys.argv[1:] = arguments
            command_line.run(search.main, search.__doc__, search.CONFIGS)
            sys.exit(0)
        print(pid, flush=True)
        status = os.waitpid(pid, 0)[1]
        print(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), flush=True)


if __name__ == "__main__":
    _serve()
