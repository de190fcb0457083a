"""What a process may use of its machine: as containers say it, in both versions of cgroups."""

import pytest

from elo_tf.config import InputError
from elo_tf.data.reader import check_memory
from elo_tf.data.records import Manifest
from elo_tf.data.selection import Selection
from elo_tf.data.video_entry import VideoEntry
from elo_tf.runtime import devices, machine
from elo_tf.runtime.workers import local, select


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


V1 = "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "sys/fs/cgroup/cpu/cpu.cfs_period_us"


@pytest.mark.parametrize(
    "files, cores, memory",
    [
        ({}, 96, None),
        ({"sys/fs/cgroup/cpu.max": "max 100000", "sys/fs/cgroup/memory.max": "max"}, 96, None),
        ({"sys/fs/cgroup/cpu.max": "400000 100000", "sys/fs/cgroup/memory.max": "2147483648"}, 4, 2**31),
        ({"sys/fs/cgroup/cpu.max": "150000 100000"}, 2, None),
        ({"sys/fs/cgroup/cpu.max": "50000 100000"}, 1, None),
        ({V1[0]: "-1", V1[1]: "100000", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, 96, None),
        ({V1[0]: "300000", V1[1]: "100000", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1048576"}, 3, 2**20),
        # The group of a service on a machine; that above it has less.
        (
            {
                "proc/self/cgroup": "0::/work.slice/job.service",
                "sys/fs/cgroup/work.slice/cpu.max": "200000 100000",
                "sys/fs/cgroup/work.slice/job.service/cpu.max": "800000 100000",
            },
            2,
            None,
        ),
    ],
)
def test_the_limits_of_a_container_count(tmp_path, monkeypatch, files, cores, memory):
    write(tmp_path, files)
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    monkeypatch.setattr(machine, "allowed_cores", lambda: 96)
    assert machine.cores() == local.cores() == cores and machine.memory_limit() == memory
    with select.parse("local") as engine:
        assert engine.count == cores


def test_a_search_has_a_worker_for_each_gpu(capsys):
    assert select.parse("local", devices=8).count == 8
    assert capsys.readouterr().out == "8 workers on 8 GPUs, 1 on each (--workers)\n"
    assert select.parse("local:6", devices=4).count == 6
    assert capsys.readouterr().out == "6 workers on 4 GPUs, 2 on each (--workers)\n"
    assert select.parse("local", devices=0).count == local.cores() and not capsys.readouterr().out


def test_gpus_give_memory_as_it_is_needed_and_threads_are_those_of_the_container(monkeypatch):
    import tensorflow as tf

    # Without a GPU here, what TensorFlow is told stands in for one.
    done = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind}:0", f"{kind}:1"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: done.append((gpu, on)))
    for name in ("set_intra_op_parallelism_threads", "set_inter_op_parallelism_threads"):
        monkeypatch.setattr(tf.config.threading, name, done.append)
    monkeypatch.setattr(machine, "allowed_cores", lambda: 96)
    monkeypatch.setattr(machine, "_quota", lambda: 3.0)
    grown = [("GPU:0", True), ("GPU:1", True)]
    devices.set_up()
    assert done == [3, 3, *grown]
    done.clear()
    devices.set_up(threads=5)
    assert done == [5, 5, *grown]
    done.clear()
    monkeypatch.setattr(machine, "_quota", lambda: None)
    devices.set_up()
    assert done == grown and devices.gpus() == 2


def test_records_that_do_not_fit_into_memory_are_refused_before_they_are_read(monkeypatch):
    videos = [VideoEntry(f"{frames}.mp4", "train", "", frames, True) for frames in (100, 28)]
    manifest = Manifest({"size": 64}, 16000, 1280, videos, [], True, "RECORDS")
    selection = Selection(manifest, manifest.usable)
    needed = 128 * (64 * 64 * 5 + 1280 * 2)
    assert selection.resident_bytes(resident_gb=1) == needed and selection.resident_bytes(0.001) == 0
    monkeypatch.setattr(machine, "memory_limit", lambda: 3 * needed)
    check_memory(needed, "RECORDS", workers=3)
    with pytest.raises(InputError, match="RECORDS .* in each of 4 processes, .*--resident_gb=0, or .*--workers"):
        check_memory(needed, "RECORDS", workers=4)
    check_memory(3 * needed, "RECORDS")
    with pytest.raises(InputError, match="RECORDS take [^,]* GiB, and the machine has .*--resident_gb=0$"):
        check_memory(4 * needed, "RECORDS")
