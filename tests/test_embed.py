"""The command line: from a module alone to a table, a look-up and a picture; killed, long, wrong and real input."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from elo_tf.config import EmbedSettings, IngestConfig, InputError, from_arguments
from elo_tf.decoding.decode import decode
from elo_tf.decoding.listing import list_videos
from elo_tf.embed import api, filmstrip
from elo_tf.embed.table import Table
from elo_tf.networks import tower
from tests import modules, towers, videos

ROOT = Path(__file__).parents[1]
CLIPS = Path(os.environ.get("ELO_TF_CLIPS", "clips"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}


def command(*arguments):
    return [sys.executable, "-m", "elo_tf.embed", *map(str, arguments)]


def embed(*arguments, status=0):
    """(standard output, standard error) of the command."""
    done = subprocess.run(command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def embed_here(*arguments):
    """The same in this process, where it need not import TensorFlow first."""
    return api.run(from_arguments(EmbedSettings, list(map(str, arguments))))


def refused(*arguments):
    """The one line with which the command refuses."""
    _, errors = embed(*arguments, status=2)
    assert errors.startswith("error: ") and errors.count("\n") == 1, errors
    return errors


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with videos of different colours, a module, and what the command made and said of them."""
    folder = tmp_path_factory.mktemp("embed")
    modules.save_means(folder / "elo_rgb" / "1")
    for name, colour in {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}.items():
        frames = np.broadcast_to(np.array(colour, np.uint8), (20, 16, 16, 3)).copy()
        frames[:10] //= 2
        videos.write(folder / "videos" / f"{name}.mp4", frames)
    videos.ffmpeg("-i", str(folder / "videos" / "red.mp4"), "-crf", "30", str(folder / "videos" / "red again.mp4"))
    videos.plain(folder / "videos" / "short.mp4", frames=3)
    query, picture = folder / "videos" / "red.mp4", folder / "found.png"
    out = embed(
        f"--model={folder / 'elo_rgb'}", f"--videos={folder / 'videos'}", f"--output={folder / 'out.npz'}",
        f"--query={query}", "--neighbours=3", f"--picture={picture}",
        "--short_videos=refuse",
    )  # fmt: skip
    return folder, *out


def test_table_and_neighbours(made):
    folder, out, errors = made
    assert errors == ""
    assert "videos    4, embeddings of width 5" in out
    assert "windows   20 of 4 frames of 16 x 16 at 12.5 fps, every 4 frames" in out
    assert "refused   1: shorter than a window of 4 frames at 12.5 fps (--frames) (1), see" in out
    assert re.search(r"speed +4 videos in \d+\.\d s, \d+ x real time", out)
    found = re.findall(r"^ +(\d)  +(-?[\d.]+)  (.+)$", out, re.MULTILINE)
    assert [line[0] for line in found] == ["1", "2", "3"]
    assert [line[2] for line in found[:2]] == ["red.mp4", "red again.mp4"] and found[0][1] == "1.0000"
    assert 0.99 < float(found[1][1]) and float(found[2][1]) < 0.9
    assert len(Table.load(folder / "out.npz").entries) == 4


