"""Files appear whole; what a killed program has left goes with the next write; the rest stays."""

import errno
import os
import socket
import subprocess
import sys

import pytest

from elo_tf.config import InputError
from elo_tf.runtime import storage


@pytest.fixture(scope="module")
def ended():
    """Number of a process that is no more."""
    program = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return int(program.stdout)


def test_a_write_removes_what_killed_programs_left_of_it(tmp_path, ended):
    machine, path = socket.gethostname(), tmp_path / "a.json"
    left = tmp_path / f".a.json.{machine}.{ended}.partial"
    kept = [
        f".a.json.{machine}.{os.getppid()}.partial",  # Runs.
        f".a.json.elsewhere.{ended}.partial",  # May run.
        f".b.json.{machine}.{ended}.partial",  # Is of another file.
        f".a.json.{machine}.x.partial",
        f".a.json.{machine}.{10**30}.partial",
    ]
    for name in (left.name, *kept):
        (tmp_path / name).write_text("part")
    storage.write_text(path, "whole")
    assert path.read_text() == "whole"
    assert {one.name for one in tmp_path.iterdir()} == {"a.json", *kept}


def test_a_killed_write_leaves_what_the_next_one_removes(tmp_path):
    code = "import os, sys; from elo_tf import storage; os.fsync = lambda _: os.kill(os.getpid(), 9); "
    code += "storage.write_text(sys.argv[1], 'new')"
    path = tmp_path / "a.txt"
    storage.write_text(path, "old")
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 2
    storage.write_text(path, "newer")
    assert path.read_text() == "newer" and list(tmp_path.iterdir()) == [path]


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "nowhere" / "a.txt"
    with pytest.raises(FileNotFoundError) as error:
        storage.write_text(path, "text")
    assert error.value.errno == errno.ENOENT and error.value.filename == str(path)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_removed_between_opening_and_claiming_is_refused(tmp_path, monkeypatch, replaced):
    path = tmp_path / "lines.jsonl"
    first = storage.GrowingLines(path, "busy")

    def after_its_end(file, busy):  # What the other program does just before the claim of this one.
        path.unlink()
        first.close()
        if replaced:
            path.write_text("")
        claim(file, busy)

    claim = storage.claim
    monkeypatch.setattr(storage, "claim", after_its_end)
    with pytest.raises(InputError, match="just finished with .*lines.jsonl; give the command again"):
        storage.GrowingLines(path, "busy")
    assert path.exists() == replaced


def test_lines_are_one_programs_and_a_torn_one_is_cut_off(tmp_path):
    path = tmp_path / "lines.jsonl"
    first = storage.GrowingLines(path, "busy")
    first.append({"a": 1}, 2)
    with pytest.raises(InputError, match="busy"):
        storage.GrowingLines(path, "busy")
    first.close()
    with open(path, "ab") as file:
        file.write(b'{"torn":')
    assert storage.GrowingLines(path, "busy").lines == [b'{"a": 1}', b"2"]
    assert path.read_bytes() == b'{"a": 1}\n2\n'
