"""Decoded frames that workers share: decoded once, read in place, the same clips, whatever dies."""

import functools
import hashlib
import os
import signal
import threading

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import DataConfig, InputError
from elo_tf.data import frame_memory
from elo_tf.data.reader import Reader
from elo_tf.data.records import Manifest
from elo_tf.runtime.waiting import Wait
from elo_tf.runtime.workers.base import LostError
from elo_tf.runtime.workers.local import LocalEngine
from tests import videos

LAYOUT = {"rgb": ([3, 5, 5, 3], np.uint8), "audio": ([1000, 7], np.int16), "flow": ([2, 4], np.uint8)}
CONFIG = DataConfig(frames=4, future_frames=2, crop_size=16, batch_size=4)
NEEDS = frozenset((segment, modality) for segment in ("now", "next") for modality in ("rgb", "flow", "audio"))


@pytest.fixture
def shared():
    with frame_memory.allocated(["train"]) as shared:
        yield shared["train"]


def count_up(arrays):
    for array in arrays.values():
        assert not array.any()
        array.flat = np.arange(array.size) % 200 - (50 if array.dtype == np.int16 else 0)


def refuse(_):
    raise AssertionError("decoded twice")


def expected():
    arrays = {name: np.zeros(*array) for name, array in LAYOUT.items()}
    count_up(arrays)
    return arrays


def assert_counts_up(tensors):
    assert list(tensors) == list(LAYOUT)
    for name, array in expected().items():
        assert tensors[name].dtype == array.dtype and "CPU" in tensors[name].device
        np.testing.assert_array_equal(tensors[name], array)


def mapped_files():
    """(first address, last address, file) of each mapping of this process."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            words = line.split(maxsplit=5)
            first, last = (int(word, 16) for word in words[0].split("-"))
            yield first, last, words[5].strip() if len(words) > 5 else ""


def file_of(tensor):
    """The file in whose mapping the values of a tensor lie."""
    address = np.frombuffer(memoryview(tensor), np.uint8).ctypes.data
    return next(file for first, last, file in mapped_files() if first <= address < last)


def test_arrays_are_decoded_once_and_read_in_place(shared):
    first = shared.load("RECORDS", b"content", LAYOUT, count_up)
    again = shared.load("RECORDS", b"content", LAYOUT, refuse)
    for tensors in (first, again):
        assert_counts_up(tensors)
        for tensor in tensors.values():
            assert file_of(tensor) == "/memfd:elo_tf train (deleted)"
    assert os.stat(shared.path).st_nlink == 0  # It has no name, and ends with those that use it.


def anonymous_bytes():
    """What this process has for itself alone."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))


def test_iterators_take_no_copy(shared, tmp_path):
    reader = ClipReader(str(videos.noise_records(tmp_path)), None).reader
    # The same frame shapes, but 64 MiB of each, as if there were many more videos.
    large = {
        name: ([2**26 // tensor[0].numpy().nbytes, *tensor.shape[1:]], tensor.dtype.as_numpy_dtype)
        for name, tensor in reader.videos._flat.items()
    }
    reader.videos._flat = shared.load("RECORDS", b"content", large, lambda arrays: None)
    before = anonymous_bytes()
    assert next(iter(reader.training(0)))["now"]["rgb"].shape == [4, 4, 16, 16, 3]
    assert anonymous_bytes() - before < 2**25


def test_memory_outlives_whoever_has_allocated_it():
    with frame_memory.allocated(["train"]) as shared:
        tensors = shared["train"].load("RECORDS", b"content", LAYOUT, count_up)
    assert_counts_up(tensors)
    with pytest.raises(OSError):
        shared["train"].load("RECORDS", b"content", LAYOUT, count_up)


def test_without_other_processes_arrays_are_those_of_this_one():
    tensors = frame_memory.load(LAYOUT, count_up)
    assert_counts_up(tensors)
    assert not file_of(tensors["audio"])


def test_other_content_is_refused(shared):
    shared.load("RECORDS", b"content", LAYOUT, count_up)
    with pytest.raises(InputError, match="RECORDS have changed while workers read them; run the command again"):
        shared.load("RECORDS", b"changed", LAYOUT, count_up)


def test_what_cannot_be_decoded_is_left_to_the_next(shared):
    def fail(arrays):
        arrays["audio"][:] = 1
        raise InputError("damaged")

    with pytest.raises(InputError, match="damaged"):
        shared.load("RECORDS", b"content", LAYOUT, fail)
    assert_counts_up(shared.load("RECORDS", b"content", LAYOUT, count_up))


def test_others_wait_for_the_one_that_decodes_and_say_so(shared, monkeypatch, capfd):
    monkeypatch.setattr(frame_memory, "Wait", functools.partial(Wait, first=0.0))
    begun, may_end, found = threading.Event(), threading.Event(), {}

    def slowly(arrays):
        begun.set()
        assert may_end.wait(60)
        count_up(arrays)

    def load(name, decode):
        found[name] = shared.load("RECORDS", b"content", LAYOUT, decode)

    threads = [threading.Thread(target=load, args=("first", slowly))]
    threads[0].start()
    assert begun.wait(60)
    threads.append(threading.Thread(target=load, args=("second", refuse)))
    threads[1].start()
    threads[1].join(0.5)
    assert not found and "Waiting for another worker, which decodes RECORDS for all" in capfd.readouterr().err
    may_end.set()
    for thread in threads:
        thread.join(60)
    assert_counts_up(found["first"])
    assert_counts_up(found["second"])


def die_at_it(shared):
    """A worker that is killed while it decodes."""

    def decode(arrays):
        arrays["rgb"][:2] = 1
        os.kill(os.getpid(), signal.SIGKILL)

    shared.load("RECORDS", b"content", LAYOUT, decode)


class ClipReader:
    """A worker that reads clips, and tells what they are."""

    def __init__(self, records, shared):
        self.reader = Reader.of(Manifest.load(records), "train", NEEDS, CONFIG, shared=shared)

    def __call__(self, seed):
        digest = hashlib.sha256()
        for clips in self.reader.training(seed).take(4):
            for tensor in tf.nest.flatten(clips):
                digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()


def test_a_worker_that_dies_at_it_leaves_nothing_that_is_used(shared):
    with LocalEngine(1) as engine:
        with pytest.raises(LostError):
            engine.start(die_at_it, (shared,)).receive()
    assert_counts_up(shared.load("RECORDS", b"content", LAYOUT, count_up))


def test_workers_see_the_clips_that_one_has_decoded(shared, tmp_path):
    records = str(videos.noise_records(tmp_path))
    alone = ClipReader(records, None)(5)
    with LocalEngine(2) as engine:
        first = engine.start(ClipReader, (records, shared))
        assert first.receive() is None
        # From now on there is nothing to decode.
        for name in {video.shard for video in Manifest.load(records).usable}:
            (tmp_path / "records" / name).unlink()
        second = engine.start(ClipReader, (records, shared))
        assert second.receive() is None
        for worker in (first, second):
            worker.send(5)
        assert first.receive() == second.receive() == alone
