"""Distributes videos to workers, each with its own shards; a dead worker loses at most its open shards.

pool ── id ───> worker ── [("video", entry), ("shard", path, split, entries), ...] ──> pool
     ── None ─> worker closes its shards ── [("shard", ...), ...] ──> pool
"""

import collections
import sys
import time
import typing
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Tuple

from elo_tf.config import InputError
from elo_tf.data.video_entry import UnusableVideo, VideoEntry
from elo_tf.runtime.waiting import EVERY_SECONDS, Wait
from elo_tf.runtime.workers.base import Engine, HandlerError, LostError, Worker

# A kind, "video" or "shard", and what belongs to it.
Event = Tuple

_AHEAD = 2  # videos a worker holds, so that it never waits for the pool
_MAX_DEATHS_A_VIDEO = 2
_LOOK_SECONDS = 1.0  # Between two looks at workers that may be overdue.
_MAX_DEATHS = 50  # One after the other, with no shard finished between them.
_MAX_FALSE_STARTS = 3  # Workers that died one after the other before they were ready.


class _Member:
    """A worker and what it owes.

    Attributes:
      ready: Whether it has started.
      given: Videos sent and not yet answered, in order.
      unsafe: Videos answered whose shard is still open.
      told_to_end: Whether it has been told to close its shards.
      since: When it began what it does now, by the monotonic clock.
    """

    def __init__(self, worker: Worker):
        self.worker = worker
        self.since = time.monotonic()
        self.ready = False
        self.given: Deque[str] = collections.deque()
        self.unsafe: Dict[str, None] = {}
        self.told_to_end = False


