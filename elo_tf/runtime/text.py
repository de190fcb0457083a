"""Reads text files of users, with or without a byte order mark, up to a size limit."""

import codecs
import os
import pathlib
import stat
from typing import Union

# Far above any list, loss or flag file, far below what fills memory.
MOST_BYTES = 256 << 20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read(path: Union[str, pathlib.Path], most_bytes: int = MOST_BYTES) -> str:
    """The text of a file in UTF-8, or, where it begins with a byte order mark of it, UTF-16; without the mark.

    Raises:
      OSError: it cannot be opened.
      ValueError: it is no text, no regular file, or larger than `most_bytes`; one line says which.
    """
    # A pipe without a writer would keep `open` waiting.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"it is larger than {most_bytes >> 20} MiB")
    try:
        return content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
