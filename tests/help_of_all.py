"""Prints the help of every command, in one process: MODULE ... -> JSON, module -> (text, exit status, libraries).

    python -m tests.help_of_all MODULE ... > helps.json

In a process of its own, since flags are global; modules take turns, and each finds absl's flags only.
"""

import contextlib
import io
import json
import runpy
import sys
from typing import List, Tuple

from absl import flags

from elo_tf.runtime import command_line  # noqa: F401  With it come flags of absl, which stay.

# They take seconds to import, and no flag needs them.
SLOW = ("tensorflow", "tensorflow_io", "tensorflow_addons", "matplotlib", "sklearn", "scipy", "ray", "grpc")


def help_of(module: str) -> Tuple[str, int, List[str]]:
    """What `python -m MODULE --help` prints, its exit status, and the slow libraries imported by then."""
    before, text = set(flags.FLAGS), io.StringIO()
    sys.argv[1:] = ["--help"]
    status = -1
    try:
        with contextlib.redirect_stdout(text):
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    finally:
        for name in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, name)
    return text.getvalue(), status, [library for library in SLOW if library in sys.modules]


if __name__ == "__main__":
    json.dump({module: help_of(module) for module in sys.argv[1:]}, sys.stdout)
