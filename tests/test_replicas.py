"""Several devices, and several processes, train as one does."""

import contextlib
import json
import os
import signal
import socket
import time

import numpy as np
import pytest
import tensorflow as tf

from elo_tf import tasks
from elo_tf.config import InputError, TaskConfig
from elo_tf.data.sources import Share
from elo_tf.model.elo_model import EloModel
from elo_tf.train import replicas
from tests import trainings, videos
from tests.batches import SIZES, random_clips

# A decoder, a binary term, and one that compares videos of all replicas; all have batch normalisation.
TASKS = ("rgb/reconstruct", "rgb-audio/embed")
STEPS = 3
# Small, since rounding grows with every update: three at 0.01 carry the last digit of a sum to 4e-5.
RATE = 0.002


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return videos.noise_records(tmp_path_factory.mktemp("replicas"))


def train(records, run_dir, strategy, **settings):
    """A trainer after three steps, and the losses of each."""
    trainer = trainings.make(records, run_dir, strategy, TASKS, learning_rate=RATE, **settings)
    before = [variable.numpy() for variable in trainer.model.trainable_variables]
    losses = [trainer.advance(1).losses for _ in range(STEPS)]
    moved = [abs(new.numpy() - old).max() for new, old in zip(trainer.model.trainable_variables, before)]
    assert max(moved) > 1e-3  # A hundred times the tolerance.
    return trainer, losses


@pytest.fixture(scope="module")
def one(records, tmp_path_factory):
    return train(records, tmp_path_factory.mktemp("one"), None)


@pytest.mark.slow
def test_two_devices_equal_one(one, records, tmp_path):
    """Terms, weights, statistics and what the optimiser remembers; a checkpoint of theirs serves either."""
    strategy = replicas.make_strategy("mirrored")
    assert strategy.num_replicas_in_sync == 2
    trainer, losses = train(records, tmp_path, strategy)
    for before, after in zip(one[1], losses):
        assert after == pytest.approx(before, abs=1e-5)
    expected, found = trainings.weights(one[0]), trainings.weights(trainer)
    for before, after, variable in zip(expected, found, trainer.model.variables):
        np.testing.assert_allclose(after, before, atol=1e-5, err_msg=variable.name)
    assert len(expected) == len(found) and trainer.done == STEPS
    prefix = trainer.save()
    alone = trainings.make(records, tmp_path, None, TASKS)
    assert alone.restore() == prefix and alone.done == STEPS
    for before, after in zip(found, trainings.weights(alone)):
        np.testing.assert_array_equal(after, before)
    # And back, on the devices.
    kernel = trainer.model.towers["rgb"].trainable_variables[0]
    kernel.assign(tf.zeros(kernel.shape))
    trainer.step.assign(0)
    assert trainer.restore() == prefix and trainer.done == STEPS
    for before, after in zip(found, trainings.weights(trainer)):
        np.testing.assert_array_equal(after, before)


@pytest.mark.slow
def test_two_devices_clip_the_gradient_of_both_together(records, tmp_path):
    """Each for itself would clip its half: the sum would be longer, and point elsewhere."""
    weights = []
    for name, strategy in (("one", None), ("two", replicas.make_strategy("mirrored"))):
        trainer = trainings.make(records, tmp_path / name, strategy, TASKS, clip_norm=0.05, learning_rate=0.2)
        before = [variable.numpy() for variable in trainer.model.trainable_variables]
        for _ in range(2):  # The first one is of warm-up.
            trainer.advance(1)
        weights.append([variable.numpy() for variable in trainer.model.trainable_variables])
        moved = np.sqrt(sum(((new - old) ** 2).sum() for new, old in zip(weights[-1], before)))
        assert 1e-3 < moved < 0.05  # The gradients are longer: the limit was felt.
    for one_device, two_devices in zip(*weights):
        np.testing.assert_allclose(two_devices, one_device, atol=1e-5)


