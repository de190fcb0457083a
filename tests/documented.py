"""Parses documented commands with the flags of the modules that they name: MODULE -> argument lists -> complaints.

    python -m tests.documented < commands.json > complaints.json

In a process of its own, since flags are global; modules take turns, and each finds absl's flags only.
"""

import json
import runpy
import sys
from typing import Callable, Dict, List, Sequence, Type

from absl import flags

from elo_tf import config
from elo_tf.runtime import command_line


def complaints(module: str, commands: Sequence[List[str]]) -> List[str]:
    """What is wrong with commands of a module, each a list of words; nothing is run."""
    found: List[str] = []

    def parse(main: Callable, doc: str, configs: Sequence[Type], arguments: int = 0) -> None:
        config.define_flags(*configs)
        for words in commands:
            flags.FLAGS.unparse_flags()
            for name in flags.FLAGS:
                flags.FLAGS[name].unparse()
            try:
                rest = flags.FLAGS([module, *words])[1:]
                for each in configs:
                    config.from_flags(each)
                if len(rest) > arguments:
                    found.append(f"{module} {' '.join(words)}: {rest[arguments]!r} is not a flag")
            except (flags.Error, config.InputError, OSError) as error:
                found.append(f"{module} {' '.join(words)}: {error}")

    run, command_line.run = command_line.run, parse
    before = set(flags.FLAGS)
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        command_line.run = run
        for name in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, name)
    return found


def main() -> None:
    given: Dict[str, List[List[str]]] = json.load(sys.stdin)
    json.dump([line for module, commands in given.items() for line in complaints(module, commands)], sys.stdout)


if __name__ == "__main__":
    main()
