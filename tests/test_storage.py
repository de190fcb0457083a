"""Files appear whole; what a killed program has left goes with the next write; the rest stays."""

import errno
import os
import socket
import subprocess
import sys
import time

import pytest

from elo_tf.config import InputError
from elo_tf.runtime import lease, storage
from elo_tf.runtime.append_only import AppendOnlyFile


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
    code = "import os, sys; from elo_tf.runtime import storage; os.fsync = lambda _: os.kill(os.getpid(), 9); "
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
    first = AppendOnlyFile(path, "busy")

    def after_its_end(file, path, busy):  # What the other program does just before the claim of this one.
        path.unlink()
        first.close()
        if replaced:
            path.write_text("")
        return claim(file, path, busy)

    claim = storage.claim
    monkeypatch.setattr(storage, "claim", after_its_end)
    with pytest.raises(InputError, match="just finished with .*lines.jsonl; rerun the command"):
        AppendOnlyFile(path, "busy")
    assert path.exists() == replaced


def test_lines_are_one_programs_and_a_torn_one_is_cut_off(tmp_path):
    path = tmp_path / "lines.jsonl"
    first = AppendOnlyFile(path, "busy")
    first.append(b'{"a": 1}\n2\n')
    with pytest.raises(InputError, match="busy"):
        AppendOnlyFile(path, "busy")
    first.close()
    with open(path, "ab") as file:
        file.write(b'{"torn":')
    assert AppendOnlyFile(path, "busy").lines() == [b'{"a": 1}', b"2"]
    assert path.read_bytes() == b'{"a": 1}\n2\n'


def test_what_a_full_disk_takes_in_part_is_not_there(tmp_path, monkeypatch):
    path = tmp_path / "lines.jsonl"
    with AppendOnlyFile(path, "busy") as file:
        file.append(b"1\n")

        def refuse(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="No space left on device: .*lines.jsonl") as error:
            file.append(b"22\n")
        assert error.value.errno == errno.ENOSPC and path.read_bytes() == b"1\n"
        file.append(b"333\n", synchronise=False)
        assert file.lines() == [b"1", b"333"] and file.is_in_place()
        path.unlink()
        assert not file.is_in_place()


@pytest.fixture(params=[errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def without_locks(request, monkeypatch):
    """A file system without flock."""

    def refuse(file, operation):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(storage.fcntl, "flock", refuse)


def test_a_folder_is_one_programs_where_the_file_system_has_no_locks(tmp_path, without_locks):
    with storage.claim_folder(tmp_path / "a", "busy"):
        with pytest.raises(InputError, match="^busy; the claim is .*/a/.lock.lease, and ends 60 s after"):
            storage.claim_folder(tmp_path / "a", "busy")
        storage.claim_folder(tmp_path / "b", "busy").close()
    assert os.listdir(tmp_path / "a") == [".lock"]
    storage.claim_folder(tmp_path / "a", "busy").close()


def test_an_append_only_file_is_one_programs_where_the_file_system_has_no_locks(tmp_path, without_locks):
    first = AppendOnlyFile(tmp_path / "lines.jsonl", "busy")
    with pytest.raises(InputError, match="busy"):
        AppendOnlyFile(tmp_path / "lines.jsonl", "busy")
    first.append(b"1\n")
    first.close()
    assert AppendOnlyFile(tmp_path / "lines.jsonl", "busy").lines() == [b"1"]


def test_a_lease_of_another_machine_ends_a_minute_after_its_last_beat(tmp_path, without_locks):
    path = tmp_path / ".lock.lease"
    path.write_text("elsewhere/pid:[1] 77 abc")
    with pytest.raises(InputError, match="busy"):
        storage.claim_folder(tmp_path, "busy")
    os.utime(path, (path.stat().st_mtime - 61,) * 2)
    with storage.claim_folder(tmp_path, "busy"):
        assert str(os.getpid()) in path.read_text().split()
    assert os.listdir(tmp_path) == [".lock"]


def test_a_killed_program_of_this_machine_leaves_no_claim(tmp_path, without_locks, ended):
    path = tmp_path / ".lock.lease"
    for process in (ended, os.getpid()):  # Containers give the same numbers again.
        path.write_text(f"{lease._machine()} {process} abc")
        storage.claim_folder(tmp_path, "busy").close()
    path.write_text(f"{lease._machine()} {os.getppid()} abc")
    with pytest.raises(InputError, match="busy"):
        storage.claim_folder(tmp_path, "busy")


def test_a_lease_is_kept_young(tmp_path, without_locks, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.02)
    path = tmp_path / ".lock.lease"
    with storage.claim_folder(tmp_path, "busy"):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 5
        while path.stat().st_mtime < 1e9 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.time() - path.stat().st_mtime < 60


def test_a_lock_that_fails_otherwise_names_the_file(tmp_path, monkeypatch):
    def refuse(file, operation):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(storage.fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output error: .*/a/.lock"):
        storage.claim_folder(tmp_path / "a", "busy")


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP])
def test_what_cannot_be_synchronised_is_written_all_the_same(tmp_path, monkeypatch, code):
    def refuse(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    storage.write_text(tmp_path / "a.txt", "text")
    storage.synchronise_entry(tmp_path)
    assert (tmp_path / "a.txt").read_text() == "text"


def test_a_failing_disk_is_not_taken_for_one_that_cannot_synchronise(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        storage.synchronise_entry(tmp_path)
    with pytest.raises(OSError, match="Input/output error: .*a.txt"):
        storage.write_text(tmp_path / "a.txt", "text")


def test_a_text_may_name_files_that_are_no_utf8(tmp_path):
    storage.write_text(tmp_path / "a.txt", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "a.txt").read_bytes() == b"caf\xe9"
