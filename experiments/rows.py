"""The rows of a table that `--rows` selects."""

import fnmatch
from typing import Sequence, Set

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
