"""The workers of a search: distributes trials to them, and retries failed ones.

    trials ──> free worker ──> outcome ──> result
                  ├─ died, out of memory, hangs ──> a new worker, the same trial
                  └─ diverged ─────────────> the same trial with its clips in another order

What comes of a trial depends on the trial alone: not on the number of workers, nor on which of them had it, nor on
what happened to the others.
"""

import collections
import dataclasses
import sys
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from elo_tf.config import InputError
from elo_tf.runtime.waiting import EVERY_SECONDS, Wait
from elo_tf.runtime.workers.base import Engine, Handler, HandlerError, LostError, Worker
from elo_tf.search.trials.trial import Ended, Trial, lost

# Workers that may be lost one after the other before they are ready; then it is taken that no more can be had.
_MAX_FALSE_STARTS = 3

# After so long without any worker that is ready, and again each time, the user is told.
_PATIENCE_SECONDS = 60.0

# A trial that takes so many times as long as the longest before it of its length is told of.
_UNUSUAL = 3.0

# Between two looks at workers that may hang.
_LOOK_SECONDS = 1.0


@dataclasses.dataclass
class _Task:
    """A trial on its way, how often it came to nothing (diverged, or lost with its worker), and the seconds it took."""

    trial: Trial
    diverged: int = 0
    lost: int = 0
    seconds: float = 0.0

    @property
    def attempts(self) -> int:
        return self.diverged + self.lost


@dataclasses.dataclass(eq=False)
class _Member:
    """A worker, whether it has started, what it works on, and since when: how long that may take."""

    worker: Worker
    ready: bool = False
    task: Optional[_Task] = None
    wait: Wait = dataclasses.field(default_factory=lambda: Wait(0))


def _to_stdout(message: str) -> None:
    print(message, flush=True)


