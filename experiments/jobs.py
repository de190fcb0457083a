"""The runs of an experiment: each in its own process, each recorded when it ends.

    jobs -+-> process: work(job) -+-> one line of the record; a repeated command runs what the record lacks
          +-> process: work(job) -+

A job is a frozen dataclass of JSON types that says all that its result depends on. Its process leaves interruptions to
the parent, ends with it, and has one thread for linear algebra; threads of TensorFlow are the work's own affair.
"""

import collections
import dataclasses
import json
import multiprocessing
import os
import pathlib
from multiprocessing import connection
from typing import Any, Callable, Dict, Iterator, Sequence, Tuple

from elo_tf.config import InputError
from elo_tf.runtime.append_only import AppendOnlyFile
from elo_tf.runtime.progress import progress_bar
from elo_tf.runtime.workers.local import follow_parent, starting

Result = Dict[str, Any]


class Record:
    """A file of finished jobs, one JSON object a line: {"job": {...}, "result": {...}}; one command at a time holds it.

    A line without its end, which a killed command leaves, is cut off.

    Raises:
      InputError: another command holds the file, or it is damaged.
    """

    def __init__(self, path: pathlib.Path):
        self._results: Dict[str, Result] = {}
        busy = f"{path} is in use by another command; wait for its end or use another folder"
        self._file = AppendOnlyFile(path, busy)
        for number, line in enumerate(self._file.lines(), 1):
            try:
                entry = json.loads(line)
                self._results[_key(entry["job"])] = entry["result"]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}, line {number} is damaged ({error}); remove the line") from None

    def __contains__(self, job: Any) -> bool:
        return _key(dataclasses.asdict(job)) in self._results

    def __getitem__(self, job: Any) -> Result:
        return self._results[_key(dataclasses.asdict(job))]

    def add(self, job: Any, result: Result) -> None:
        """Notes a finished job; it is on disk when this returns."""
        facts = dataclasses.asdict(job)
        self._results[_key(facts)] = result
        self._file.append(f"{json.dumps({'job': facts, 'result': result})}\n".encode())

    def of_all_seeds(self, job: Any) -> Dict[int, Result]:
        """Seed -> result of all finished jobs that differ from this one in their `seed` only, by seed."""
        found = {}
        for key, result in self._results.items():
            facts = json.loads(key)
            if _key({**facts, "seed": job.seed}) == _key(dataclasses.asdict(job)):
                found[facts["seed"]] = result
        return dict(sorted(found.items()))


def _key(facts: Dict[str, Any]) -> str:
    return json.dumps(facts, sort_keys=True)


def run(jobs: Sequence[Any], work: Callable[[Any], Result], record: Record, processes: int) -> Iterator[Any]:
    """Runs the jobs that are not in the record, in their order, several at a time; yields each when it is recorded.

    Args:
      jobs: Frozen dataclasses.
      work: Makes a result, of JSON types, of a job; importable by its name.
      record: Where results are kept.
      processes: How many run at a time.

    Raises:
      RuntimeError: a process died, or raised what it has written to stderr. The others are ended.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # The libraries of a new process read it once, when they are loaded.
    jobs = list(dict.fromkeys(jobs))
    todo = collections.deque(job for job in jobs if job not in record)
    running: Dict[connection.Connection, Tuple[Any, multiprocessing.Process]] = {}
    try:
        with progress_bar(len(jobs), "run", len(jobs) - len(todo)) as bar:
            while todo or running:
                while todo and len(running) < processes:
                    job = todo.popleft()
                    pipe, process = _start(work, job)
                    running[pipe] = job, process
                for pipe in connection.wait(list(running)):
                    job, process = running[pipe]
                    record.add(job, _result(pipe, job, process))
                    del running[pipe]
                    bar.update(1)
                    yield job
    finally:
        for pipe, (_, process) in running.items():
            process.kill()
            process.join()
            pipe.close()


def _start(work: Callable, job: Any) -> Tuple[connection.Connection, multiprocessing.Process]:
    """A process for one job: TensorFlow gives its memory and its random state back only with the process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, work, job), daemon=True)
    with starting():
        process.start()
    theirs.close()
    return ours, process


def _result(pipe: connection.Connection, job: Any, process: multiprocessing.Process) -> Result:
    try:
        result = pipe.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"exit status {process.exitcode} instead of a result of {job}") from None
    process.join()
    pipe.close()
    return result


def _serve(pipe: connection.Connection, work: Callable, job: Any) -> None:
    """The life of a process."""
    follow_parent()
    pipe.send(work(job))
