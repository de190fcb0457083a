"""python -m export.client as its users run it: windows of a video, both transports, what it writes, how it refuses."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import IngestConfig, InputError
from elo_tf.decoding.decode import decode
from export import client
from export.predictor import Predictor
from tests import served, videos
from tests.serving_model import Servable
from tests.serving_server import Server
from tests.towers import FRAMES, SIZE

ROOT = pathlib.Path(__file__).parents[1]
KNOWN = ("--frames=4", "--size=16", "--fps=12.5", "--send=float")
LENGTH = 21  # frames of the video


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    pictures = served.noise(0, LENGTH, 40, 64, 3)
    return videos.write(tmp_path_factory.mktemp("client") / "video.mp4", pictures)


@pytest.fixture(scope="module")
def server():
    with Server(Servable(served.export()[0])) as running:
        yield running


def run(*arguments, status=0):
    """(standard output, standard error) of the command."""
    command = [sys.executable, "-m", "export.client", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def expected(video, starts):
    """What the tower in memory makes of the windows: decoded as records are, centre cut out."""
    base, tower = served.export()
    frames = decode(video, IngestConfig(size=tower.about.stored_size, fps=tower.about.fps)).frames[:, 4:28, 4:28]
    windows = np.stack([frames[start : start + FRAMES] for start in starts])
    return tower.network(tf.constant(windows / np.float32(255)))["embedding"].numpy()


def test_rest_writes_a_file(server, video, tmp_path):
    flags = ["--rest", f"--server={server.rest}", f"--model_dir={served.export()[0]}", "--stride=5", "--send=png"]
    output, errors = run(*flags, "--batch_size=2", f"--output={tmp_path / 'a.npz'}", video)
    with np.load(tmp_path / "a.npz") as found:
        np.testing.assert_allclose(found["embeddings"], expected(video, [0, 5, 10, 13]), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found["starts"], np.array([0, 5, 10, 13]) / 12.5)
        assert found["model"] == "elo_rgb" and found["version"] == 2
    assert "4 windows" in output and errors == "" and [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_grpc_prints_lines(server, video):
    output, _ = run("--grpc", f"--server={server.grpc}", f"--model_dir={served.export()[0]}/1", "--send=float", video)
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["start"] for line in lines] == [0.0, 0.64, 1.04]
    np.testing.assert_allclose([line["embedding"] for line in lines], expected(video, [0, 8, 13]), rtol=1e-5, atol=1e-5)


def test_refuses_in_one_line(video, tmp_path):
    output, errors = run("--rest", "--server=127.0.0.1:port", *KNOWN, f"--output={tmp_path / 'a.npz'}", video, status=2)
    assert errors == "error: --server=127.0.0.1:port is not host:port, such as 127.0.0.1:8501\n" and output == ""
    assert not list(tmp_path.iterdir())
    assert "'more' is not a flag" in run("--rest", *KNOWN, video, "more", status=2)[1]


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"rest": False}, "choose one of --rest and --grpc"),
        ({"grpc": True}, "choose one of --rest and --grpc"),
        ({"frames": 0}, "--frames is unknown; give it, or name the exported model with --model_dir"),
        ({"frames": 0, "model_dir": "none"}, "--model_dir=none has no assets.extra/tower.json"),
        ({"output": "a.txt"}, "--output=a.txt must end in .npz"),
        ({"output": "none/a.npz"}, "in a folder that exists"),
        (
            {"frames": LENGTH + 1, "short_videos": "refuse"},
            f"has {LENGTH} frames at 12.5 a second, less than a window of {LENGTH + 1}",
        ),
        ({"size": 8}, "--size=8 is less than 16"),
        ({"fps": 120.0, "max_seconds": 1e4, "size": 256}, "GiB of frames a video"),
        ({"send": "png"}, "--send=png of --size=16 to its own size, unknown without --model_dir; use --send=float"),
    ],
)
def test_refuses_settings(changes, said, video):
    settings = {"rest": True, "frames": 4, "size": 16, "fps": 12.5, "send": "float", **changes}
    with pytest.raises(InputError, match=re.escape(said)):
        client.run(str(video), client.ClientConfig(**settings))


def test_refuses_videos(tmp_path):
    config = client.ClientConfig(rest=True, frames=4, size=16, fps=12.5, send="float")
    (tmp_path / "text.mp4").write_text("not a video")
    for name, said in (
        ("", "name a video"),
        ("missing.mp4", "missing.mp4: cannot be read"),
        ("text.mp4", "text.mp4: cannot be decoded"),
    ):
        with pytest.raises(InputError, match=said):
            client.run(name and str(tmp_path / name), config)


def test_window_is_that_of_the_training_unless_flags_say_otherwise():
    base, tower = served.export()
    found = client.find_clip(client.ClientConfig(model_dir=str(base)))
    assert found == client.Clip(FRAMES, SIZE, tower.about.fps, tower.about.stored_size)
    changed = client.find_clip(client.ClientConfig(model_dir=str(base / "1"), frames=4, size=48, send="float"))
    assert changed == client.Clip(4, 48, tower.about.fps, 2 * tower.about.stored_size)
    # Flags that repeat the training change nothing, whether some of them are given or all.
    repeated = {"frames": FRAMES, "size": SIZE, "fps": tower.about.fps}
    assert client.find_clip(client.ClientConfig(model_dir=str(base), **repeated)) == found
    assert client.find_clip(client.ClientConfig(**repeated, send="float")).stored_size == SIZE


@pytest.mark.parametrize("send", ["jpeg", "png"])
def test_encoded_frames_that_the_server_would_scale_are_refused(send):
    config = client.ClientConfig(model_dir=str(served.export()[0]), size=48, send=send)
    with pytest.raises(InputError, match=f"--send={send} of --size=48 to its own size, 24; use --send=float"):
        client.find_clip(config)


def test_how_frames_are_sent_does_not_change_what_is_seen(server, video):
    """Of a size that the flags repeat, exact and encoded frames give one embedding; of another one, floats do."""
    common = {"rest": True, "server": server.rest, "model_dir": str(served.export()[0])}
    found = {}
    for send, size in (("float", 0), ("png", 0), ("png", SIZE), ("float", 48)):
        config = client.ClientConfig(**common, size=size, send=send)
        clip = client.find_clip(config)
        transport = client.connect(config)
        asked = Predictor(transport, send)
        frames = client.read(video, clip, config.max_seconds)
        found[send, size] = client.embed(asked, frames, [0, 8], FRAMES, config)
        transport.close()
    for key in (("float", 0), ("png", 0), ("png", SIZE)):
        np.testing.assert_allclose(found[key], expected(video, [0, 8]), rtol=1e-5, atol=1e-5)
    assert np.abs(found["float", 48] - found["float", 0]).max() > 1e-3


def test_a_video_shorter_than_a_window_begins_again(server, video, tmp_path, capfd):
    base, tower = served.export()
    config = client.ClientConfig(
        rest=True,
        server=server.rest,
        model_dir=str(base),
        frames=LENGTH + 4,
        send="png",
        output=str(tmp_path / "a.npz"),
    )
    client.run(str(video), config)
    warned = f"warning: {video} has {LENGTH} frames at 12.5 a second, less than a window of {LENGTH + 4}: looped\n"
    assert capfd.readouterr().err == warned
    frames = decode(video, IngestConfig(size=tower.about.stored_size, fps=tower.about.fps)).frames[:, 4:28, 4:28]
    window = np.concatenate([frames, frames[:4]]) / np.float32(255)
    with np.load(tmp_path / "a.npz") as found:
        ours = tower.network(tf.constant(window[np.newaxis]))["embedding"]
        np.testing.assert_allclose(found["embeddings"], ours, rtol=1e-5, atol=1e-5)
        assert found["starts"].tolist() == [0.0]


def test_what_is_damaged_or_left_out_is_said(video, tmp_path, capfd):
    clip = client.Clip(4, 16, 12.5, 16)
    assert len(client.read(video, clip, 60.0)) == LENGTH and capfd.readouterr().err == ""
    assert len(client.read(video, clip, 0.8)) == 10
    assert capfd.readouterr().err == f"warning: {video}: only its first 0.8 s (--max_seconds)\n"
    whole = videos.write(tmp_path / "whole.mkv", served.noise(1, LENGTH, 40, 64, 3)).read_bytes()
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(whole[: len(whole) * 3 // 4])
    assert 0 < len(client.read(damaged, clip, 60.0)) < LENGTH
    assert capfd.readouterr().err.startswith(f"warning: {damaged}: damaged, decoded in part: ")


@pytest.mark.parametrize(
    "count, length, stride, starts",
    [(11, 4, 3, [0, 3, 6, 7]), (10, 4, 3, [0, 3, 6]), (4, 4, 9, [0]), (3, 4, 1, []), (6, 2, 2, [0, 2, 4])],
)
def test_windows_by_hand(count, length, stride, starts):
    assert client.place_windows(count, length, stride) == starts


def test_requests_are_put_back_in_order(server, video):
    """Seven windows in four requests, three of them at a time; the first is answered last."""
    frames = served.noise(5, 9, 16, 16, 3)
    config = client.ClientConfig(rest=True, server=server.rest, batch_size=2, in_flight=3, send="float")

    class Slow(Predictor):
        def embed(self, windows):
            time.sleep(0.3 if (windows[0] == frames[:3]).all() else 0.0)
            return super().embed(windows)

    transport = client.connect(config)
    found = client.embed(Slow(transport, "float"), frames, range(0, 7), 3, config)
    transport.close()
    windows = np.stack([frames[start : start + 3] for start in range(7)])
    expected = served.export()[1].network(tf.constant(windows / np.float32(255)))["embedding"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
