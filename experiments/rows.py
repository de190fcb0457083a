"""What flags of experiments name: rows of a table, folders of results."""

import fnmatch
import pathlib
from typing import Dict, Sequence, Set

from elo_tf.config import InputError


def matching(names: Sequence[str], patterns: Sequence[str]) -> Set[str]:
    """The names that a pattern matches.

    Raises:
      InputError: a pattern matches none.
    """
    found: Set[str] = set()
    for pattern in patterns:
        own = fnmatch.filter(names, pattern)
        if not own:
            raise InputError(f"--rows: {pattern!r} matches none of {'; '.join(names)}")
        found.update(own)
    return found


def named_folders(flag: str, given: Sequence[str]) -> Dict[str, pathlib.Path]:
    """Name -> folder, of a flag that takes several as NAME=DIR.

    Raises:
      InputError: one is not NAME=DIR, two have one name, or there is none.
    """
    found: Dict[str, pathlib.Path] = {}
    for text in given:
        name, _, folder = text.partition("=")
        if not name or not folder or name in found:
            raise InputError(f"--{flag}: {text!r} is not NAME=DIR with a name of its own")
        found[name] = pathlib.Path(folder).expanduser()
    if not found:
        raise InputError(f"--{flag} is missing; give NAME=DIR for each")
    return found