class Crew:
    """Workers that stay for a whole search; a context manager that ends them.

    Args:
      engine: Where they run, and how many.
      build: Makes the handler of a worker, importable by its name. It answers (name of a method, arguments), and
        ("run", (trial,)) with an `Outcome`.
      arguments: Of `build`.
      retries: Further attempts at a trial that diverges, and at one that is lost.
      trial_minutes: A worker that is at a trial, or a call, for longer is ended; it is then lost. 0 is never.
    """

    def __init__(
        self,
        engine: Engine,
        build: Callable[..., Handler],
        arguments: Tuple,
        retries: int,
        trial_minutes: float = 0.0,
    ):
        self._engine = engine
        self._build = build
        self._arguments = arguments
        self._retries = retries
        self._size = engine.count
        self._members: List[_Member] = []
        self._false_starts = 0
        self._trial_minutes = trial_minutes
        # Of trials that came to an end, by their steps.
        self._longest: Dict[int, float] = {}
        # Of errors in workers that were shown.
        self._places: Set[Tuple[str, ...]] = set()

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: Any) -> None:
        self._engine.close()

    @property
    def size(self) -> int:
        """Workers at a time."""
        return self._size

    def call(self, method: str, *arguments: Any) -> Any:
        """What a method of the handler answers, in any worker; not to be used while trials run.

        Raises:
          InputError: as the handler raised it, or workers failed at it as often as they may.
          OSError: as the handler raised it.
        """
        failed = 0
        while True:
            self._leave_lost()
            self._fill(1)
            free = [member for member in self._members if member.ready]
            if not free:
                for member in self._answering():
                    self._start(member)
                continue
            free[0].wait = Wait(self._trial_minutes)
            free[0].worker.send((method, arguments))
            while not self._engine.wait([free[0].worker], _LOOK_SECONDS) and not free[0].wait.is_over:
                pass
            answer, reason = self._receive(free[0])
            if reason is None:
                return answer
            failed += 1
            if failed > self._retries:
                raise InputError(f"{failed} workers failed at {method!r}, more than --retries allows: {reason}")

    def run(self, trials: Sequence[Trial]) -> Iterator[Ended]:
        """Runs trials side by side; yields each with its result as it ends.

        Raises:
          InputError: workers keep dying before any is ready, or the input is bad.
          OSError: a worker cannot read or write.
        """
        todo = collections.deque(_Task(trial) for trial in trials)
        left = len(todo)
        while left:
            self._leave_lost()
            self._fill(min(self._size, left))
            self._deal(todo)
            for member in self._answering():
                task, member.task = member.task, None
                if task is None:
                    self._start(member)
                    continue
                ended = self._collect(member, task)
                if ended is None:
                    todo.appendleft(task)
                    continue
                left -= 1
                yield ended

    def _leave_lost(self) -> None:
        """Members that are gone while they had nothing to do are members no longer, and cost no trial an attempt."""
        idle = {member.worker: member for member in self._members if member.ready and member.task is None}
        for worker in self._engine.lost(list(idle)):
            worker.kill()
            self._members.remove(idle[worker])

    def _fill(self, count: int) -> None:
        while len(self._members) < count:
            self._members.append(_Member(self._engine.start(self._build, self._arguments)))

    def _deal(self, todo: Deque[_Task]) -> None:
        for member in self._members:
            if todo and member.ready and member.task is None:
                member.task, member.wait = todo.popleft(), Wait(self._trial_minutes, EVERY_SECONDS)
                trial = dataclasses.replace(member.task.trial, attempt=member.task.diverged)
                member.worker.send(("run", (trial,)))

    def _answering(self) -> List[_Member]:
        """Waits for members with something to say, that they have started or what became of their task, or that hang.

        Raises:
          InputError: no member is ready after --start_minutes.
        """
        awaited: Dict[Worker, _Member] = {
            member.worker: member for member in self._members if member.task or not member.ready
        }
        limit = self._engine.start_minutes
        start = Wait(limit, _PATIENCE_SECONDS, _PATIENCE_SECONDS, _to_stdout)
        why = "they are still being built, or a cluster has no room for them"
        while True:
            heard = self._engine.wait(list(awaited), min(_LOOK_SECONDS, start.pause))
            overdue = [member for member in self._members if member.task and member.wait.is_over]
            if heard or overdue:
                return [member for member in self._members if member in overdue or member.worker in heard]
            for member in self._members:
                self._tell_unusual(member)
            if any(member.ready for member in self._members):
                start = Wait(limit, _PATIENCE_SECONDS, _PATIENCE_SECONDS, _to_stdout)
                continue
            if start.is_over:
                raise InputError(f"no worker is ready after {limit:g} minutes (--start_minutes): {why}")
            start.tell(f"No worker is ready after {max(_PATIENCE_SECONDS, start.seconds // 1):g} s: {why}; waiting ...")

    def _tell_unusual(self, member: _Member) -> None:
        """Says that a trial takes far longer than those before it of its length."""
        if member.task is None:
            return
        trial = member.task.trial
        longest = self._longest.get(trial.steps)
        if longest is None or member.wait.seconds < _UNUSUAL * longest:
            return
        limit = f"--trial_minutes={self._trial_minutes:g} ends it" if self._trial_minutes else "--trial_minutes is 0"
        member.wait.tell(
            f"Candidate {trial.candidate} has been trained for {member.wait.seconds:.0f} s, "
            f"{longest:.0f} s were the most before; waiting ({limit}) ..."
        )

    def _start(self, member: _Member) -> None:
        """Takes the first answer of a worker."""
        _, reason = self._receive(member)
        if reason is None:
            member.ready, self._false_starts = True, 0
            return
        self._false_starts += 1
        if self._false_starts < _MAX_FALSE_STARTS:
            return
        died = f"{_MAX_FALSE_STARTS} workers died while they started ({reason}); is there memory for {self._size}?"
        if not any(other.ready for other in self._members):
            raise InputError(f"{died} Use fewer --workers")
        # Those that are there can end the search, and are not to lose what they are at.
        self._size, self._false_starts = len(self._members), 0
        print(f"{died} Going on with {self._size}", flush=True)

    def _collect(self, member: _Member, task: _Task) -> Optional[Ended]:
        """What came of the task that a member had; None where it is to be tried again."""
        seconds = member.wait.seconds
        task.seconds += seconds
        outcome, reason = self._receive(member)
        if reason is None:
            self._longest[task.trial.steps] = max(seconds, self._longest.get(task.trial.steps, 0.0))
            if not outcome.fitness.failed or task.diverged == self._retries:
                return Ended(task.trial, outcome, task.seconds, task.attempts + 1)
            task.diverged += 1
            return None
        task.lost += 1
        if task.lost > self._retries:
            return Ended(task.trial, lost(reason), task.seconds, task.attempts)
        return None

    def _receive(self, member: _Member) -> Tuple[Any, Optional[str]]:
        """The answer of a member, or why there is none: it is then a member no longer."""
        try:
            if member.wait.is_over and not self._engine.wait([member.worker], 0.0):
                raise LostError(f"no answer for {self._trial_minutes:g} minutes, --trial_minutes")
            return member.worker.receive(), None
        except LostError as lost:
            reason = f"worker lost ({lost})"
        except HandlerError as error:
            # Out of memory, or a defect: the state of this worker is not to be trusted.
            self._show_trace(error)
            reason = str(error)
        # Also one that is lost: a cluster that has no contact with it now may have it again, with the place it takes.
        member.worker.kill()
        self._members.remove(member)
        return None, reason

    def _show_trace(self, error: HandlerError) -> None:
        """Prints where in the worker an error arose, once for each place: a reason in one line mends no defect."""
        place = tuple(line for line in error.trace.splitlines() if line.startswith("  File "))
        if place not in self._places:
            self._places.add(place)
            print(error.trace.rstrip(), file=sys.stderr, flush=True)