def test_picture_shows_query_and_matches(made):
    folder, _, _ = made
    pixels = image.imread(folder / "found.png")[..., :3]
    width = filmstrip.FRAMES * (filmstrip.SIDE + 1) + 24
    assert abs(pixels.shape[1] - width) <= 1 and abs(pixels.shape[0] - 3 * (filmstrip.SIDE + 30) - 24) <= 1
    # Rows of strips: the middle of the first and of the last frame of each.
    middles = [12 + 30 + filmstrip.SIDE // 2 + number * (filmstrip.SIDE + 30) for number in range(3)]
    first, last = pixels[middles, 12 + 50], pixels[middles, width - 12 - 50]
    for row in range(2):  # The query and its copy: dark red, then red. The query itself is not drawn again.
        np.testing.assert_allclose(first[row], np.array([100, 15, 15]) / 255, atol=0.06)
        np.testing.assert_allclose(last[row], np.array([200, 30, 30]) / 255, atol=0.06)
    assert np.argmax(last[2]) > 0


def test_moments_in_an_existing_file(made, capsys):
    folder, _, _ = made
    # The dark half alone, from its first frame on: its windows match the first half of the red one.
    dark = videos.write(folder / "dark.mp4", np.broadcast_to(np.array((15, 100, 15), np.uint8), (4, 16, 16, 3)))
    picture = folder / "moment.png"
    settings = EmbedSettings(
        model=folder / "elo_rgb" / "1",
        output=folder / "out.npz",
        query=dark,
        by="window",
        neighbours=1,
        picture=picture,
    )
    (match,) = api.run(settings).matches
    assert match.entry.id == "green.mp4" and match.query_offset == 0 and match.similarity == pytest.approx(1, abs=1e-4)
    out = capsys.readouterr().out
    assert re.fullmatch(r"nearest to .*dark.mp4\n +1 +1\.0000  green.mp4, \d\.\d\d s, as the query at 0.00 s\n", out)
    assert picture.stat().st_size > 1000


def test_the_training_half_is_not_imported():
    forbidden = ("costs", "evaluate", "model", "prepare", "search", "tasks", "train")
    missing = [name for name in forbidden if not importlib.util.find_spec(f"elo_tf.{name}")]
    assert not missing  # A name that nothing has would forbid nothing.
    code = f"import sys, elo_tf.embed.api; print([name for name in {forbidden} if 'elo_tf.' + name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_bad_input_is_one_line(made):
    folder, _, _ = made
    assert "--model is not given" in refused(f"--videos={folder / 'videos'}")
    flags = f"--videos={folder / 'videos'}", f"--output={folder / 'o.npz'}"
    assert "is no SavedModel and holds no version" in refused(f"--model={folder / 'videos'}", *flags)


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(output="{0}/o.npz"), "--videos and --query are both missing"),
        (
            dict(videos="{0}/videos", output="{0}/o.npz", picture="{0}/p.png"),
            "--picture=.* needs --query",
        ),
        (dict(videos="{0}/videos", output="/proc/o.npz"), "/proc/o.npz"),
        (dict(videos="{0}/videos/short.mp4", output="{0}/o.npz", short_videos="refuse"), "short.mp4: shorter than a"),
        (dict(output="{0}/out.npz", query="{0}/nowhere.mp4"), "nowhere.mp4 is not a file"),
        (dict(output="{0}/out.npz", query="{0}/videos/red.mp4"), "--neighbours=5 is more than"),
        (
            dict(model="{0}/other", output="{0}/out.npz", query="{0}/videos/red.mp4"),
            r"other settings \(model: was",
        ),
        (dict(output="{0}/out.npz", query="{0}/videos/red.mp4", frames=5), "frames: was 4, now 5"),
    ],
)
def test_what_cannot_be_embedded_or_looked_up_is_refused(made, given, message):
    folder, _, _ = made
    if not (folder / "other").exists():
        modules.save(folder / "other" / "1", lambda video: modules.means(video)[:, :3], towers.describe(frames=4))
    before = sorted(os.listdir(folder))
    facts = {"model": "{0}/elo_rgb", **given}
    filled = {name: value.format(folder) if isinstance(value, str) else value for name, value in facts.items()}
    # /proc takes no file.
    with pytest.raises((InputError, OSError), match=message) as error:
        api.run(EmbedSettings(**filled))
    assert "\n" not in str(error.value)
    assert sorted(os.listdir(folder)) in (before, sorted([*before, "o.npz.report.jsonl"]))


