"""What every command line of the project shares: flags from dataclasses, errors in one line, exit status 2.

SIGINT, SIGTERM and SIGHUP end a command by one line too, with exit status 130, 143 or 129
(`elo_tf.runtime.interruption`).
"""

import dataclasses
import errno
import io
import os
import re
import sys
import textwrap
from typing import Callable, Dict, List, Sequence, Tuple, Type

from absl import flags, logging

from elo_tf import config
from elo_tf.runtime import interruption, standard_streams

USER_ERROR = 2
_MARK = "\ufeff"

_HELP_WIDTH = 96
_FLAGFILE = "takes flags from a file, one --name=value a line; where a flag is given twice, the last counts"


def run(main: Callable[..., None], doc: str, configs: Sequence[Type], arguments: int = 0) -> None:
    """Parses the flags, calls `main`, and ends the program.

    Bad input (`InputError`, an unknown flag, a file that cannot be read or written) ends it with one line on stderr
    and exit status 2, without a traceback; any other exception is a defect of ours and keeps its traceback. After
    SIGINT, SIGTERM or SIGHUP, whatever exception they come as, it ends with one line, the status of the signal, and no
    child process. A reader that has seen enough (`| head -1`) or a terminal that is gone is no error: the command does
    its work, and what it still prints is dropped.

    Args:
      main: Reads its settings with `config.from_flags`; takes what the user gave beside flags.
      doc: Docstring of the command, printed by `--help` above the flags.
      configs: Dataclasses whose fields are flags of this command; the command defines its own flags beforehand.
      arguments: How many words beside flags the user may give.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # A program may have put another stream in its place.
        sys.stdout.reconfigure(errors="backslashreplace")  # Names of files need not be UTF-8.
    with standard_streams.unread_dropped():
        config.define_flags(*configs)
        logging.set_verbosity(logging.WARNING)
        if {"--help", "-h", "-help"} & set(sys.argv[1:]):
            print(f"{doc.strip()}\n\n{_flag_table(_own_packages(main), configs)}")
            sys.exit(0)
        interruption.guard()
        try:
            _call(main, arguments)
        except BaseException as error:
            number = interruption.received()
            if number is None:
                raise
            # That of a command that has said it itself is silent.
            interruption.end(number, silently=isinstance(error, SystemExit))


def _call(main: Callable[..., None], arguments: int) -> None:
    try:
        rest = [os.path.expanduser(word) for word in flags.FLAGS([sys.argv[0], *_arguments()])[1:]]
        if rest[arguments:]:
            raise config.InputError(f"{rest[arguments]!r} is not a flag; flags are written --name=value (see --help)")
        main(*rest)
    except (flags.Error, config.InputError, OSError) as error:
        if interruption.received() is not None:  # A consequence: of a pipe that broke, of an import that stopped.
            raise
        print(f"error: {' '.join(str(error).split())}{_remedy(error)}", file=sys.stderr)
        sys.exit(USER_ERROR)


def _arguments() -> List[str]:
    """The command line with the lines of flag files in it; a byte order mark before the first of them is none."""
    try:
        arguments = flags.FLAGS.read_flags_from_files(sys.argv[1:], force_gnu=False)
    except UnicodeDecodeError as error:
        raise config.InputError(f"--flagfile is not UTF-8 text ({error.reason}); save it in UTF-8") from None
    given = []
    for argument in arguments:
        line = argument.lstrip(_MARK)
        # absl has left out blank lines and comments, but for one behind the mark.
        if line == argument or (line.strip() and not line.startswith(("#", "//"))):
            given.append(line)
    return given


def _remedy(error: Exception) -> str:
    """What to do about an error of the system."""
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT):
        return "; free some space and rerun the command"
    if code in (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK):
        return "; the file system there cannot do this: choose a folder on another one"
    return ""


def _own_packages(main: Callable) -> Tuple[str, ...]:
    """Packages whose modules define flags of a command: this one, and that of the command."""
    return tuple({"elo_tf", (main.__globals__.get("__package__") or "elo_tf").split(".")[0]})


def _flag_table(packages: Sequence[str], configs: Sequence[Type]) -> str:
    """The flags by subject: first those of the command alone, then a group for each dataclass that declares some.

    Flags of libraries (logging, testing) would bury them and are left out.
    """
    declared = {owner: names for each in configs for owner, names in _declared(each).items()}
    fields = {name for names in declared.values() for name in names}
    own = [
        flag.name
        for module, defined in flags.FLAGS.flags_by_module_dict().items()
        if module == sys.argv[0] or module.split(".")[0] in packages
        for flag in defined
        if flag.name not in fields
    ]
    groups = [_group("This command alone", own)] if own else []
    groups += [_group(_heading(owner), names) for owner, names in declared.items()]
    groups += [["Every command:", *_paragraph("--flagfile=FILE", _FLAGFILE)]]
    return "\n\n".join("\n".join(lines) for lines in groups)


def _declared(settings: Type) -> Dict[Type, List[str]]:
    """Dataclass -> names of the fields that it declares, of a dataclass of settings and its bases.

    A field that is declared again, with another default, is its base's: that is what it is about.
    """
    found: Dict[Type, List[str]] = {}
    for owner in reversed(settings.__mro__):  # A base before what derives from it.
        above = [name for names in found.values() for name in names]
        names = [name for name in owner.__dict__.get("__annotations__", {}) if name not in above]
        if dataclasses.is_dataclass(owner) and names:
            found[owner] = names
    return found


def _heading(settings: Type) -> str:
    """The first sentence of a dataclass's docstring, without the module that it names in brackets."""
    sentence = " ".join((settings.__doc__ or "").split("\n\n")[0].split())
    return re.sub(r" \(`[^`]*`\)", "", sentence).rstrip(".")


def _group(heading: str, names: Sequence[str]) -> List[str]:
    """Lines of some flags under a heading, each with its default and its help."""
    lines = textwrap.wrap(f"{heading}:", _HELP_WIDTH)
    for name in names:
        flag = flags.FLAGS[name]
        default = ",".join(flag.default) if isinstance(flag.default, list) else flag.default
        lines += _paragraph(f"--{name}={default}" if default is not None else f"--{name}", flag.help or "")
    return lines


def _paragraph(flag: str, text: str) -> List[str]:
    indent = " " * 6
    return [f"  {flag}", *textwrap.wrap(text, _HELP_WIDTH, initial_indent=indent, subsequent_indent=indent)]
