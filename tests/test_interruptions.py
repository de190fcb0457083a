"""Searches that are killed, or whose disk fills up, again and again, end as one that was left alone, bit for bit.

python -m pytest -s tests/test_interruptions.py                      # 8 kills
ELO_TF_KILLS=100 python -m pytest -s tests/test_interruptions.py     # prints where each of them fell
"""

import collections
import contextlib
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from elo_tf.search.api import LEAST_FREE_BYTES
from tests import videos
from tests.warm_search import Nursery

KILLS = int(os.environ.get("ELO_TF_KILLS", "8"))
# Every so many starts is the command as a user gives it, and its kill leaves the workers to themselves.
COLD_EVERY = 5
# Of all that a journal has to keep: rungs, finalists, units of the terms, and a term with a memory of its own.
FLAGS = (
    "--frames=4 --crop_size=16 --batch_size=4 --modalities=rgb --steps=4 --optimizer=adam --learning_rate=0.001 "
    "--tasks=rgb/shuffle,rgb/deep_cluster --pseudo_labels=2 --memory_videos=64 --recluster_every=2 "
    "--loss_units=gradient --rungs=2 --fitness=agreement --clusters=2 --restarts=3 --scoring_clips=20 "
    "--generations=3 --population=4 --rescore=2 --rescore_seeds=2 --log_every=2"
).split()
# Of a search by one worker: what must not depend on interruptions in any record of a result.
TIMES = ("seconds", "attempts")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return videos.noise_records(tmp_path_factory.mktemp("kills"))


@pytest.fixture(scope="module")
def nursery():
    with Nursery() as nursery:
        yield nursery


def command(records, run_dir, workers):
    return [*FLAGS, f"--records={records}", f"--run_dir={run_dir}", f"--workers=local:{workers}"]


@pytest.fixture(scope="module")
def unbroken(records, tmp_path_factory):
    """The run directory of a search that was left alone, run as a user does."""
    run_dir = tmp_path_factory.mktemp("unbroken") / "run"
    done = subprocess.run(
        [sys.executable, "-m", "elo_tf.search", *command(records, run_dir, 1)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return run_dir


def lines(run_dir):
    """The records of a journal; a line without its end is none."""
    path = run_dir / "journal.jsonl"
    content = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def found(run_dir):
    """What must not depend on interruptions: all but times, and the order in which results of a rung ended."""
    told, rest = {}, []
    for line in lines(run_dir):
        if line["record"] != "told":
            line.get("settings", {}).pop("run_dir", None)  # In the header.
            rest.append(line)
            continue
        run = line["candidate"], line["steps"], line["seed"]
        assert run not in told, f"{run} ran twice"
        diagnostics = {name: value for name, value in line["diagnostics"].items() if not name.startswith("seconds/")}
        told[run] = {name: value for name, value in line.items() if name not in TIMES} | {"diagnostics": diagnostics}
    loss = json.loads((run_dir / "evolved_loss.json").read_text())
    loss.pop("seconds")
    return rest, told, loss, (run_dir / "clusters.npz").read_bytes()


class Cold:
    """A search as a user starts it, whose workers are not killed with it: they have to notice by themselves."""

    def __init__(self, arguments, log):
        with open(log, "a") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "elo_tf.search", *arguments], stdout=output, stderr=output
            )
        self.pid = self._process.pid

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self.wait()

    def wait(self):
        return self._process.wait()


def changes(run_dir):
    """What a reader can see of a run directory: its files and their sizes, unfinished ones too."""
    seen = []
    for path in run_dir.rglob("*"):
        try:
            seen.append((str(path), path.stat().st_size))
        except FileNotFoundError:
            pass  # Renamed meanwhile.
    return sorted(seen)


def wait_for_a_moment(moments, pid, run_dir):
    """Waits for a random time, or until the directory has changed a few times: around a write, if not in it.

    False where the search ended before.
    """
    deadline = time.monotonic() + (moments.uniform(0.2, 8.0) if moments.random() < 0.25 else 300.0)
    left, seen = moments.randint(1, 50), changes(run_dir)
    while time.monotonic() < deadline and left:
        if not running(pid):
            return False
        now = changes(run_dir)
        left -= now != seen
        seen = now
        time.sleep(0.003)
    time.sleep(moments.choice([0.0, 0.0, 0.003, 0.03]))
    return running(pid)


def running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def place(run_dir, trainings):
    """Where a kill fell: after what; `trainings` are those of a whole search."""
    records = lines(run_dir)
    if not records:
        return "before the journal"
    last = records[-1]["record"]
    if last == "told" and any(line["record"] == "finalists" for line in records):
        told = sum(line["record"] == "told" for line in records)
        if told == trainings:
            finished = [name for name in ("clusters.npz", "figures", "report.html") if (run_dir / name).exists()]
            return f"after the last result, before {'the end' if len(finished) == 3 else 'the report'}"
        return "after a result of a finalist"
    return {"told": "after a result"}.get(last, f"after the {last}")


