"""A setting: a field of a frozen dataclass, of which an absl flag is made, so that it is declared once.

A command line names the dataclasses that it uses (`define_flags`) and gets them back filled (`from_flags`). A value
out of range raises `InputError` when the dataclass is built, whether it came from a flag, a flag file or a test.
"""

import dataclasses
import os
import typing
from typing import Any, Optional, Sequence, Tuple, Type, TypeVar

from absl import flags

Config = TypeVar("Config")


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
      path: Whether it names files or folders, in which `~` is the home folder.
    """
    metadata = dict(help=help, low=low, high=high, choices=tuple(choices), path=path)
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


class PathParser(flags.ArgumentParser):
    """Of a flag that names a file or folder: `~` is the home folder, which shells do not see behind `--name=`."""

    syntactic_help = "a path"

    def parse(self, argument: str) -> str:
        return os.path.expanduser(argument)


class _PathListParser(flags.ListParser):
    """Of a flag that names several."""

    def parse(self, argument: Any) -> Sequence[str]:
        return [os.path.expanduser(each) for each in super().parse(argument)]


def define_path(name: str, default: Optional[str], help: str) -> flags.FlagHolder:
    """A flag of a command itself that names a file or folder."""
    return flags.DEFINE(PathParser(), name, default, help, serializer=flags.ArgumentSerializer())


def _flag_type(config: Type, field: dataclasses.Field) -> Any:
    return typing.get_type_hints(config)[field.name]


def define_flags(*configs: Type) -> None:
    """Defines one absl flag for each field of the given dataclasses."""
    define = {bool: flags.DEFINE_bool, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}
    for config in configs:
        for field in dataclasses.fields(config):
            kind, help, is_path = _flag_type(config, field), field.metadata["help"], field.metadata["path"]
            if kind == Tuple[str, ...]:
                parser = _PathListParser() if is_path else flags.ListParser()
                flags.DEFINE(parser, field.name, list(field.default), help, serializer=flags.CsvListSerializer(","))
            elif is_path:
                define_path(field.name, field.default, help)
            else:
                define[kind](field.name, field.default, help)


def from_flags(config: Type[Config]) -> Config:
    """The dataclass filled from the parsed flags.

    Raises:
      InputError: a value is out of its range.
    """
    values = {field.name: getattr(flags.FLAGS, field.name) for field in dataclasses.fields(config)}
    return config(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def to_lines(*configs: Any) -> str:
    """The settings as a flag file: one `--name=value` a line, readable by `--flagfile`."""
    lines = []
    for config in configs:
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            lines.append(f"--{field.name}={','.join(value) if isinstance(value, tuple) else value}")
    return "\n".join(lines) + "\n"
