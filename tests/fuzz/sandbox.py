"""Runs a case in a process of its own and holds it to what every command promises, whatever it is given.

    status 0, 1, 2, 130 or 143; no traceback; no hang; no half-written file; nothing outside of the folders named

The process is forked from one that has imported the slow libraries and used none of them, so that a case costs what it
does and no imports. Its folder has

    in/     what it is given; nothing there may change, but what `Case.writes` names
    out/    where it may write
    else/   its working directory, its home and its folder of temporary files: all stay empty
"""

import dataclasses
import io
import os
import pathlib
import re
import resource
import runpy
import signal
import sys
import time
import traceback
from typing import Callable, Dict, List, Optional, Sequence, Tuple

STATUSES = (0, 1, 2, 130, 143)
CPU_SECONDS = 120  # of a case; a loop without end uses them up
WALL_SECONDS = 900.0  # of a case on however busy a machine; one that waits for ever reaches them
# Claims of folders, which any command may make that reads or writes there.
_CLAIMS = re.compile(r"\.lock|\..*\.lease")


@dataclasses.dataclass(frozen=True)
class Case:
    """Something to be tried.

    Attributes:
      about: What it is, in one line.
      run: Does it; raises or exits as a command does.
      writes: Files and folders below the case's folder that it may change, beside `out`.
    """

    about: str
    run: Callable[[], None]
    writes: Sequence[str] = ()


def command(module: str, *arguments: str) -> Callable[[], None]:
    """`python -m MODULE ARGUMENTS`, in this process."""

    def run() -> None:
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)

    return run


def function(call: Callable[[], object]) -> Callable[[], None]:
    """A call of the package, with the errors of a command: status 2 for bad input."""
    from elo_tf.config import InputError
    from elo_tf.decoding.decode import UnusableError

    def run() -> None:
        try:
            call()
        except (InputError, UnusableError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)

    return run


def make_folder(folder: pathlib.Path) -> pathlib.Path:
    """The folders of a case."""
    for name in ("in", "out", "else/home", "else/tmp", "else/cwd"):
        (folder / name).mkdir(parents=True)
    return folder


def try_case(case: Case, folder: pathlib.Path) -> Optional[str]:
    """What a case does that it should not, in a few lines; None where it keeps its promises."""
    before = _state(folder, case.writes)
    errors = folder / "stderr"
    status = _fork(case, folder, errors)
    text = errors.read_text(errors="replace")
    errors.unlink()
    if status is None:
        return f"hangs\n{text[-2000:]}"
    if status not in STATUSES or "Traceback (most recent call last)" in text:
        return f"status {status}\n{text[-4000:]}"
    if status == 2 and not text.strip():
        return "status 2 without a word"
    changes = sorted(name for name in before.items() ^ _state(folder, case.writes).items())
    if changes:
        return f"status {status}; changed outside of its folders: {changes[:6]}"
    torn = [path for path in folder.rglob(".*.partial") if path.exists()]
    return f"status {status}; half-written: {torn[:3]}" if torn else None


def _state(folder: pathlib.Path, writes: Sequence[str]) -> Dict[str, Tuple]:
    """Size and time of all that a case must leave as it is."""
    free = [folder / "out", *(folder / name for name in writes)]
    found: Dict[str, Tuple] = {}
    for path in folder.rglob("*"):
        if _CLAIMS.fullmatch(path.name) or any(path == each or each in path.parents for each in free):
            continue
        if path.is_file():
            found[str(path)] = (path.stat().st_size, path.stat().st_mtime_ns)
        elif path != folder:
            found[str(path)] = ()
    found.pop(str(folder / "stderr"), None)
    return found


def _fork(case: Case, folder: pathlib.Path, errors: pathlib.Path) -> Optional[int]:
    """The exit status of a case; minus the number of the signal that ended it; None where it had to be ended."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        _in_child(case, folder, errors)
    deadline = time.monotonic() + WALL_SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return None if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU else _code(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _code(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _in_child(case: Case, folder: pathlib.Path, errors: pathlib.Path) -> None:
    status = 70
    try:
        os.setsid()
        _redirect(errors)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 10))
        os.environ.update(HOME=str(folder / "else/home"), TMPDIR=str(folder / "else/tmp"))
        os.chdir(folder / "else/cwd")
        case.run()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _redirect(errors: pathlib.Path) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    written = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number, target in ((0, nowhere), (1, nowhere), (2, written)):
        os.dup2(target, number)
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), errors="backslashreplace", line_buffering=True)
    sys.stderr = io.TextIOWrapper(open(2, "wb", closefd=False), errors="backslashreplace", line_buffering=True)


def files_below(folder: pathlib.Path) -> List[pathlib.Path]:
    """Regular files of a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
