"""What every command line of the project shares: flags from dataclasses, errors in one line, exit status 2."""

import errno
import os
import sys
import textwrap
from typing import Callable, Sequence, Type

from absl import flags, logging

from elo_tf import config

USER_ERROR = 2


def run(main: Callable[..., None], doc: str, configs: Sequence[Type], arguments: int = 0) -> None:
    """Parses the flags, calls `main`, and ends the program.

    Bad input (`InputError`, an unknown flag, a file that cannot be read or written) ends it with one line on stderr
    and exit status 2, without a traceback; any other exception is a defect of ours and keeps its traceback.

    Args:
      main: Reads its settings with `config.from_flags`; takes what the user gave beside flags.
      doc: Docstring of the command, printed by `--help` above the flags.
      configs: Dataclasses whose fields are flags of this command; the command defines its own flags beforehand.
      arguments: How many words beside flags the user may give.
    """
    config.define_flags(*configs)
    sys.stdout.reconfigure(errors="backslashreplace")  # Names of files need not be UTF-8.
    logging.set_verbosity(logging.WARNING)
    if {"--help", "-h", "-help"} & set(sys.argv[1:]):
        print(f"{doc.strip()}\n\n{_flag_table()}")
        sys.exit(0)
    try:
        rest = [os.path.expanduser(word) for word in flags.FLAGS(sys.argv)[1:]]
        if rest[arguments:]:
            raise config.InputError(f"{rest[arguments]!r} is not a flag; flags are written --name=value (see --help)")
        main(*rest)
    except (flags.Error, config.InputError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}{_remedy(error)}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _remedy(error: Exception) -> str:
    """What to do about an error of the system."""
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT):
        return "; make room and give the same command again"
    if code in (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK):
        return "; the file system there cannot do this: choose a folder on another one"
    return ""


def _flag_table() -> str:
    """The project's flags, alphabetically, one paragraph each."""
    lines = []
    for name in sorted(flags.FLAGS):
        flag = flags.FLAGS[name]
        # absl's own flags (logging, testing) would bury ours.
        if str(flags.FLAGS.find_module_defining_flag(name)).startswith("absl") and name != "flagfile":
            continue
        default = ",".join(flag.default) if isinstance(flag.default, list) else flag.default
        shown = f"--{name}={default}" if default is not None else f"--{name}"
        lines.append(shown)
        lines.extend(textwrap.wrap(flag.help or "", 96, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(lines)