@pytest.mark.parametrize("gather", [True, False])
def test_negatives_are_of_all_replicas_or_of_its_own(gather):
    config = TaskConfig(gather=gather)
    clips = random_clips(batch=4)
    strategy = replicas.make_strategy("mirrored")
    with strategy.scope():
        model = EloModel(tasks.select(("rgb", "flow"), ("rgb-flow/embed",), config), SIZES)
        model.compute_losses(clips, training=False)

    def of(first, last):
        part = tf.nest.map_structure(lambda values: values[first:last], clips)
        return float(model.compute_losses(part, training=False)["rgb-flow/embed"])

    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tf.nest.map_structure(lambda values: values[2 * context.replica_id_in_sync_group :][:2], clips)
    )
    run = tf.function(lambda part: strategy.run(lambda own: model.compute_losses(own, training=False), [part]))
    found = float(strategy.reduce("MEAN", run(parts)["rgb-flow/embed"], axis=None))
    halves = (of(0, 2) + of(2, 4)) / 2
    assert abs(halves - of(0, 4)) > 1e-4
    assert found == pytest.approx(of(0, 4) if gather else halves, abs=1e-5)


@pytest.mark.slow
def test_two_devices_take_a_batch_in_parts(records, tmp_path):
    """Statistics are exchanged in every part; the devices end with the same weights, which have moved."""
    trainer, losses = train(
        records, tmp_path, replicas.make_strategy("mirrored"), data={"batch_size": 8, "resident_gb": 4.0}, accumulate=2
    )
    assert all(np.isfinite(list(each.values())).all() for each in losses)
    for variable in trainer.model.variables:
        copies = [np.array(copy) for copy in trainer.strategy.experimental_local_results(variable)]
        np.testing.assert_array_equal(*copies, err_msg=variable.name)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextlib.contextmanager
