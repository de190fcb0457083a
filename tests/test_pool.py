"""The pool of a conversion with real workers: what hangs, fails or cannot start, and how an interruption ends."""

import os
import time

import pytest

from elo_tf.config import InputError
from elo_tf.data.video_entry import VideoEntry
from elo_tf.prepare import pool
from elo_tf.prepare.pool import Pool
from elo_tf.runtime.workers.local import LocalEngine


class Converter:
    """Converts a name into a line; those of odd names hang, fail or take a while. One shard, at the end."""

    def __init__(self, start):
        if start == "dies":
            os._exit(3)
        if start == "lacks":
            raise ModuleNotFoundError("No module named 'cv2'")
        if start == "starts":  # And never has.
            time.sleep(600)
        if start == "fails":
            raise MemoryError("no room for flow")
        self._lines = []

    def add(self, video):
        if video == "hangs":
            time.sleep(600)
        if video == "slow":
            time.sleep(3)
        if video == "fails":
            raise ValueError("a picture of no width")
        self._lines.append(VideoEntry(video, "train", "", 1, False))
        return self._lines[-1]

    def finished(self, last=False):
        return [("shard", "train", self._lines)] if last and self._lines else []


def events(videos, start="", minutes=0.0, count=1):
    with Pool(LocalEngine(count), Converter, (start,), videos, minutes) as running:
        return list(running.events())


def lines(found):
    return {event[1].id: getattr(event[1], "why", None) for event in found if event[0] == "video"}


def test_a_video_that_hangs_costs_itself():
    found = events(["a", "hangs", "b"], minutes=0.05)
    why = "the converter hangs on it (no answer for 0.05 minutes, --video_minutes)"
    assert lines(found) == {"a": None, "hangs": why, "b": None}
    # The one that had hung lost its open shard: its video was converted again.
    assert sorted(entry.id for kind, *shard in found if kind == "shard" for entry in shard[2]) == ["a", "b"]


def test_a_video_that_raises_what_nobody_foresaw_costs_itself(capfd):
    found = events(["a", "fails", "b"])
    assert lines(found) == {
        "a": None,
        "fails": "the converter died on it twice (ValueError: a picture of no width)",
        "b": None,
    }
    assert capfd.readouterr().err.count("Traceback") == 1


@pytest.mark.parametrize(
    "start, message",
    [
        ("lacks", r"a worker cannot start \(ModuleNotFoundError: No module named 'cv2'\); install the same packages"),
        ("dies", r"3 workers died while they started, the last one: exit status 3;"),
        ("fails", r"3 workers died while they started, the last one: MemoryError: no room for flow;"),
    ],
)
def test_workers_that_cannot_start_say_why(start, message):
    with pytest.raises(InputError, match=message):
        events(["a", "b"], start)


def test_an_interruption_waits_for_the_videos_under_way_but_not_for_one_that_hangs():
    with Pool(LocalEngine(1), Converter, ("",), ["a", "slow", "b"]) as running:
        found = running.events()
        assert next(found)[1].id == "a"
        running.drain(seconds=60)
        assert [event[0] for event in found] == ["video", "shard"]
    with Pool(LocalEngine(1), Converter, ("",), ["a", "hangs", "b"]) as running:
        found = running.events()
        assert next(found)[1].id == "a"
        begun = time.monotonic()
        running.drain(seconds=1)
        assert list(found) == [] and 0.9 < time.monotonic() - begun < 5


def test_that_no_worker_is_ready_is_said_and_has_a_limit(monkeypatch, capfd):
    monkeypatch.setattr(pool, "EVERY_SECONDS", 0.02)
    engine = LocalEngine(1)
    engine.start_minutes = 0.3 / 60
    with Pool(engine, Converter, ("starts",), ["a"]) as running:
        monkeypatch.setattr(pool, "_LOOK_SECONDS", 0.01)
        with pytest.raises(InputError, match="no worker is ready after .*--start_minutes=0.005 is the limit"):
            list(running.events())
    assert "no worker is ready after 0 s: they start, or a cluster has no room for them" in capfd.readouterr().err