@pytest.mark.slow
def test_killed_and_given_again(made, tmp_path, capsys):
    folder, _, _ = made
    for number in range(16):
        videos.plain(tmp_path / "videos" / f"{number}.mp4", frames=6 + number % 5, grey=15 * number)
    common = f"--model={folder / 'elo_rgb'}", f"--videos={tmp_path / 'videos'}", "--batch_size=2", "--decoders=1"
    embed_here(*common, f"--output={tmp_path / 'whole.npz'}")
    output = tmp_path / "out.npz"
    partial = output.with_name(f"{output.name}.partial")
    process = subprocess.Popen(command(*common, f"--output={output}"), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (partial.exists() and partial.stat().st_size):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not output.exists() and partial.stat().st_size
    capsys.readouterr()
    embed_here(*common, f"--output={output}")
    assert 0 < int(re.search(r"speed +(\d+) videos", capsys.readouterr().out)[1]) < 16
    assert output.read_bytes() == (tmp_path / "whole.npz").read_bytes() and not partial.exists()


@pytest.mark.slow
def test_memory_does_not_depend_on_the_length(made, tmp_path):
    folder, _, _ = made
    peaks = []
    for seconds in (10, 200):
        path = tmp_path / f"{seconds}.mp4"
        videos.ffmpeg("-f", "lavfi", "-i", f"testsrc=s=192x192:r=12.5:d={seconds}", "-preset", "ultrafast", str(path))
        output = tmp_path / f"{seconds}.npz"
        arguments = f"--model={folder / 'elo_rgb'}", f"--videos={path}", f"--output={output}", "--size=192"
        process = subprocess.Popen(command(*arguments), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        assert status == 0 and Table.load(output).entries[0].frames == 12.5 * seconds
        peaks.append(usage.ru_maxrss / 1024)  # MiB
    # All frames of the longer one are 264 MiB.
    assert peaks[1] - peaks[0] < 50, peaks


@pytest.mark.slow
def test_an_export_alone_embeds_as_the_tower_in_memory(tmp_path):
    from export import saved_model  # Its flags have the names of ours: only in this process.

    towers.make_run(tmp_path / "run")
    found = tower.Tower.load(tmp_path / "run")
    saved_model.write(found, tmp_path / "elo_rgb", saved_model.ExportConfig(warmup_batch_sizes=()))
    noise = np.random.default_rng(0).integers(0, 255, (26, 6, 8, 3), dtype=np.uint8)
    path = videos.write(tmp_path / "videos" / "a.mp4", noise.repeat(8, axis=1).repeat(8, axis=2))
    arguments = f"--model={tmp_path / 'elo_rgb'}", f"--videos={tmp_path / 'videos'}", f"--output={tmp_path / 'o.npz'}"
    embed(*arguments, "--stride=5")
    (entry,) = Table.load(tmp_path / "o.npz").entries
    frames = decode(path, IngestConfig(size=32, fps=12.5)).frames[:, 4:28, 4:28] / np.float32(255)
    clips = np.stack([frames[offset : offset + 8] for offset in (0, 5, 10, 15, 18)])
    expected = found.network(clips)["embedding"].numpy()
    np.testing.assert_allclose(entry.windows, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(entry.embedding, expected.mean(axis=0), rtol=1e-5, atol=1e-5)
    assert entry.offsets.tolist() == [0, 5, 10, 15, 18]


@pytest.mark.slow
@pytest.mark.skipif(not (CLIPS / "odd").is_dir(), reason="ELO_TF_CLIPS names no folder of test clips")
@pytest.mark.parametrize("folder, refusals", [("odd", 7), ("real", 0)])
def test_real_folders(made, tmp_path, folder, refusals):
    arguments = f"--videos={CLIPS / folder}", f"--output={tmp_path / 'out.tfrecord'}", "--frames=8", "--size=32"
    embed_here(f"--model={made[0] / 'elo_rgb'}", *arguments)
    table = Table.load(tmp_path / "out.tfrecord")
    report = tmp_path / "out.tfrecord.report.jsonl"
    lines = report.read_text().splitlines() if report.exists() else []
    assert sum('"ok": false' in line for line in lines) == refusals
    assert len(table.entries) + refusals == len(list_videos(CLIPS / folder))
    assert np.isfinite(table.embeddings).all() and np.ptp(table.embeddings, axis=0).max() > 0.1