def workers(records, run_dir, *flags, last=()):
    """Two worker processes; the second has further flags. None outlives the test."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    flags = ("--distribute=multi_worker", f"--tasks={','.join(TASKS)}", "--drop_below=0", "--threads=1", *flags)
    started = [
        trainings.start(
            records,
            run_dir,
            *flags,
            *(last if index else ()),
            environment={
                **os.environ,
                "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
            },
        )
        for index in range(2)
    ]
    try:
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()


@pytest.mark.slow
def test_two_processes_equal_one(one, records, tmp_path):
    """One reads and steps as two do; the chief alone writes, and a checkpoint of theirs serves one process."""
    # Pictures are of the statistics that both hold together.
    flags = ("--steps=6", f"--save_every={STEPS}", f"--learning_rate={RATE}", "--log_every=1", "--pictures_every=2")
    with workers(records, tmp_path / "run", *flags) as started:
        for code, _, errors in map(trainings.finish, started):
            assert code == 0, errors
    found = trainings.saved(tmp_path / "run", STEPS)
    one[0].checkpoints.save()
    expected = trainings.saved(one[0].settings.run.run_dir)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5, err_msg=name)
    folder = tmp_path / "run" / "checkpoints"
    assert {path.name for path in folder.iterdir()} == {"checkpoint"} | {
        f"ckpt-{step}.{kind}" for step in (0, 3, 6) for kind in ("index", "data-00000-of-00001")
    }
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1
    alone = trainings.make(records, tmp_path / "run", None, TASKS)
    assert alone.restore().endswith("ckpt-6") and alone.done == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "last, own, other",
    [
        ("--loss=nowhere.json", "nowhere.json", "another of the processes was refused"),
        ("--learning_rate=0.5", "different flags", "different flags"),
    ],
)
def test_what_one_process_refuses_all_refuse(records, tmp_path, last, own, other):
    with workers(records, tmp_path / "run", "--steps=6", last=[last]) as started:
        for (code, _, errors), message in zip(map(trainings.finish, started), (other, own)):
            # On a busy machine the first says that it waits for the other.
            lines = [line for line in errors.splitlines() if line and not line.startswith("waiting for")]
            assert code == 2 and message in errors and len(lines) == 1, errors
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.slow
def test_a_process_that_is_lost_ends_the_others_by_one_line(records, tmp_path):
    with workers(records, tmp_path / "run", "--steps=100000", "--save_every=5") as (first, second):
        list_of_checkpoints = tmp_path / "run" / "checkpoints" / "checkpoint"
        for _ in range(1200):
            if list_of_checkpoints.exists() and "ckpt-5" in list_of_checkpoints.read_text():
                break
            time.sleep(0.1)
        second.kill()
        code, _, errors = trainings.finish(first)
    assert code == 2 and errors.strip().splitlines()[-1].startswith("error: another of the 2 processes has ended"), (
        errors
    )
    assert "Traceback" not in errors
    alone = trainings.make(records, tmp_path / "run", None, TASKS)
    assert alone.restore() and alone.done >= 5


@pytest.mark.slow
@pytest.mark.parametrize("address", ["127.0.0.1:taken", "127.0.0.1:port"])
def test_a_cluster_that_cannot_be_joined_is_one_line(records, tmp_path, address):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = address.replace("taken", str(server.getsockname()[1]))
        cluster = {"worker": [address, f"127.0.0.1:{free_ports(1)[0]}"]}
        config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}})
        process = trainings.start(
            records, tmp_path / "run", "--distribute=multi_worker", environment={**os.environ, "TF_CONFIG": config}
        )
        code, _, errors = trainings.finish(process)
    last = errors.strip().splitlines()[-1]  # Before it, gRPC may have something to say.
    assert code == 2 and last.startswith("error: ") and "no cluster that this process could join" in last, errors
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags, number, code, message",
    [
        (["--cluster_minutes=0.1"], None, 2, "no answer within 0.1 minutes (--cluster_minutes) from 1 of 2 processes"),
        ([], signal.SIGTERM, 143, "terminated; what is finished is kept"),
        ([], signal.SIGINT, 130, "interrupted; what is finished is kept"),
    ],
)
def test_a_process_that_never_starts_is_named_and_signals_are_heard(records, tmp_path, flags, number, code, message):
    own, missing = (f"127.0.0.1:{port}" for port in free_ports(2))
    config = json.dumps({"cluster": {"worker": [own, missing]}, "task": {"type": "worker", "index": 0}})
    process = trainings.start(
        records, tmp_path / "run", "--distribute=multi_worker", *flags, environment={**os.environ, "TF_CONFIG": config}
    )
    said = process.stderr.readline()
    assert said.startswith(f"waiting for 1 of 2 processes of the cluster: {missing} (Connection refused)")
    if number:
        process.send_signal(number)
    begun = time.monotonic()
    status, _, errors = trainings.finish(process)
    assert status == code and message in errors and len(errors.strip().splitlines()) == 1, errors
    assert time.monotonic() - begun < 20 and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
    ],
)
def test_a_cluster_that_is_none_is_one_line(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG=.* does not describe a cluster; set it"):
        replicas.make_strategy("multi_worker")


@pytest.mark.parametrize("address", ["", "grpc://127.0.0.1:1", "grpc://127.0.0.1", "no-such-tpu.invalid"])
def test_a_tpu_that_is_not_there_is_one_line(address):
    with pytest.raises(InputError, match=f"--tpu={address}: ") as error:
        replicas.make_strategy("tpu", address)
    assert "\n" not in str(error.value)


def test_shares_of_processes_and_their_replicas():
    contexts = [tf.distribute.InputContext(2, index, 6) for index in range(2)]
    assert [replicas.share_of(context) for context in contexts] == [Share(0, 2, 3), Share(1, 2, 3)]
    assert replicas.share_of(tf.distribute.InputContext(1, 0, 1)) == Share(0, 1, 1)


def test_batches_that_cannot_be_dealt_out_are_one_line(records, tmp_path):
    two = replicas.make_strategy("mirrored")
    for batch_size in (5, 6):
        with pytest.raises(InputError, match=f"--batch_size={batch_size} does not give each of 2 devices the"):
            trainings.make(records, tmp_path, two, data={"batch_size": batch_size})
    with pytest.raises(InputError, match="--jit_compile on 2 devices"):
        trainings.make(records, tmp_path, two, jit_compile=True)


def test_what_one_process_refuses_is_refused():
    with pytest.raises(InputError, match="mine"):
        with replicas.refused_together(tf.distribute.get_strategy()):
            raise InputError("mine")
