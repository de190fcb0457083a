"""A setting: a field of a frozen dataclass, of which an absl flag is made, so that it is declared once.

A command line names the dataclasses that it uses (`define_flags`) and gets them back filled (`from_flags`). A value
out of range raises `InputError` when the dataclass is built, whether it came from a flag, a flag file or a test.
"""

import csv
import dataclasses
import io
import os
import typing
from typing import Any, List, Optional, Sequence, Tuple, Type, TypeVar

from absl import flags

Config = TypeVar("Config")
_MOST_COMMAS = 8  # in the path of a list, where it is not quoted


class InputError(ValueError):
    """What the user gave cannot be used. The message is one line that names the value and the remedy."""


def setting(
    default: Any,
    help: str,
    *,
    low: Optional[float] = None,
    high: Optional[float] = None,
    choices: Sequence[str] = (),
    paths: bool = False,
) -> Any:
    """A dataclass field that also is a flag.

    Args:
      default: Value of the flag where the user gives none.
      help: One line for `--help`, with unit or range, and the source where the number is the paper's.
      low, high: Inclusive bounds of a number.
      choices: The strings allowed.
      paths: Whether a list is one of local files or folders, whose names may have commas in them.
    """
    metadata = dict(help=help, low=low, high=high, choices=tuple(choices), paths=paths)
    return dataclasses.field(default=default, metadata=metadata)


class Checked:
    """A dataclass of settings derives from this: it refuses values outside of what `setting` declares."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, allowed = getattr(self, field.name), field.metadata
            if allowed["choices"] and value not in allowed["choices"]:
                raise InputError(f"--{field.name}={value!r} is unknown; choose from {', '.join(allowed['choices'])}")
            for bound, outside in ((allowed["low"], "less than"), (allowed["high"], "more than")):
                if bound is None:
                    continue
                if value != value or (value < bound if outside == "less than" else value > bound):
                    raise InputError(f"--{field.name}={value} is {outside} {bound}, its limit")


def _flag_type(config: Type, field: dataclasses.Field) -> Any:
    return typing.get_type_hints(config)[field.name]


def define_flags(*configs: Type) -> None:
    """Defines one absl flag for each field of the given dataclasses."""
    define = {bool: flags.DEFINE_bool, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}
    for config in configs:
        for field in dataclasses.fields(config):
            kind = _flag_type(config, field)
            if kind == Tuple[str, ...]:
                flags.DEFINE_list(field.name, list(field.default), field.metadata["help"])
            else:
                define[kind](field.name, field.default, field.metadata["help"])


def from_flags(config: Type[Config]) -> Config:
    """The dataclass filled from the parsed flags.

    Raises:
      InputError: a value is out of its range.
    """
    values = {}
    for field in dataclasses.fields(config):
        value = getattr(flags.FLAGS, field.name)
        if isinstance(value, list):
            # Paths that were cut at a comma of their own are whole again, as far as all of the list exists then.
            value = tuple((_existing(value) if field.metadata["paths"] else None) or value)
        values[field.name] = value
    return config(**values)


def require_paths(name: str, paths: Sequence[str]) -> None:
    """Makes sure of the paths of a list, where a comma may be the reason that one is missing.

    Raises:
      InputError: there are several, and not all exist.
    """
    lost = [path for path in paths if not _exists(path)]
    if lost and len(paths) > 1:
        raise InputError(
            f"--{name}: {lost[0]!r} does not exist; a path with a comma in it is written in double quotes, "
            f"""--{name}='"A,B",C'"""
        )


def _existing(parts: Sequence[str]) -> Optional[List[str]]:
    """The parts, neighbours joined by commas where only that exists; None if there is no way in which all exist."""
    # From each place on: the paths, as few parts in each as can be.
    found: List[Optional[List[str]]] = [None] * len(parts) + [[]]
    for place in reversed(range(len(parts))):
        for end in range(place + 1, min(place + _MOST_COMMAS + 1, len(parts)) + 1):
            path, rest = ",".join(parts[place:end]), found[end]
            if rest is not None and _exists(path):
                found[place] = [path, *rest]
                break
    return found[0]


def _exists(path: str) -> bool:
    """Whether there is such a file or folder, or a checkpoint of this prefix."""
    path = os.path.expanduser(path)
    return bool(path) and (os.path.exists(path) or os.path.exists(f"{path}.index"))


def to_lines(*configs: Any) -> str:
    """The settings as a flag file: one `--name=value` a line, readable by `--flagfile`."""
    lines = []
    for config in configs:
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            lines.append(f"--{field.name}={_in_line(value) if isinstance(value, tuple) else value}")
    return "\n".join(lines) + "\n"


def _in_line(values: Sequence[str]) -> str:
    """A list as absl reads it: quoted as in CSV, where a value has a comma or a quote in it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
