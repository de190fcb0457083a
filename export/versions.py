"""Version directories, BASE/1, BASE/2 ...: each appears whole and is never overwritten.

A server that polls BASE loads what has a positive integer for a name. So a version is written into a directory with
another name, flushed to the disk, and renamed.
"""

import contextlib
import errno
import gzip
import os
import pathlib
import shutil
import tarfile
from typing import IO, Iterator, List, Optional

from elo_tf.config import InputError
from elo_tf.runtime import storage

# What file systems answer that have no links, or refuse them (FAT, SMB, FUSE, Android).
_NO_LINKS = storage.LACKING | {errno.EPERM, errno.EACCES, errno.EMLINK, errno.EXDEV}


def choose(base: pathlib.Path, version: int) -> pathlib.Path:
    """The directory of a version that does not exist yet.

    Args:
      base: Directory of the model.
      version: Positive; 0 means the one after the last.

    Raises:
      InputError: it is negative, the version exists, or `base` is no directory.
    """
    if version < 0:
        raise InputError(f"--version={version} is not a positive integer; omit it for the next version")
    if base.exists() and not base.is_dir():
        raise InputError(f"--output={base} is a file; name a directory")
    taken = [int(path.name) for path in base.iterdir() if path.name.isdecimal()] if base.exists() else []
    target = base / str(version or max(taken, default=0) + 1)
    if int(target.name) in taken:
        raise InputError(f"{target} exists, and a version is never overwritten; omit --version for the next one")
    return target


@contextlib.contextmanager
def writing(target: pathlib.Path, packed: Optional[pathlib.Path] = None) -> Iterator[pathlib.Path]:
    """Gives a directory to write a version into; renames it to `target` at the end.

    After an error nothing remains, and directories made for it are gone too.

    Args:
      target: The version.
      packed: Where an archive of it appears after it, if one is wanted; beside the directory of the model.

    Raises:
      InputError: another program has made the version or the archive in the meantime.
    """
    made = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
    part, packing = storage.partial(target), storage.partial(packed) if packed else None
    shutil.rmtree(part, ignore_errors=True)  # A killed program may have had the number of this one.
    try:
        part.mkdir(parents=True)
        yield part
        _flush(part)
        if packing:
            archive(part, packing)
        _publish(part, target)
        if packed and packing:
            _publish_archive(packing, packed, part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        if packing:
            packing.unlink(missing_ok=True)
        for folder in made:
            with contextlib.suppress(OSError):  # Not empty: somebody else uses it by now.
                folder.rmdir()
        raise


def archive(version: pathlib.Path, path: pathlib.Path) -> None:
    """Packs a version as hub.load takes it from a web server: `.tar.gz`, the same bytes for the same content."""
    with open(path, "wb") as file:
        _pack(version, file)
        file.flush()
        storage.synchronise(file.fileno())


def _publish(part: pathlib.Path, target: pathlib.Path) -> None:
    try:
        part.rename(target)
    except OSError as error:
        if target.exists():
            raise InputError(f"{target} was made by another program in the meantime; export again") from error
        raise
    storage.synchronise_entry(target.parent)


def _publish_archive(packing: pathlib.Path, packed: pathlib.Path, part: pathlib.Path, target: pathlib.Path) -> None:
    """Gives the archive its name, or takes that of its version back."""
    try:
        _rename_new(packing, packed)
    except BaseException as error:
        target.rename(part)
        if isinstance(error, FileExistsError):
            raise InputError(
                f"{packed} was made by another program in the meantime; move it away or choose --version"
            ) from error
        raise
    storage.synchronise_entry(packed.parent)


def _rename_new(source: pathlib.Path, target: pathlib.Path) -> None:
    """Renames a file, but replaces nothing.

    Raises:
      FileExistsError: the target exists.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Whoever makes the empty file has the name; what is in it then appears whole.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        os.replace(source, target)
    else:
        source.unlink()


def _pack(version: pathlib.Path, file: IO[bytes]) -> None:
    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for entry in _below(version):
                tar.add(entry, str(entry.relative_to(version)), recursive=False, filter=plain)


def _below(folder: pathlib.Path) -> List[pathlib.Path]:
    return sorted(folder.rglob("*"))


def _flush(folder: pathlib.Path) -> None:
    """Files and directories of a tree are on the disk when it returns."""
    for path in [*_below(folder), folder]:
        storage.synchronise_entry(path)
