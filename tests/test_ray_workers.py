"""Workers on a real Ray cluster of two nodes on this machine: the same answers, and what a lost node costs."""

import contextlib
import pathlib
import subprocess
import sys
import time

import pytest

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import Manifest, check_records
from elo_tf.prepare.convert import convert
from elo_tf.runtime.workers import base, select
from elo_tf.runtime.workers.ray import _room
from elo_tf.search.trials.scheduler import Crew
from elo_tf.search.trials.trial import Trial
from tests import videos
from tests.test_crew import PLAIN, Handler
from tests.test_interruptions import FLAGS, found
from tests.test_workers import Arithmetic

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")

pytestmark = pytest.mark.slow
ROOT = str(pathlib.Path(__file__).parents[1])


@contextlib.contextmanager
def one_node(monkeypatch, **resources):
    """A cluster of one node, with these resources whether they are there or not."""
    monkeypatch.setenv("PYTHONPATH", ROOT)  # The processes of the cluster import the tests' handlers.
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **resources})
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one core each."""
    with one_node(monkeypatch, num_cpus=1) as cluster:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield cluster


def test_answers_errors_and_losses_are_those_of_local_workers(cluster):
    with select.parse("ray", cluster.address) as engine:
        assert engine.count == 2
        first, second = (engine.start(Arithmetic, (number,)) for number in (6, 8))
        assert first.receive() is None and second.receive() is None
        for message in (1, 2, 0, "full"):
            first.send(message)
        assert [first.receive(), first.receive()] == [6.0, 3.0]
        with pytest.raises(base.HandlerError, match="ZeroDivisionError"):
            first.receive()
        with pytest.raises(OSError, match="No space left"):
            first.receive()
        assert engine.wait([first], timeout=0.1) == []
        second.send(2)
        assert engine.wait([second], timeout=60) == [second] and second.receive() == 4.0
        assert engine.lost([first, second]) == [] and engine.lost([]) == []
        second.send("end")
        with pytest.raises(base.LostError):
            second.receive()
        assert engine.lost([first, second]) == [second]


def test_a_node_that_dies_costs_the_time_of_its_trial(cluster, tmp_path):
    with Crew(select.parse("ray", cluster.address), Handler, (str(tmp_path),), retries=1) as crew:
        found, killed = {}, False
        for ended in crew.run([Trial(number, PLAIN, 5, 0) for number in range(60)]):
            found[ended.trial.candidate] = ended.result
            if len(found) >= 10 and not killed:
                cluster.remove_node(list(cluster.worker_nodes)[-1], allow_graceful=False)
                killed = True
    # The node that is left has done the rest, with the same results.
    assert {number: result.value for number, result in found.items()} == {
        number: number / 7 + 5 for number in range(60)
    }
    assert not any(result.fitness.failed for result in found.values())


def test_converting_on_a_cluster_that_loses_a_node(cluster, tmp_path):
    for number in range(24):
        videos.plain(tmp_path / "videos" / f"{number}.mp4", frames=4 + number % 5, sound=number % 2 == 0)
    config = IngestConfig(size=16, shard_mb=0.02)
    killed = []

    def kill_one(done, count):
        if done >= 4 and not killed:
            killed.append(done)
            cluster.remove_node(list(cluster.worker_nodes)[-1], allow_graceful=False)

    engine = select.parse("ray", cluster.address)
    conversion = convert(tmp_path / "videos", tmp_path / "records", config, engine, kill_one)
    manifest = Manifest.load(str(tmp_path / "records"))
    assert killed and conversion.converted == 24 and manifest.complete and len(manifest.usable) == 24
    assert list(check_records(manifest)) == []


def run(module, *flags):
    done = subprocess.run([sys.executable, "-m", module, *flags], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_videos_to_evolved_loss_by_the_commands_on_a_cluster_that_loses_a_node(cluster, tmp_path):
    for number in range(40):
        videos.plain(tmp_path / "videos" / f"{number}.mp4", frames=12, grey=6 * number)
    on_cluster = "--workers=ray:2", f"--ray_address={cluster.address}"
    records = f"--records={tmp_path / 'records'}"
    run("elo_tf.prepare", f"--videos={tmp_path / 'videos'}", records, "--size=16", *on_cluster)
    # Nothing moves or sounds in them, so that there is nothing to agree with.
    search = [records, *FLAGS, "--scoring_clips=8", "--fitness=zipf"]
    run("elo_tf.search", *search, f"--run_dir={tmp_path / 'here'}", "--workers=local:1")
    # The user's paths are of the user's folder; the processes of the cluster are in another.
    flags = ["--records=records", *search[1:], "--run_dir=there", *on_cluster]
    with subprocess.Popen([sys.executable, "-m", "elo_tf.search", *flags], cwd=tmp_path) as process:
        journal = tmp_path / "there" / "journal.jsonl"
        while process.poll() is None and not (journal.exists() and b'"told"' in journal.read_bytes()):
            time.sleep(0.02)
        assert process.poll() is None
        cluster.remove_node(list(cluster.worker_nodes)[-1], allow_graceful=False)
    assert process.returncode == 0
    # Every result, whichever machine it came from.
    assert found(tmp_path / "there")[1:3] == found(tmp_path / "here")[1:3]


def test_workers_see_the_gpus_that_they_were_given(monkeypatch, capsys):
    def seen(machine, gpus):
        with select.parse("ray", machine.address, gpus) as engine:
            crew = [engine.start(Arithmetic, (6,)) for _ in range(min(engine.count, 4))]
            for worker in crew:
                worker.receive()
                worker.send("gpus")
            return engine.count, sorted(worker.receive() for worker in crew)

    with one_node(monkeypatch, num_cpus=4, num_gpus=2) as machine:
        assert seen(machine, 1) == (2, ["0", "1"]) and seen(machine, 0.5) == (4, ["0", "0", "1", "1"])
        assert "GPUs" not in capsys.readouterr().out
        assert seen(machine, 0) == (4, ["-1"] * 4)
        assert "The 2 GPUs of the Ray cluster are not used; see --gpus_per_candidate" in capsys.readouterr().out
        with pytest.raises(InputError, match=r"no machine .* a core and --gpus_per_candidate=3 .*it has 2 GPUs"):
            seen(machine, 3)
        with pytest.raises(InputError, match="--gpus_per_candidate=1e-05 is refused by Ray"):
            seen(machine, 0.00001)


@pytest.mark.parametrize(
    "machine, gpus, workers_there",
    [
        ({"CPU": 4.0}, 0, 4),
        ({"CPU": 4.0, "GPU": 2.0}, 0.4, 4),  # Two on each GPU: no worker has parts of two.
        ({"CPU": 9.0, "GPU": 2.0}, 1 / 3, 6),
        ({"CPU": 3.0, "GPU": 2.0}, 0.5, 3),  # Each takes a core.
        ({"CPU": 9.0, "GPU": 5.0}, 2, 2),
        ({"GPU": 2.0}, 1, 0),
        ({}, 0, 0),
    ],
)
def test_room_on_a_machine(machine, gpus, workers_there):
    assert _room(machine, gpus) == workers_there


def test_a_cluster_without_cores_names_what_is_missing(monkeypatch):
    with one_node(monkeypatch, num_cpus=0) as machine:
        with pytest.raises(
            InputError, match=r"no machine of the Ray cluster has a core for a worker .*--workers=ray:N"
        ):
            select.parse("ray", machine.address, 0)
        with select.parse("ray:2", machine.address, 0) as engine:
            assert engine.count == 2


def test_a_worker_that_ray_ends_for_want_of_memory_is_lost(monkeypatch):
    # Ray ends the newest worker of a machine whose memory is fuller than this.
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.001")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    with one_node(monkeypatch, num_cpus=1) as small, select.parse("ray", small.address) as engine:
        worker = engine.start(Arithmetic, (6,))
        with pytest.raises(base.LostError, match="OutOfMemoryError"):
            worker.receive()
            worker.send("sleep")
            worker.receive()


# Put in front of all else that the processes of a cluster import: they find no such package.
LACKING = """
import sys

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "elo_tf":
            raise ModuleNotFoundError("No module named 'elo_tf'", name=name)

