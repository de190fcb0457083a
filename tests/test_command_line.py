"""What all commands share: help by subject that answers at once, and output that nobody reads to its end."""

import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Dict, List, Tuple

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FOLDERS = ("elo_tf", "export", "experiments")
FLAG = re.compile(r"^  --(\w+)", re.MULTILINE)


def commands() -> List[str]:
    """Modules that end in a call of `command_line.run`."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    names = [path.relative_to(ROOT).with_suffix("") for path in paths if "\n    command_line.run(" in path.read_text()]
    return [".".join(name.parts).replace(".__main__", "") for name in names]


@pytest.fixture(scope="module")
def helps() -> Dict[str, Tuple[str, int, List[str]]]:
    """Command -> text of its help, exit status, slow libraries imported by then."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.help_of_all", *commands()], cwd=ROOT, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert not done.stderr
    return json.loads(done.stdout)


def headings(text: str) -> List[str]:
    """Of the groups of flags: lines that end in a colon, before a flag."""
    return re.findall(r"^(\S[^\n]*(?:\n\S[^\n]*)*):\n  --", text, re.MULTILINE)


def run(code: str, **streams) -> subprocess.Popen:
    """A command of its own, `python -c`, in a new process."""
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, **streams)


def test_all_commands_are_found(helps):
    assert {f"elo_tf.{verb}" for verb in ("prepare", "search", "train", "evaluate", "embed")} < set(helps)
    assert {"export.saved_model", "export.client", "experiments.table4", "experiments.benchmarks.step_cost"} < set(
        helps
    )


def test_no_command_imports_a_slow_library_for_its_help(helps):
    assert {name: slow for name, (_, _, slow) in helps.items() if slow} == {}


def test_help_is_no_error_and_begins_with_what_the_command_does(helps):
    for name, (text, status, _) in helps.items():
        path = ROOT / name.replace(".", "/")
        path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        assert status == 0 and text.startswith(path.read_text()[3:].split("\n")[0]), name


def test_help_names_each_flag_once_and_none_of_a_library(helps):
    for name, (text, _, _) in helps.items():
        flags = FLAG.findall(text)
        assert len(flags) == len(set(flags)) and flags[-1] == "flagfile", name
        assert not {"verbosity", "alsologtostderr", "pdb", "helpfull", "undefok"} & set(flags), name


def test_flags_stand_under_what_they_set_and_the_commands_own_come_first(helps):
    text = helps["elo_tf.search"][0]
    found = headings(text)
    assert found[:2] == ["This command alone", "Where a run reads and writes, and what makes it repeatable"]
    assert found[-1] == "Every command"
    assert (
        "How a loss is trained, briefly in a search or in full" in found and "The search over λ (Sec. 3.2.3)" in found
    )
    flags = FLAG.findall(text)
    assert set(flags[:2]) == {"list_losses", "report"}
    first = flags.index("fitness")
    assert flags[first : first + 3] == ["fitness", "clusters", "zipf_exponent"]  # As declared.
    # Of a command without flags of its own, and in words, not in names of code.
    found = headings(helps["elo_tf.train"][0])
    assert found[0] == "Where a run reads and writes, and what makes it repeatable"
    # What the final training has beside a candidate of the search stands by itself.
    place = found.index("How a loss is trained, briefly in a search or in full")
    assert found[place + 1] == "How the final model is trained, besides what a candidate of a search has"
    assert not [line for text, _, _ in helps.values() for line in headings(text) if "`" in line]


def test_help_that_is_cut_off_is_silent_and_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "elo_tf.train", "--help"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 0


def test_a_command_whose_output_is_cut_off_does_its_work(tmp_path):
    code = f"""
import pathlib, sys
from elo_tf.runtime import command_line
def main():
    for number in range(20000):
        print("line", number, flush=number % 100 == 0)
    print("also here", file=sys.stderr)
    pathlib.Path({str(tmp_path / "done")!r}).write_text("all")
sys.argv = ["a_command"]
command_line.run(main, "Does some work.", [])
"""
    with run(code, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"line 0\n"
        process.stdout.close()
        assert process.stderr.read() == b"also here\n" and process.wait() == 0
    assert (tmp_path / "done").read_text() == "all"


def test_a_command_without_its_terminal_does_its_work(tmp_path):
    terminal, of_command = os.openpty()
    code = f"""
import pathlib, sys, time
from elo_tf.runtime import command_line
def main():
    print("begun", flush=True)
    while not pathlib.Path({str(tmp_path / "gone")!r}).exists():
        time.sleep(0.01)
    print("nobody reads this", flush=True)
    print("nor this", file=sys.stderr, flush=True)
    pathlib.Path({str(tmp_path / "done")!r}).write_text("all")
sys.argv = ["a_command"]
command_line.run(main, "Does some work.", [])
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=of_command, stderr=of_command) as process:
        os.close(of_command)
        try:
            with open(terminal, "rb", buffering=0) as screen:
                assert screen.readline() == b"begun\r\n"  # It may come in parts.
        finally:
            (tmp_path / "gone").touch()  # Else the command, and this test with it, would never end.
        assert process.wait() == 0
    assert (tmp_path / "done").read_text() == "all"


def test_a_command_whose_streams_are_closed_does_its_work_and_keeps_its_files_clean(tmp_path):
    code = f"""
import os, sys
from elo_tf.runtime import command_line, interruption
interruption.guard()
def main():
    with open({str(tmp_path / "done")!r}, "w") as file:
        print("nobody reads this", sys.stdin.read())
        os.write(2, b"a message of a library")
        file.write("all")
sys.argv = ["a_command"]
command_line.run(main, "Does some work.", [])
"""
    (tmp_path / "command.py").write_text(code)
    shell = f"'{sys.executable}' '{tmp_path / 'command.py'}' <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", shell], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode == 0
    assert (tmp_path / "done").read_text() == "all"


def test_a_broken_pipe_that_is_not_the_output_is_an_error():
    code = """
import os, sys
from elo_tf.runtime import command_line
def main():
    reader, writer = os.pipe()
    os.close(reader)
    os.write(writer, b"nobody reads this")
sys.argv = ["a_command"]
command_line.run(main, "Loses a worker.", [])
"""
    with run(code, stdout=subprocess.DEVNULL) as process:
        assert b"Broken pipe" in process.stderr.read() and process.wait() == 2


def test_errors_that_nobody_reads_keep_their_status():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nowhere:
        command = [sys.executable, "-m", "elo_tf.train", "--no_such_flag"]
        assert subprocess.run(command, cwd=ROOT, stdout=nowhere, stderr=nowhere, check=False).returncode == 2
