"""Files that others read appear whole: written beside, flushed to the disk, then renamed."""

import os
import pathlib
from typing import Union


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