sys.meta_path.insert(0, Lacking())
"""


def test_a_package_that_the_machines_lack_is_told_by_the_first_worker(monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(LACKING)
    for number in range(2):
        videos.plain(tmp_path / "videos" / f"{number}.mp4")
    monkeypatch.setattr(f"{__name__}.ROOT", str(tmp_path))
    message = r"a worker cannot start \(ModuleNotFoundError: No module named 'elo_tf'\); install the same packages"
    with one_node(monkeypatch, num_cpus=1) as machine:
        engine = select.parse("ray", machine.address)
        with pytest.raises(InputError, match=message):
            convert(tmp_path / "videos", tmp_path / "records", IngestConfig(size=16), engine)
        with Crew(select.parse("ray", machine.address), Handler, (str(tmp_path),), retries=1) as crew:
            with pytest.raises(InputError, match=message):
                crew.call("pid")


def test_no_cluster_is_one_clear_line():
    begun = time.monotonic()
    with pytest.raises(InputError, match="--ray_address=127.0.0.1:1 is not a Ray cluster .*Connection refused"):
        select.parse("ray", "127.0.0.1:1")
    with pytest.raises(InputError, match="--ray_address=auto is not a Ray cluster"):
        select.parse("ray", "auto")
    assert time.monotonic() - begun < 30
