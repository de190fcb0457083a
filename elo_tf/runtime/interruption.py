"""SIGINT, SIGTERM and SIGHUP end a command at any moment, which first saves what it can within seconds.

    signal ─┬─> main thread, as soon as it runs Python: raises `Interrupted`, or tells the loop that `listens`
            └─> watch, a thread: when the grace is over, ends child processes and the program

The watch is needed where C++ code holds the main thread, and where a library swallows the exception.
"""

import contextlib
import math
import os
import pathlib
import select
import signal
import sys
import threading
import time
import types
from typing import Dict, Iterator, List, Optional, Set, Type

from elo_tf.runtime import standard_streams

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WORDS: Dict[int, str] = {signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
# Between a signal and the end of the program, however busy it is; schedulers follow with SIGKILL after 30 s.
GRACE_SECONDS = 20.0
# A second signal after so long ends the program at once. `timeout` and some schedulers send the first one twice.
_REPEATED_SECONDS = 1.0
_LOOK_SECONDS = 0.2


class Interrupted(KeyboardInterrupt):
    """One of `SIGNALS` has come; context managers save what they hold."""


class _State:
    """What this process has been told.

    Attributes:
      received: The first signal; None before.
      heard: Receives signals in place of the exception, within `listening`.
      grace: Seconds from the signal to the end.
      taken: Signals that `guard` has put a handler in place for.
      watched: The process whose signals the watch sees; a forked one needs its own.
    """

    received: Optional[int] = None
    heard: Optional[List[int]] = None
    grace = GRACE_SECONDS
    taken: Set[int] = set()
    watched: Optional[int] = None


def guard(name: str = "__main__") -> None:
    """Makes signals end this program by one line.

    Args:
      name: `__name__` of the caller: modules call this before their slow imports, but only where they are the command.
    """
    if name != "__main__" or threading.current_thread() is not threading.main_thread():
        return
    standard_streams.open_missing()  # Before the pipe below, which would be one of them.
    for number in SIGNALS:
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # nohup: the user means it to go on without a terminal.
        # SIGINT also where it is ignored, as shells do with programs in the background: who sends it means it.
        signal.signal(number, _take)
        _State.taken.add(number)
    if _State.watched != os.getpid():
        _State.watched, _State.received = os.getpid(), None
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True).start()
        sys.excepthook = _show  # Of what is raised before the command itself has begun.


def restore() -> None:
    """Puts the handlers of `guard` back, where it was called, after a library has put its own in their place."""
    for number in _State.taken:
        signal.signal(number, _take)


def received() -> Optional[int]:
    """The signal that ends this program, or None."""
    return _State.received


@contextlib.contextmanager
def listening(grace: float = GRACE_SECONDS) -> Iterator[List[int]]:
    """Gives a list that receives the signals; the caller looks at it where it can stop.

    Args:
      grace: Seconds that the caller has for it; then the program is ended.
    """
    before = _State.grace
    _State.heard, _State.grace = [], grace
    try:
        yield _State.heard
    finally:
        _State.heard, _State.grace = None, before


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Lets signals end the program without a word, around C++ code that keeps all Python threads from running."""
    try:
        for number in _State.taken:
            signal.signal(number, signal.SIG_DFL)
        yield
    finally:
        restore()


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Signals to this thread wait; a process that it starts within never sees any, unless it asks for them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore() -> None:
    """Leaves signals to the parent of this process, which also ends the programs that this one starts."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def end(number: int, silently: bool = False) -> None:
    """Ends the program and its children, with the exit status of the signal; nothing waits for C++ threads any more.

    Args:
      number: The signal.
      silently: Without the line that says so; the caller has said it.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    _end(number, silently)


def _end(number: int, silently: bool = False) -> None:
    _kill_children()
    with contextlib.suppress(OSError):  # Not through sys.stderr, whose lock the main thread may hold.
        os.write(2, b"" if silently else f"{_WORDS.get(number, 'interrupted')}; what is finished is kept\n".encode())
    os._exit(128 + number)


def _show(kind: Type[BaseException], error: BaseException, trace: Optional[types.TracebackType]) -> None:
    if _State.received is not None:
        end(_State.received)
    sys.__excepthook__(kind, error, trace)


def _take(number: int, _: Optional[types.FrameType]) -> None:
    """The handler; runs in the main thread."""
    first, _State.received = _State.received is None, _State.received or number
    if _State.heard is not None:
        _State.heard.append(number)
    elif first:
        raise Interrupted(signal.Signals(number).name)


def _watch(reader: int) -> None:
    number: Optional[int] = None
    begun = math.inf
    while number is None or time.monotonic() < begun + _State.grace:
        if not select.select([reader], [], [], None if number is None else _LOOK_SECONDS)[0]:
            continue
        for each in os.read(reader, 64):
            if each not in SIGNALS:
                continue
            if number is None:
                number, begun = each, time.monotonic()
            elif time.monotonic() > begun + _REPEATED_SECONDS:
                _end(number)
    _end(number)


def _kill_children() -> None:
    """Ends all descendants of this process: they may be in sessions of their own, and know nothing of signals."""
    for process in _descendants(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def _descendants(process: int) -> List[int]:
    """Processes below one, by /proc; none where there is no such folder: workers there see that their pipe closes."""
    children: Dict[int, List[int]] = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):  # It has ended meanwhile.
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found, left = [], [process]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found
