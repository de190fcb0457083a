"""Standard input, output and errors of a command, of which each may be closed, or lose its reader, at any time."""

import contextlib
import errno
import os
import sys
from typing import Any, Iterator, TextIO

# What a write gives when nobody reads any more: of a pipe, and of a terminal that is gone.
_NO_READER = frozenset({errno.EPIPE, errno.EIO})


def open_missing() -> None:
    """Leads those that the command was started without to nowhere.

    A descriptor that is free would be that of the next file, into which libraries then write their messages.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            _lead_nowhere(descriptor)
            setattr(sys, name, open(descriptor, mode, closefd=False))


@contextlib.contextmanager
def unread_dropped() -> Iterator[None]:
    """Within it, what is written to output and errors is dropped once nobody reads it any more."""
    open_missing()
    output, errors = _Output(sys.stdout), _Output(sys.stderr)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            yield
        finally:
            # Here, since Python complains of a pipe that it cannot flush at its exit; of a full disk it is to complain.
            with contextlib.suppress(OSError):
                output.flush()
                errors.flush()


class _Output:
    """A text stream that drops what is written once nobody reads it any more."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        """Sends the stream to nowhere: also what its buffer holds, which Python writes when it exits."""
        if error.errno not in _NO_READER:
            raise error
        _lead_nowhere(self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _lead_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
