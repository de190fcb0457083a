"""A cluster is waited for by name and with a limit, and not joined before all of it is there."""

import contextlib
import json
import socket
import threading
import time

import pytest

from elo_tf.config import InputError
from elo_tf.train import cluster
from elo_tf.train.cluster import Cluster


@contextlib.contextmanager
def ports(count):
    """Ports that nobody has, of this machine."""
    sockets = [socket.create_server(("", 0)) for _ in range(count)]
    numbers = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    yield numbers


def addresses(numbers):
    return [f"127.0.0.1:{number}" for number in numbers]


def test_who_is_missing_is_said_by_name_and_ends_it(monkeypatch, capfd):
    monkeypatch.setattr(cluster, "_FIRST_SECONDS", 0.1)
    with ports(3) as numbers, socket.create_server(("127.0.0.1", 0)) as there:
        own, *missing = addresses(numbers)
        present = f"127.0.0.1:{there.getsockname()[1]}"
        with pytest.raises(InputError) as error:
            Cluster(own, [missing[0], present, missing[1]]).gather(minutes=0.7 / 60)
    said = capfd.readouterr().err
    assert said.count("waiting for 2 of 4 processes of the cluster") == 1  # Again only after a minute.
    for text in (said, str(error.value)):
        assert all(f"{address} (Connection refused)" in text for address in missing) and present not in text
    assert "--cluster_minutes" in str(error.value)


def test_all_go_on_when_the_last_has_come_and_the_port_is_free_again(monkeypatch):
    with ports(3) as numbers:
        everyone, ended = addresses(numbers), []

        def join(index):
            others = everyone[:index] + everyone[index + 1 :]
            Cluster(everyone[index], others).gather(minutes=1)
            # As TensorFlow does next; whoever still looks sees it.
            ended.append(socket.create_server(("", numbers[index])))

        threads = [threading.Thread(target=join, args=(index,)) for index in range(3)]
        for thread in threads[:2]:
            thread.start()
        time.sleep(0.8)
        assert not ended
        threads[2].start()
        for thread in threads:
            thread.join(20)
        assert len(ended) == 3
        for server in ended:
            server.close()


def test_a_port_that_is_taken_is_named(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        own = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError, match=f"no cluster that this process could join \\({own}: Address already"):
            Cluster(own, []).gather(minutes=1)


def test_a_host_that_is_unknown_is_one_that_is_missing():
    with ports(1) as numbers:
        with pytest.raises(InputError, match=r"no-such-host\.invalid:2222 \("):
            Cluster(*addresses(numbers), ["no-such-host.invalid:2222"]).gather(minutes=0.001)


def test_the_others_are_those_that_train(monkeypatch):
    content = {
        "cluster": {"chief": ["a:1"], "worker": ["b:2", "c:3"], "evaluator": ["d:4"]},
        "task": {"type": "worker", "index": 1},
    }
    monkeypatch.setenv("TF_CONFIG", json.dumps(content))
    assert Cluster.read() == Cluster("c:3", ["a:1", "b:2"])
