"""A lock for file systems without locks: a lease, a file that its holder keeps renewing.

    .NAME.lease    "MACHINE PROCESS TOKEN", created exclusively, touched every few seconds, removed by its holder

A lease is stale when its process has ended, which can be seen on its own machine at once, or when it has not been
touched for `PATIENCE` seconds. A stale lease is taken over. A holder that sleeps for longer than that may lose it.
"""

import atexit
import os
import pathlib
import socket
import threading
import uuid
from typing import Optional, Set

from elo_tf.config import InputError

BEAT = 10.0  # seconds between two touches
PATIENCE = 60.0  # seconds after which a lease that nobody touches is stale

_held: Set[str] = set()  # Contents of the leases of this process.


class Lease:
    """Holds a path from its construction until `release`.

    Args:
      path: Of the claimed file.
      busy: What is said where another program holds it.

    Raises:
      InputError: another program holds it.
      OSError: the lease cannot be written.
    """

    def __init__(self, path: pathlib.Path, busy: str):
        self.path = path.with_name(f".{path.name.lstrip('.')}.lease")
        self._content = f"{_machine()} {os.getpid()} {uuid.uuid4().hex}"
        if not self._create():
            self._remove_stale(busy)
            if not self._create():
                raise InputError(busy)
        _held.add(self._content)
        atexit.register(self.release)
        self._ended = threading.Event()
        threading.Thread(target=self._keep_young, daemon=True).start()

    def release(self) -> None:
        """Gives the path up."""
        if self._content not in _held:
            return
        self._ended.set()
        _held.remove(self._content)
        atexit.unregister(self.release)
        if _read(self.path) == self._content:
            self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(self._content)
        return True

    def _remove_stale(self, busy: str) -> None:
        """Removes the lease of a program that has ended.

        Raises:
          InputError: the program may still run.
        """
        content = _read(self.path)
        if content is None:
            return
        if not self._is_stale(content):
            raise InputError(
                f"{busy}; the claim is {self.path}, and ends {PATIENCE:g} s after its program if that was killed"
            )
        aside = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}")
        try:
            os.rename(self.path, aside)
        except FileNotFoundError:
            return
        if _read(aside) != content:  # Another program has been faster, and the lease is now its own.
            os.rename(aside, self.path)
            raise InputError(busy)
        aside.unlink()

    def _is_stale(self, content: str) -> bool:
        machine, _, rest = content.partition(" ")
        process = rest.partition(" ")[0]
        if machine == _machine() and process.isdecimal():
            if int(process) == os.getpid():  # This one, or one that had its number before a restart.
                return content not in _held
            if has_ended(int(process)):
                return True
        try:
            return self._now() - self.path.stat().st_mtime > PATIENCE
        except FileNotFoundError:
            return False

    def _now(self) -> float:
        """The time as the file system has it: clocks of machines differ."""
        probe = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}")
        probe.touch()
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink()

    def _keep_young(self) -> None:
        while not self._ended.wait(BEAT):
            if _read(self.path) == self._content:
                try:
                    os.utime(self.path)
                except OSError:
                    continue  # A server that is away for a moment.


def has_ended(process: int) -> bool:
    """Whether a process of this machine is no more, for certain."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # Of another user, or no number that we gave.
        return False
    return False


def _machine() -> str:
    """A word for what process numbers are valid in: containers may share the name of their host."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()}/{space}".replace(" ", "_")


def _read(path: pathlib.Path) -> Optional[str]:
    """The content of a lease; None if there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
