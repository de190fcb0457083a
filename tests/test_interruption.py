"""Signals end a command at any moment: by one line, with their exit status, and with all that it has started."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[1]

PROGRAM = """
import os, subprocess, sys, time
from elo_tf.runtime import command_line, interruption

def sleeps():
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)  # As decoders are started.
    print("begun", child.pid, flush=True)
    time.sleep(60)

def saves():
    try:
        print("begun", flush=True)  # Within: the signal may come before the print returns.
        time.sleep(60)
    finally:
        time.sleep(0.3)
        print("saved", flush=True)

def swallows():
    interruption._State.grace = 0.5
    words = ["begun"]
    while True:
        try:
            if words:
                print(words.pop(), flush=True)
            time.sleep(60)
        except BaseException:  # As C++ code that does not come back.
            pass

def saves_for_long():
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        time.sleep(60)

def listens():
    with interruption.listening() as asked:
        print("begun", flush=True)
        while not asked:
            time.sleep(0.01)
    print("stopped at step 3", flush=True)
    sys.exit(128 + asked[0])

def breaks():
    try:
        print("begun", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        raise ImportError("half a library") from None

def asks_a_worker():
    from elo_tf.runtime.workers.local import LocalEngine
    from tests.test_workers import Arithmetic

    with LocalEngine(1) as engine:
        worker = engine.start(Arithmetic, (6,))
        worker.receive()
        try:
            print("begun", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            worker.send(2)
            print(worker.receive(), flush=True)
            raise

if __name__ == "__main__":
    if sys.argv[1] == "imports":
        interruption.guard()
        print("begun", flush=True)
        time.sleep(60)
    main = globals()[sys.argv.pop(1)]
    command_line.run(main, __doc__ or "", [])
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("interruption") / "program.py"
    path.write_text(PROGRAM)

    def start(what):
        process = subprocess.Popen(
            [sys.executable, str(path), what],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        return process, process.stdout.readline().split()

    return start


def finish(process):
    """Exit status, what it printed, its errors, and the seconds until it ended."""
    begun = time.monotonic()
    output, errors = process.communicate(timeout=30)
    return process.returncode, output, errors, time.monotonic() - begun


@pytest.mark.parametrize(
    "number, status, word",
    [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted"), (signal.SIGHUP, 129, "hung up")],
)
@pytest.mark.parametrize("what", ["sleeps", "imports", "breaks"])
def test_one_line_and_the_status_of_the_signal(program, what, number, status, word):
    before = signal.signal(number, signal.SIG_DFL)  # The tests themselves may run under nohup.
    try:
        process, begun = program(what)
    finally:
        signal.signal(number, before)
    process.send_signal(number)
    assert finish(process)[:3] == (status, "", f"{word}; what is finished is kept\n")
    deadline = time.monotonic() + 5  # A process that was killed may take a moment to end.
    while what == "sleeps" and running(int(begun[1])):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def running(pid):
    path = pathlib.Path(f"/proc/{pid}/stat")
    return path.exists() and path.read_text().rpartition(")")[2].split()[0] != "Z"


def test_what_saves_is_not_disturbed_by_a_signal_that_is_sent_twice(program):
    process, _ = program("saves")
    for _ in range(2):  # As `timeout` does: to the program, and to its group.
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    assert finish(process)[:3] == (143, "saved\n", "terminated; what is finished is kept\n")


def test_code_that_does_not_come_back_is_ended_after_the_grace(program):
    process, _ = program("swallows")
    process.send_signal(signal.SIGTERM)
    status, _, errors, seconds = finish(process)
    assert (status, errors) == (143, "terminated; what is finished is kept\n") and 0.3 < seconds < 5


def test_a_second_signal_ends_it_at_once(program):
    process, _ = program("saves_for_long")
    process.send_signal(signal.SIGINT)
    time.sleep(1.2)
    process.send_signal(signal.SIGINT)
    status, _, _, seconds = finish(process)
    assert status == 130 and seconds < 2


def test_who_listens_stops_where_it_can_and_says_so_itself(program):
    process, _ = program("listens")
    process.send_signal(signal.SIGTERM)
    assert finish(process)[:3] == (143, "stopped at step 3\n", "")


def test_with_nohup_it_outlives_its_terminal(program):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # Programs inherit it.
    try:
        process, _ = program("listens")
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert finish(process)[:3] == (143, "stopped at step 3\n", "")


def test_a_signal_to_the_whole_group_leaves_workers_to_finish(program):
    process, _ = program("asks_a_worker")
    os.killpg(process.pid, signal.SIGTERM)
    assert finish(process)[:3] == (143, "3.0\n", "terminated; what is finished is kept\n")
