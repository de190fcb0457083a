"""Deals out videos to workers that convert them, each into its own shards; one that dies costs at most its open shards.

pool ── id ───> worker ── [("line", line), ("shard", path, split, lines), ...] ──> pool
     ── None ─> worker closes its shards ── [("shard", ...), ...] ──> pool
"""

import collections
import typing
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Tuple

from elo_tf.config import InputError
from elo_tf.data.records import source_of
from elo_tf.runtime.workers.base import Engine, LostError, Worker

# A kind, "line" or "shard", and what belongs to it.
Event = Tuple

_AHEAD = 2  # videos a worker holds, so that it never waits for the pool
_MAX_DEATHS_A_VIDEO = 2
_MAX_DEATHS = 50  # One after the other, with no shard finished between them.


class _Member:
    """A worker and what it owes.

    Attributes:
      ready: Whether it has started.
      given: Videos sent and not yet answered, in order.
      unsafe: Videos answered whose shard is still open.
      told_to_end: Whether it has been told to close its shards.
    """

    def __init__(self, worker: Worker):
        self.worker = worker
        self.ready = False
        self.given: Deque[str] = collections.deque()
        self.unsafe: Dict[str, None] = {}
        self.told_to_end = False


class Pool:
    """The videos to do and the workers; a context manager that leaves no worker behind."""

    def __init__(self, engine: Engine, build: Callable, arguments: Tuple, todo: Sequence[str]):
        """
        Args:
          engine: Where workers run, and how many.
          build: Makes a worker's converter (`add`, `finished`) of `arguments`, in the worker; importable by its name.
          todo: Ids of the videos.
        """
        self._engine = engine
        self._new_member = lambda: _Member(engine.start(_Handler, (build, arguments)))
        self._todo = collections.deque(todo)
        self._suspected: typing.Counter[str] = collections.Counter()
        self._deaths = 0
        self._members: List[_Member] = []

    def __enter__(self) -> "Pool":
        self._members = [self._new_member() for _ in range(min(self._engine.count, len(self._todo)))]
        return self

    def __exit__(self, *_) -> None:
        self._engine.close()

    def drain(self) -> None:
        """Deals out no further video. `events` then ends as soon as the workers have closed their shards."""
        self._todo.clear()

    def events(self) -> Iterator[Event]:
        """Yields ("line", line) and ("shard", path, split, lines) until nothing is left to do.

        Raises:
          OSError: a worker cannot write.
          InputError: workers keep dying.
        """
        while self._todo or any(member.ready for member in self._members):
            for member in self._members:
                self._feed(member)
            ready = self._engine.wait([member.worker for member in self._members])
            for member in [member for member in self._members if member.worker in ready]:
                try:
                    answer = member.worker.receive()
                except LostError as lost:
                    yield from self._bury(member, str(lost))
                else:
                    yield from self._take(member, answer)

    def _feed(self, member: _Member) -> None:
        if not member.ready or member.told_to_end:
            return
        while self._todo and len(member.given) < _AHEAD:
            member.given.append(self._todo.popleft())
            member.worker.send(member.given[-1])
        if not member.given:
            member.told_to_end = True
            member.worker.send(None)

    def _take(self, member: _Member, answer: Optional[List[Event]]) -> Iterator[Event]:
        if not member.ready:
            member.ready = True
            return
        for event in answer:
            if event[0] == "line":
                member.given.popleft()
                if event[1]["ok"]:
                    member.unsafe[event[1]["id"]] = None
            else:
                self._deaths = 0
                for line in event[3]:
                    member.unsafe.pop(source_of(line), None)
            yield event
        if member.told_to_end and not member.given:
            self._members.remove(member)
            member.worker.kill()

    def _bury(self, member: _Member, how: str) -> Iterator[Event]:
        """Takes a worker that died off the list; its unfinished videos go back, to a new worker."""
        self._members.remove(member)
        self._deaths += 1
        if self._deaths > _MAX_DEATHS:
            raise InputError(
                f"{self._deaths} workers died with no shard finished between them, the last one so: {how}; is there "
                "memory and disk for them? What is converted stays: give the command again, with fewer --workers"
            )
        lost = [*member.unsafe, *member.given]
        if member.given:
            suspect = member.given[0]
            self._suspected[suspect] += 1
            if self._suspected[suspect] >= _MAX_DEATHS_A_VIDEO:
                lost.remove(suspect)
                why = f"the converter died on it twice ({how})"
                yield "line", {"id": suspect, "ok": False, "why": why, "again": True, "file": None}
        self._todo.extendleft(reversed(lost))
        if self._todo:
            self._members.append(self._new_member())


class _Handler:
    """What a worker does with a message of the pool."""

    def __init__(self, build: Callable, arguments: Tuple[Any, ...]):
        self._converter = build(*arguments)

    def __call__(self, video: Optional[str]) -> List[Event]:
        lines = [] if video is None else [("line", self._converter.add(video))]
        return lines + [("shard", *shard) for shard in self._converter.finished(last=video is None)]
