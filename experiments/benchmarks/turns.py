"""Programs that take turns: each has its own process and makes steps on request.

    driver:  Worker(command).steps(3)   ->  "3\\n"  ->   worker: serve(step, about)
             seconds                    <- "1.25\\n" <-

Two programs that cannot share a process are so measured in alternation, each with its caches and threads warm.
The standard library suffices here, since a worker may run in an environment that has little else.
"""

import json
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Sequence


def serve(step: Callable[[], None], about: Dict[str, Any]) -> None:
    """In the worker: says what it is, then answers each number of steps with the seconds that they took."""
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        for _ in range(int(line)):
            step()
        print(json.dumps(time.perf_counter() - begun), flush=True)


class Worker:
    """In the driver: a process that runs `serve`.

    Args:
      command: What to start.

    Attributes:
      about: What the worker says of itself.

    Raises:
      RuntimeError: the worker ended; its own message stands on stderr.
    """

    def __init__(self, command: Sequence[str]):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about: Dict[str, Any] = self._answer()

    def steps(self, count: int) -> float:
        """Lets it make `count` steps; returns their seconds."""
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._process.args)} ended with status {self._process.wait()}")
        return json.loads(line)