def tear(moments, run_dir):
    """Leaves what a kill within the last write leaves: a line without its end. Returns whether there was a line."""
    path = run_dir / "journal.jsonl"
    content = path.read_bytes() if path.exists() else b""
    begun = content.rstrip(b"\n").rfind(b"\n") + 1
    if not content.endswith(b"\n"):
        return False
    os.truncate(path, moments.randrange(begun, len(content)))
    return True


@pytest.mark.slow
def test_killed_again_and_again_ends_as_one_left_alone(unbroken, records, nursery, tmp_path):
    moments = random.Random(11)
    places = collections.Counter()
    trainings = sum(line["record"] == "told" for line in lines(unbroken))
    starts, torn, begun = 0, 0, time.monotonic()
    while sum(places.values()) < KILLS:
        run_dir = tmp_path / f"{starts}"
        run_dir.mkdir()
        while True:
            starts += 1
            arguments = command(records, run_dir, moments.choice([1, 1, 2]))
            log = tmp_path / "log"
            search = nursery.start(arguments, log) if starts % COLD_EVERY else Cold(arguments, log)
            if sum(places.values()) < KILLS and wait_for_a_moment(moments, search.pid, run_dir):
                search.kill()
                places[place(run_dir, trainings)] += 1
                torn += moments.random() < 0.2 and tear(moments, run_dir)
                continue
            assert search.wait() == 0, log.read_text()
            break
        assert found(run_dir) == found(unbroken)
    minutes = (time.monotonic() - begun) / 60
    print(f"\n{sum(places.values())} kills in {minutes:.1f} minutes, {starts} starts, {torn} lines torn")
    for name, count in places.most_common():
        print(f"{count:5} {name}")
    # Where they fall depends on how fast the machine is, but most of a search is behind its first line.
    assert places["before the journal"] <= KILLS / 2


def sizes(run_dir):
    """Bytes of a journal up to the end of each line."""
    lengths = map(len, (run_dir / "journal.jsonl").read_bytes().splitlines(keepends=True))
    return list(itertools.accumulate(lengths))


def refused(search, log):
    """The message of a search that ends because it cannot write."""
    assert search.wait() == 2, log.read_text()
    (message,) = (line for line in log.read_text().splitlines() if line.startswith("error: "))
    assert "Traceback" not in log.read_text()
    log.unlink()
    return message


@pytest.mark.slow
def test_files_that_cannot_grow_stop_the_search_and_nothing_is_lost(unbroken, records, nursery, tmp_path):
    run_dir, log = tmp_path / "run", tmp_path / "log"
    ends, asked = sizes(unbroken), next(i for i, line in enumerate(lines(unbroken)) if line["record"] == "asked")
    result = ends[asked + 1] - ends[asked]
    # Within the line of the first generation, within that of its third result, and within the pictures at the end.
    for largest in (ends[asked - 1] + 40, ends[asked] + 5 * result // 2, ends[-1] + 100):
        message = refused(nursery.start(command(records, run_dir, 1), log, largest), log)
        assert "File too large" in message
        assert ("journal.jsonl" in message) == (largest < ends[-1])
        assert (run_dir / "journal.jsonl").read_bytes().endswith(b"\n")
        assert not list(run_dir.rglob("*.partial"))
    search = nursery.start(command(records, run_dir, 1), log)
    assert search.wait() == 0, log.read_text()
    assert found(run_dir) == found(unbroken)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, little larger than the room that a search asks for."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={LEAST_FREE_BYTES + 2**20}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no command mount; a disk that fills up cannot be made")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted ({done.stderr.strip()}); run as root to test a full disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path):
    """Writes a file until the disk is full to the last page."""
    with open(path, "wb", buffering=0) as file:
        for size in (2**20, 2**12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


@pytest.mark.slow
def test_a_disk_that_fills_up_stops_the_search_and_nothing_is_lost(unbroken, records, nursery, tmp_path, small_disk):
    run_dir, log = small_disk / "run", tmp_path / "log"
    moments = {
        "asked": lambda: any(line["record"] == "asked" for line in lines(run_dir)),
        "first generation": lambda: (run_dir / "evolved_loss.json").exists(),
        "finalists": lambda: any(line["record"] == "finalists" for line in lines(run_dir)),
        "clusters": lambda: (run_dir / "clusters.npz").exists(),
    }
    stopped = []
    for name, reached in moments.items():
        search = nursery.start(command(records, run_dir, 2), log)
        while running(search.pid) and not reached():
            time.sleep(0.001)
        fill(small_disk / "ballast")
        stopped.append((name, refused(search, log)))
        (small_disk / "ballast").unlink()
    print("".join(f"\n{name}: {message}" for name, message in stopped))
    assert all("No space left on device" in message for _, message in stopped)
    search = nursery.start(command(records, run_dir, 1), log)
    assert search.wait() == 0, log.read_text()
    assert found(run_dir) == found(unbroken)
