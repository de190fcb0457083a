"""The benchmark of two million videos, on few: its records are real ones, and what it says of mixing is true."""

import re

import pytest

from elo_tf.config import DataConfig
from elo_tf.data.reader import Reader
from elo_tf.data.records import Manifest, check_records
from experiments.benchmarks import process_memory, two_million


def test_its_records_are_what_prepare_would_write(tmp_path):
    folder = two_million.make_records(tmp_path / "64", 64)
    manifest = Manifest.load(str(folder))
    assert manifest.complete and (manifest.counts["train"], manifest.counts["holdout"]) == (48, 16)
    assert list(check_records(manifest)) == []
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert two_million.make_records(folder, 64) == folder and (folder / "manifest.json").stat().st_mtime_ns == written
    data = DataConfig(frames=2, crop_size=16, batch_size=4, resident_gb=0)
    reader = Reader.open(str(folder), "train", frozenset({("now", "rgb"), ("now", "flow")}), data)
    clips = next(iter(reader.training(0)))
    assert clips["now"]["rgb"].shape == (4, 2, 16, 16, 3) and float(clips["now"]["rgb"].numpy().std()) > 0


def test_what_it_says_of_mixing(tmp_path, monkeypatch):
    monkeypatch.setattr(two_million, "A_SHARD", 40)
    folder = two_million.make_records(tmp_path / "1200", 1200)
    said = two_million.mixing(folder, 600)
    correlation, chance, different, shards = re.search(
        r"order ([+-]\d\.\d+) .by chance .-([\d.]+). over 600 videos, (\d+) of them different; "
        r"a batch of 64 comes from ([\d.]+) shards",
        said,
    ).groups()
    assert abs(float(correlation)) < 3 * float(chance) < 0.9 and different == "600" and float(shards) >= 8


def test_memory_of_a_process_and_of_those_below_it():
    import os
    import subprocess

    child = subprocess.Popen(["sleep", "60"])
    try:
        assert {os.getpid(), child.pid} <= set(process_memory.family(os.getpid()))
        assert 0 < process_memory.mebibytes("VmHWM", child.pid) < process_memory.mebibytes("VmHWM")
    finally:
        child.kill()
        child.wait()
    with pytest.raises((OSError, StopIteration)):
        process_memory.mebibytes("VmHWM", child.pid)
