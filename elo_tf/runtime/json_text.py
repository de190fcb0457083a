"""Reads JSON that editors, other versions or failing disks may have changed; faults are a `ValueError`."""

import json
import math
from typing import Any, Mapping, Optional, Tuple, Union

# Types of an entry; None in a tuple stands for null.
Kind = Union[type, Tuple[Optional[type], ...]]
NUMBER = (int, float)
MOST = 2**53  # beyond it floats lose whole numbers, and sizes are none


def parse(content: Union[str, bytes], **options: Any) -> Any:
    """The value of a JSON text; `options` are those of `json.loads`.

    Raises:
      ValueError: it is no JSON, or nested more deeply than any file of the project.
    """
    try:
        return json.loads(content, **options)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def check(content: Any, kinds: Mapping[str, Kind]) -> None:
    """Makes sure of the entries of an object; there may be others.

    Args:
      content: The value.
      kinds: Name -> type or types. True and False are no numbers; a number is finite and no larger than 2^53.

    Raises:
      ValueError: it is no object, lacks an entry, or has one that is something else; it names it.
    """
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    for name, kind in kinds.items():
        if name not in content:
            raise ValueError(f"it lacks {name!r}")
        if not is_kind(content[name], kind):
            raise ValueError(f"{name!r} is {str(content[name])[:80]!r}")


def is_kind(value: Any, kind: Kind) -> bool:
    """Whether a value is of a type, or of one of several, as `check` understands them."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if value is None or isinstance(value, bool):
        return (None if value is None else bool) in kinds
    if isinstance(value, (int, float)):
        return type(value) in kinds and abs(value) <= MOST and math.isfinite(value)
    return any(each is not None and isinstance(value, each) for each in kinds)
