"""Append-only files, held by one program at a time; a kill loses at most the current line."""

import contextlib
import os
import pathlib
from typing import Any, List

from elo_tf.runtime import storage


class AppendOnlyFile:
    """A file that one program appends to until it is closed; a context manager.

    Args:
      path: Made if missing.
      busy: What is said where another program holds it.

    Attributes:
      path: The file.

    Raises:
      InputError: another program holds it, or has just removed it.
      OSError: it cannot be written.
    """

    def __init__(self, path: pathlib.Path, busy: str):
        self.path = path
        self._file = open(path, "a+b", buffering=0)
        self._held = contextlib.ExitStack()
        try:
            self._held = storage.claim_named(self._file, path, busy)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "AppendOnlyFile":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def lines(self) -> List[bytes]:
        """The lines that it has; one without its end, as a killed program leaves it, is cut off."""
        self._file.seek(0)
        content = self._file.read()
        finished = content.rfind(b"\n") + 1
        self.cut(finished)
        return content[:finished].splitlines()

    def append(self, content: bytes, synchronise: bool = True) -> None:
        """Adds bytes, all of them or, where the disk is full, none.

        Args:
          content: What is added.
          synchronise: Whether it is on the disk when this returns; if not, the end of the machine can take it away,
            though not that of the program.
        """
        size, left = self.size, memoryview(content)
        try:
            while left:
                left = left[self._file.write(left) :]
            if synchronise:
                storage.synchronise(self._file.fileno())
        except OSError as error:
            os.ftruncate(self._file.fileno(), size)
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    @property
    def size(self) -> int:
        """Its bytes."""
        return os.fstat(self._file.fileno()).st_size

    def cut(self, size: int) -> None:
        """Takes away what follows its first `size` bytes."""
        if size < self.size:
            os.ftruncate(self._file.fileno(), size)
            storage.synchronise(self._file.fileno())

    def is_in_place(self) -> bool:
        """Whether it is still the file of its name, which may have been removed."""
        return storage.is_named(self._file, self.path)

    def close(self) -> None:
        """Gives the file up."""
        self._held.close()
        self._file.close()
