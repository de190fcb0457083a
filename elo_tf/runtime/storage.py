"""Files on disk: written whole, then renamed; held by one program at a time."""

import contextlib
import errno
import fcntl
import os
import pathlib
import shutil
import socket
from typing import IO, Iterator, Optional, Union

from elo_tf.config import InputError
from elo_tf.runtime.lease import Lease, has_ended

# What a file system answers that lacks a call, or does not have it for such files.
LACKING = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})
_NO_LOCKS = LACKING | {errno.ENOLCK}
# Directories are not to be opened or synchronised everywhere (SMB, some FUSE).
_NO_SYNCHRONISING = LACKING | {errno.EBADF, errno.EISDIR, errno.EACCES, errno.EPERM}


def absolute(path: str) -> str:
    """A path that means the same in every folder and on every machine that sees it; URLs and "" stay."""
    return path if not path or "://" in path else os.path.abspath(path)


def newest_version(place: pathlib.Path, file: Union[str, pathlib.PurePath]) -> Optional[pathlib.Path]:
    """A directory that has a file: the place itself, or of its numbered ones that with the highest number; or None."""
    if (place / file).is_file():
        return place
    below = place.iterdir() if place.is_dir() else ()
    versions = [path for path in below if path.name.isdecimal() and (path / file).is_file()]
    return max(versions, key=lambda path: int(path.name), default=None)


def write_text(path: Union[str, pathlib.Path], text: str) -> None:
    """Writes a text file so that a reader sees the old content or the new, never a part.

    Names of files that are no UTF-8 are written as the file system has them.
    """
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_bytes(path: Union[str, pathlib.Path], content: bytes) -> None:
    """Writes a file so that a reader sees the old content or the new, never a part."""
    with replacing(path) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Union[str, pathlib.Path]) -> Iterator[IO[bytes]]:
    """A new file to write into, which takes the place of another as a whole where nothing is raised.

    Raises:
      OSError: it cannot be written; it names `path`.
    """
    path = pathlib.Path(path)
    part = partial(path)
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            synchronise(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        part.unlink(missing_ok=True)


def synchronise(descriptor: int) -> None:
    """What was written to an open file is on the disk when this returns, where the file system can promise it."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in LACKING:
            raise


def synchronise_entry(path: Union[str, pathlib.Path]) -> None:
    """The same of a file that is closed, or of the names in a directory."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (_NO_SYNCHRONISING if os.path.isdir(path) else LACKING):
            raise


def partial(path: pathlib.Path) -> pathlib.Path:
    """The name of this program beside a file or folder, under which it is until it is whole.

    It is .NAME.MACHINE.PROCESS.partial. Those of the same NAME that killed programs have left are removed; whether a
    program still runs can be seen for this machine only, so that those of others stay.
    """
    path = pathlib.Path(path)
    prefix, suffix = f".{path.name}.{socket.gethostname()}.", ".partial"
    with contextlib.suppress(OSError):  # Of the folder: whoever writes into it says so in better words.
        for name in os.listdir(path.parent):
            process = name[len(prefix) : -len(suffix)]
            if name.startswith(prefix) and name.endswith(suffix) and process.isdecimal() and has_ended(int(process)):
                _remove(path.with_name(name))
    return path.with_name(f"{prefix}{os.getpid()}{suffix}")


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def claim(file: Union[IO, int], path: Union[str, pathlib.Path], busy: str) -> contextlib.ExitStack:
    """Makes an open file this program's own, until it is closed or the program ends, however it ends.

    Where the file system has no locks a lease beside the file takes their place.

    Args:
      file: Open for writing.
      path: Its name.
      busy: What is said where another program has claimed it.

    Returns:
      What has to be closed before the file.

    Raises:
      InputError: another program has claimed it.
      OSError: neither lock nor lease can be had.
    """
    held = contextlib.ExitStack()
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(busy) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise OSError(error.errno, error.strerror, str(path)) from None
        held.callback(Lease(pathlib.Path(path), busy).release)
    return held


def claim_named(file: IO, path: pathlib.Path, busy: str) -> contextlib.ExitStack:
    """Claims an open file that whoever held it may have removed, or put another in its place, before it was claimed.

    Returns:
      What has to be closed before the file.

    Raises:
      InputError: another program has claimed it, with the message `busy`, or it is no longer the file of that name.
    """
    held = claim(file, path, busy)
    if not is_named(file, path):
        held.close()
        raise InputError(f"another program has just finished with {path}; rerun the command")
    return held


def is_named(file: IO, path: pathlib.Path) -> bool:
    """Whether an open file is still the one of that name."""
    return path.exists() and os.path.samestat(os.stat(path), os.fstat(file.fileno()))


def claim_folder(folder: pathlib.Path, busy: str) -> contextlib.ExitStack:
    """Makes a folder, if it is missing, and claims it by its file `.lock`.

    Returns:
      A context manager; closing it gives the folder up.

    Raises:
      InputError: another program has claimed it; with the message `busy`.
      OSError: it cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with contextlib.ExitStack() as held:
        file = held.enter_context(open(path, "w", encoding="ascii"))
        held.enter_context(claim(file, path, busy))
        return held.pop_all()
