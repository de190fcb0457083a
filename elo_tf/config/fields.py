"""Settings are declared once, as fields of frozen dataclasses; each field is also an absl flag.

A command line names the dataclasses that it uses (`define_flags`) and gets them back filled (`from_flags`). A value
out of range raises `InputError` when the dataclass is built, whether it came from a flag, a flag file or a test.
"""

import csv
import dataclasses
import functools
import io
import math
import operator
import os
import typing
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Sequence, Tuple, Type, TypeVar

from absl import flags

Config = TypeVar("Config", bound="Checked")
_MOST_COMMAS = 8  # in the path of a list, where it is not quoted
_MOST_WHOLE = 2**31 - 1  # of whole numbers without a limit of their own: what tensors of int32 hold


class InputError(ValueError):
    """What the user gave cannot be used. The message is one line that names the value and the remedy."""


def setting(
    default: Any,
    help: str,
    *,
    low: Optional[float] = None,
    high: Optional[float] = None,
    choices: Sequence[str] = (),
    path: bool = False,
) -> Any:
    """A dataclass field that also is a flag.

    Args:
      default: Value of the flag where the user gives none.
      help: One line for `--help`, with unit or range, and the source where the number is the paper's.
      low, high: Inclusive bounds of a number.
      choices: The strings allowed.
      path: Whether it names files or folders. In them `~` is the home folder; in a list, names may have commas.
    """
    metadata = dict(help=help, low=low, high=high, choices=tuple(choices), path=path)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Checked:
    """A dataclass of settings derives from this: it refuses values outside of what `setting` declares.

    A program may give a path for a string, any sequence for a tuple, a single string for a tuple of one.
    """

    def __post_init__(self):
        types = _types(type(self))
        for field in dataclasses.fields(self):
            value, allowed = _converted(field.name, types[field.name], getattr(self, field.name)), field.metadata
            if allowed["path"]:
                value = _at_home(value)
            object.__setattr__(self, field.name, value)  # The dataclass is frozen.
            if allowed["choices"] and value not in allowed["choices"]:
                raise InputError(f"--{field.name}={value!r} is unknown; choose from {', '.join(allowed['choices'])}")
            _check_number(field.name, value, allowed["low"], allowed["high"])


def _check_number(name: str, value: Any, low: Optional[float], high: Optional[float]) -> None:
    """Raises `InputError` where a number is outside of its limits, or none that anything can be counted by."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"--{name}={value} is not a finite number")
    if low is not None and value < low:
        raise InputError(f"--{name}={value} is less than {low}, the minimum")
    if high is None and isinstance(value, int):
        high = _MOST_WHOLE
    if high is not None and value > high:
        raise InputError(f"--{name}={value} is more than {high}, the maximum")


_types: Callable[..., Dict[str, Any]] = functools.cache(typing.get_type_hints)


def _at_home(value: Any) -> Any:
    """Paths with the home folder for `~`, which shells do not see behind `--name=`."""
    return tuple(map(os.path.expanduser, value)) if isinstance(value, tuple) else os.path.expanduser(value)


class PathParser(flags.ArgumentParser):
    """Of a flag that names a file or folder: `~` is the home folder, which shells do not see behind `--name=`."""

    syntactic_help = "a path"

    def parse(self, argument: str) -> str:
        return os.path.expanduser(argument)


def define_path(name: str, default: Optional[str], help: str) -> flags.FlagHolder:
    """A flag of a command itself that names a file or folder."""
    return flags.DEFINE(PathParser(), name, default, help, serializer=flags.ArgumentSerializer())


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)  # Of NumPy's integers too.


def _number(value: Any) -> float:
    if isinstance(value, (bool, str)):
        raise TypeError
    return float(value)


def _text(value: Any) -> str:
    text = os.fspath(value)
    if "\0" in text:  # No file and no flag has it; libraries of C would see the text end there.
        raise ValueError
    return text


def _texts(values: Any) -> Tuple[str, ...]:
    single = isinstance(values, (str, os.PathLike))
    return tuple(str(each) if isinstance(each, int) else _text(each) for each in ([values] if single else values))


# Type of a field -> what makes a value of it, and what it is called.
_CONVERSIONS: Dict[Any, Tuple[Callable[[Any], Any], str]] = {
    bool: (_truth, "True or False"),
    int: (_whole, "a whole number"),
    float: (_number, "a number"),
    str: (_text, "a string or a path"),
    Tuple[str, ...]: (_texts, "a sequence of strings"),
}


def _converted(name: str, kind: Any, value: Any) -> Any:
    convert, words = _CONVERSIONS[kind]
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"--{name}={value!r} is not {words}") from None


def define_flags(*configs: Type, values: Optional[flags.FlagValues] = None) -> None:
    """Defines one absl flag for each field of the given dataclasses, among those of the program or others."""
    values = flags.FLAGS if values is None else values
    define: Dict[Any, Callable[..., Any]] = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }
    for config in configs:
        for field in dataclasses.fields(config):
            kind = _types(config)[field.name]
            if kind == Tuple[str, ...]:
                default: Any = field.default
                flags.DEFINE_list(field.name, list(default), field.metadata["help"], values)
            else:
                define[kind](field.name, field.default, field.metadata["help"], flag_values=values)


def from_flags(config: Type[Config], values: Optional[flags.FlagValues] = None) -> Config:
    """The dataclass filled from the parsed flags.

    Raises:
      InputError: a value is out of its range.
    """
    values = flags.FLAGS if values is None else values
    found = {}
    for field in dataclasses.fields(config):
        value = getattr(values, field.name)
        if isinstance(value, list):
            # Paths that were cut at a comma of their own are whole again, as far as all of the list exists then.
            value = tuple((_existing(value) if field.metadata["path"] else None) or value)
        found[field.name] = value
    return config(**found)


def from_arguments(config: Type[Config], arguments: Sequence[str]) -> Config:
    """The dataclass filled as by a command line, for programs: from flags, such as `--flagfile=RUN_DIR/flags.txt`.

    Raises:
      InputError: one is not a flag of this dataclass, or has an impossible value.
      OSError: a flag file cannot be read.
    """
    values = flags.FlagValues()
    define_flags(config, values=values)
    try:
        rest = values(["", *arguments])[1:]
    except flags.Error as error:
        raise InputError(" ".join(str(error).split())) from None
    if rest:
        raise InputError(f"{rest[0]!r} is not a flag; flags are written --name=value")
    return from_flags(config, values)


def given(config: Type) -> FrozenSet[str]:
    """Names of the fields of a dataclass whose flags the user gave, on the command line or in a flag file."""
    return frozenset(field.name for field in dataclasses.fields(config) if flags.FLAGS[field.name].present)


def part(settings: Any, config: Type[Config]) -> Config:
    """Those of the settings of a verb that one of its dataclasses declares."""
    return config(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(config)})


def require(settings: Any, *names: str) -> None:
    """
    Raises:
      InputError: one of these settings, of which none has a default, is not given.
    """
    for name in names:
        if not getattr(settings, name):
            raise InputError(f"--{name} is not given; see --help")


def require_paths(name: str, paths: Sequence[str]) -> None:
    """Makes sure of the paths of a list, where a comma may be the reason that one is missing.

    Raises:
      InputError: there are several, and not all exist.
    """
    lost = [path for path in paths if not _exists(path)]
    if lost and len(paths) > 1:
        raise InputError(
            f"--{name}: {lost[0]!r} does not exist; write a path with a comma in double quotes, "
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