class Pool:
    """The videos to do and the workers; a context manager that leaves no worker behind."""

    def __init__(self, engine: Engine, build: Callable, arguments: Tuple, todo: Sequence[str], minutes: float = 0.0):
        """
        Args:
          engine: Where workers run, and how many.
          build: Makes a worker's converter (`add`, `finished`) of `arguments`, in the worker; importable by its name.
          todo: Ids of the videos.
          minutes: A worker that is at a video for longer is ended; 0 is never.
        """
        self._engine = engine
        self._new_member = lambda: _Member(engine.start(_Handler, (build, arguments)))
        self._todo = collections.deque(todo)
        self._suspected: typing.Counter[str] = collections.Counter()
        self._deaths = self._false_starts = 0
        self._members: List[_Member] = []
        self._minutes = minutes
        self._start = self._new_start()
        self._last = Wait(0)  # From when on it waits for the last answers only.
        self._shown: typing.Set[str] = set()

    def __enter__(self) -> "Pool":
        self._members = [self._new_member() for _ in range(min(self._engine.count, len(self._todo)))]
        self._start = self._new_start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._engine.close()

    def _new_start(self) -> Wait:
        """The wait for a worker that is ready."""
        return Wait(self._engine.start_minutes, first=EVERY_SECONDS)

    def drain(self, seconds: float = 0.0) -> None:
        """Deals out no further video. `events` then ends as soon as the workers have closed their shards.

        Args:
          seconds: The longest that it takes them; what they have not closed by then is lost. 0 sets no limit.
        """
        self._todo.clear()
        if seconds:
            self._last = Wait(seconds / 60)

    def events(self) -> Iterator[Event]:
        """Yields ("video", entry) and ("shard", path, split, entries) until nothing is left to do.

        Raises:
          OSError: a worker cannot write.
          InputError: workers keep dying, or none is to be had.
        """
        while (self._todo or any(member.ready for member in self._members)) and not self._last.is_over:
            for member in self._members:
                self._feed(member)
            pause = min(_LOOK_SECONDS, self._last.left)
            ready = self._engine.wait([member.worker for member in self._members], pause)
            for member in [member for member in self._members if member.worker in ready]:
                try:
                    answer = member.worker.receive()
                except (LostError, HandlerError) as lost:
                    self._show_trace(lost)
                    yield from self._bury(member, str(lost))
                else:
                    yield from self._take(member, answer)
            yield from self._end_overdue()

    def _end_overdue(self) -> Iterator[Event]:
        """Ends workers that are at a video for too long; ends all where none is ready for too long."""
        for member in [member for member in self._members if member.ready and member.given]:
            if self._minutes and time.monotonic() > member.since + 60 * self._minutes:
                yield from self._bury(member, f"no answer for {self._minutes:g} minutes, --video_minutes", hung=True)
        if not self._members or any(member.ready for member in self._members):
            self._start = self._new_start()
            return
        waiting = f"no worker is ready after {self._start.seconds:.0f} s: they start, or a cluster has no room for them"
        if self._start.is_over:
            raise InputError(f"{waiting}; --start_minutes={self._engine.start_minutes:g} is the limit")
        self._start.tell(waiting)

    def _show_trace(self, lost: Exception) -> None:
        """Prints where in a worker an error arose, once for each kind: a reason in one line mends no defect."""
        if isinstance(lost, HandlerError) and str(lost) not in self._shown:
            self._shown.add(str(lost))
            print(lost.trace.rstrip(), file=sys.stderr, flush=True)

    def _feed(self, member: _Member) -> None:
        if not member.ready or member.told_to_end:
            return
        while self._todo and len(member.given) < _AHEAD:
            if not member.given:
                member.since = time.monotonic()
            member.given.append(self._todo.popleft())
            member.worker.send(member.given[-1])
        if not member.given:
            member.told_to_end = True
            member.worker.send(None)

    def _take(self, member: _Member, answer: Optional[List[Event]]) -> Iterator[Event]:
        member.since = time.monotonic()
        if not member.ready:
            member.ready, self._false_starts = True, 0
            return
        for event in answer or ():
            if event[0] == "video":
                member.given.popleft()
                if isinstance(event[1], VideoEntry):
                    member.unsafe[event[1].id] = None
            else:
                self._deaths = 0
                for entry in event[3]:
                    member.unsafe.pop(entry.video, None)
            yield event
        if member.told_to_end and not member.given:
            self._members.remove(member)
            member.worker.kill()

    def _bury(self, member: _Member, how: str, hung: bool = False) -> Iterator[Event]:
        """Takes a worker that died, or hangs, off the list; its unfinished videos go back, to a new worker."""
        self._members.remove(member)
        member.worker.kill()
        if not member.ready:
            self._check_starts(how)
        self._deaths += 1
        if self._deaths > _MAX_DEATHS:
            raise InputError(
                f"{self._deaths} workers died one after the other without a finished shard, the last one: {how}; "
                "finished records are kept: rerun the command, with fewer --workers if memory ran out"
            )
        lost = [*member.unsafe, *member.given]
        if member.given:
            suspect = member.given[0]
            self._suspected[suspect] += 1
            if hung or self._suspected[suspect] >= _MAX_DEATHS_A_VIDEO:
                lost.remove(suspect)
                why = f"the converter {'hangs on it' if hung else 'died on it twice'} ({how})"
                yield "video", UnusableVideo(suspect, why, again=True)
        self._todo.extendleft(reversed(lost))
        if self._todo:
            self._members.append(self._new_member())

    def _check_starts(self, how: str) -> None:
        """Counts a worker that died before it was ready; others would die like it."""
        self._false_starts += 1
        if self._false_starts >= _MAX_FALSE_STARTS and not any(member.ready for member in self._members):
            raise InputError(
                f"{self._false_starts} workers died while they started, the last one: {how}; finished records are "
                "kept: fix the cause and rerun the command"
            )


class _Handler:
    """What a worker does with a message of the pool."""

    def __init__(self, build: Callable, arguments: Tuple[Any, ...]):
        self._converter = build(*arguments)

    def __call__(self, video: Optional[str]) -> List[Event]:
        entries = [] if video is None else [("video", self._converter.add(video))]
        return entries + [("shard", *shard) for shard in self._converter.finished(last=video is None)]
