"""The video files of a folder, and what is wrong with those that cannot be used."""

import collections
import os
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional

from elo_tf.config import InputError


def list_videos(folder: Path) -> List[str]:
    """Ids of all files below a folder that are not hidden, in sorted order.

    Links to folders are followed; a folder that can be reached in several ways, or that holds itself, is read once.

    Raises:
      InputError: it is no folder, or holds no file.
    """
    if not folder.is_dir():
        raise InputError(f"--videos={folder} is not a folder; give the folder that holds the videos")
    found, visited = [], set()

    def refuse(error):
        raise error

    for path, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(path).relative_to(folder)
        found += [(below / name).as_posix() for name in files if not name.startswith(".")]
    if not found:
        raise InputError(f"--videos={folder} holds no files; put the videos there, or in folders below it")
    return sorted(found)


def file_state(path: Path) -> Optional[List[int]]:
    """[bytes, modification time in ns] of a file, by which a repaired one is told; None if it cannot be had."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def refusals(lines: Iterable[Dict[str, Any]]) -> str:
    """Reasons with the number of videos of each, the most frequent first."""
    reasons = collections.Counter(line["why"] for line in lines)
    return ", ".join(f"{why} ({count})" for why, count in reasons.most_common())
