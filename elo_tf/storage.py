"""Files on the disk: those that others read appear whole, those that grow belong to one program at a time."""

import fcntl
import os
import pathlib
from typing import IO, Union

from elo_tf.config import InputError


def write_text(path: Union[str, pathlib.Path], text: str) -> None:
    """Writes a text file so that a reader sees the old content or the new, never a part."""
    write_bytes(path, text.encode())


def write_bytes(path: Union[str, pathlib.Path], content: bytes) -> None:
    """Writes a file so that a reader sees the old content or the new, never a part."""
    path = pathlib.Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        beside.unlink(missing_ok=True)


def claim(file: Union[IO, int], busy: str) -> None:
    """Makes an open file this program's own, until it is closed or the program ends, however it ends.

    Raises:
      InputError: another program has claimed it; with the message `busy`.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(busy) from None


def claim_folder(folder: pathlib.Path, busy: str) -> IO:
    """Makes a folder, if it is missing, and claims it by its file `.lock`, which is returned; closing it gives it up.

    Raises:
      InputError: another program has claimed it; with the message `busy`.
      OSError: it cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / ".lock", "w", encoding="ascii")
    try:
        claim(file, busy)
    except BaseException:
        file.close()
        raise
    return file
