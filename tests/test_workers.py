"""Workers of this machine: they answer in order, say what went wrong, die alone, and never outlive the program."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from elo_tf.config import InputError
from elo_tf.runtime.workers import base, local, select

ROOT = pathlib.Path(__file__).parents[1]


class Arithmetic:
    """Divides a number by what it is sent; odd messages end it in odd ways."""

    def __init__(self, number):
        if number < 0:
            raise InputError(f"{number} is negative")
        self.number = number

    def __call__(self, message):
        if message == "pid":
            return os.getpid()
        if message == "place":
            return local.place()
        if message == "gpus":
            return os.environ.get("CUDA_VISIBLE_DEVICES")
        if message == "end":
            os._exit(7)
        if message == "full":
            raise OSError(28, "No space left on device")
        if message == "sleep":
            time.sleep(60)
        return self.number / message


@pytest.fixture
def engine():
    with local.LocalEngine(2) as engine:
        yield engine


def start(engine, number=6):
    worker = engine.start(Arithmetic, (number,))
    assert worker.receive() is None
    return worker


def test_answers_come_in_the_order_of_the_messages(engine):
    worker = start(engine)
    for message in (1, 2, 3):
        worker.send(message)
    assert [worker.receive() for _ in range(3)] == [6.0, 3.0, 2.0]


def test_wait_names_those_that_have_answered(engine):
    first, second = start(engine), start(engine)
    assert engine.wait([first, second], timeout=0.05) == []
    second.send(3)
    assert engine.wait([first, second], timeout=30) == [second] and second.receive() == 2.0


def test_what_a_handler_raises_is_raised_here_and_it_goes_on(engine):
    worker = start(engine)
    worker.send(0)
    with pytest.raises(base.HandlerError, match="ZeroDivisionError: .*division by zero") as error:
        worker.receive()
    assert "in __call__" in error.value.trace
    worker.send("full")
    with pytest.raises(OSError, match="No space left"):
        worker.receive()
    worker.send(2)
    assert worker.receive() == 3.0


def test_bad_input_to_the_builder_is_told_first(engine):
    worker = engine.start(Arithmetic, (-1,))
    with pytest.raises(InputError, match="-1 is negative"):
        worker.receive()


def test_a_worker_that_dies_is_lost_alone(engine):
    first, second, third = (start(engine) for _ in range(3))
    assert engine.lost([first, second, third]) == [] and engine.lost([]) == []
    first.send("end")
    with pytest.raises(base.LostError, match="exit status 7"):
        first.receive()
    os.kill(second.process.pid, signal.SIGKILL)
    second.process.join()
    assert engine.lost([second, third]) == [second]
    with pytest.raises(base.LostError, match="exit status -9"):
        second.receive()
    second.send(1)  # Whoever has not noticed yet is not harmed.
    assert start(engine).process.is_alive()


def place(worker):
    worker.send("place")
    return worker.receive()


def test_places_are_of_their_own_and_a_lost_one_is_taken_again(engine):
    first, second, third = (start(engine) for _ in range(3))
    assert local.place() == 0 and [place(each) for each in (first, second, third)] == [0, 1, 2]
    second.kill()
    assert [place(each) for each in (start(engine), start(engine), first)] == [1, 3, 0]


def test_closing_ends_them(engine):
    worker = start(engine)
    worker.send("sleep")
    engine.close()
    assert not worker.process.is_alive()


def run(script):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)


def test_a_script_without_a_main_guard_is_not_started_again_by_its_workers(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "from elo_tf.runtime.workers.local import LocalEngine\n"
        "from tests.test_workers import Arithmetic\n"
        "print('started')\n"
        "with LocalEngine(1) as engine:\n"
        "    worker = engine.start(Arithmetic, (6,))\n"
        "    worker.receive(), worker.send(3)\n"
        "    print(worker.receive())\n"
    )
    done = run(script)
    assert done.stdout == "started\n2.0\n", done.stderr


def test_a_worker_may_need_what_the_program_itself_defines(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "from elo_tf.runtime.workers.local import LocalEngine\n"
        "class Double:\n"
        "    def __call__(self, message):\n"
        "        return 2 * message\n"
        "if __name__ == '__main__':\n"
        "    with LocalEngine(1) as engine:\n"
        "        worker = engine.start(Double, ())\n"
        "        worker.receive(), worker.send(3)\n"
        "        print(worker.receive())\n"
    )
    done = run(script)
    assert done.stdout == "6\n", done.stderr


def test_they_end_with_a_program_that_is_killed(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "from elo_tf.runtime.workers.local import LocalEngine\n"
        "from tests.test_workers import Arithmetic\n"
        "if __name__ == '__main__':\n"
        "    worker = LocalEngine(1).start(Arithmetic, (6,))\n"
        "    worker.receive(), worker.send('pid')\n"
        "    print(worker.receive(), flush=True)\n"
        "    worker.send('sleep')\n"
        "    worker.receive()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    pid = int(program.stdout.readline())
    program.kill()
    program.communicate()
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{pid}")


def test_how_many_is_meant():
    assert select.parse("local:3").count == 3 and select.parse("local").count == local.cores() >= 1
    for text in ("local:0", "local:", "local:x", "3", "ray:0", "ray:", "cloud", ""):
        with pytest.raises(InputError, match="local:2"):
            select.parse(text)
