"""The rendered world: its catalogue, its videos as files, and what must not depend on what."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from elo_tf.config import IngestConfig, InputError, WorldConfig
from elo_tf.decoding.decode import decode
from elo_tf.prepare.world import motions, render, sounds

IRREGULAR = ("jump", "shake")


def beat_of(cycle, path=36.0):
    return motions.Beat(np.asarray(cycle, np.float64), path, 1, 0.5, 3)


def state(track):
    return np.stack([track.x, track.y, motions.RADIUS * track.angle, track.width, track.height, track.visible], 1)


def test_the_catalogue_is_large_and_lists_overlap_in_part():
    assert len(motions.MOTIONS) >= 18 and len(motions.CLASSES) >= 3
    lists = {name: set(classes) for name, classes in motions.CLASSES.items()}
    for name, classes in lists.items():
        assert len(classes) == len(motions.CLASSES[name]) >= 12 and classes <= set(motions.MOTIONS)
        for other in set(lists) - {name}:
            assert 0 < len(classes & lists[other]) <= 2 * len(classes) / 3


def test_every_sound_of_a_list_is_shared_by_three_classes():
    for name, classes in motions.CLASSES.items():
        shared = collections.Counter(motions.MOTIONS[each].sound for each in classes)
        silent = {"silence"} if name == "sounding" else set()
        assert set(shared) == set(sounds.SOUNDS) - silent and min(shared.values()) >= 3


def test_classes_of_the_list_that_sounds_have_registers_of_their_own():
    for family in ("tick", "puff", "hum"):
        classes = [name for name in motions.CLASSES["sounding"] if motions.MOTIONS[name].sound == family]
        assert [motions.register("sounding", name) for name in classes] == [(k / 4, (k + 1) / 4) for k in range(4)]
    assert motions.register("main", "bounce") == sounds.ANY

    def strongest(register):
        """The strongest frequency of a hum without partials or bends, Hz."""
        still = np.zeros(16000)
        return np.argmax(np.abs(np.fft.rfft(sounds.hum(np.random.default_rng(0), [], still + 1, still, register))))

    # A hum lies between 2^7.2 and 2^9.7 Hz; it wavers by .2 octaves at most, and its second partial may be as loud.
    assert strongest((0.0, 0.25)) < 2**9.1 and strongest((0.75, 1.0)) > 2**8.8
    assert strongest((0.0, 0.25)) < strongest((0.75, 1.0))


@pytest.mark.parametrize("name", [name for name in motions.MOTIONS if name not in IRREGULAR])
def test_a_motion_recurs(name):
    """Every second cycle, since those who swap places are back only then."""
    cycle = np.linspace(0.01, 0.99, 50)
    for now, later in zip(*(motions.MOTIONS[name].move(beat_of(cycle + k)) for k in (3, 5))):
        steps = state(later) - state(now)
        np.testing.assert_allclose(steps, np.broadcast_to(steps[:1], steps.shape), atol=1e-9)
        assert motions.MOTIONS[name].travels or np.abs(steps[:, :2]).max() < 1e-9


@pytest.mark.parametrize("name", [name for name in motions.MOTIONS if name not in IRREGULAR])
def test_actors_cover_about_the_path_given(name):
    """Speed gives no class away: whoever moves from place to place covers .5 to 1.2 of the path."""
    cycle = np.linspace(0, 1, 2001)
    tracks = motions.MOTIONS[name].move(beat_of(cycle))
    covered = [np.hypot(np.diff(track.x), np.diff(track.y)).sum() / 36.0 for track in tracks]
    if max(covered) > 0:
        assert 0.5 <= min(covered) and max(covered) <= 1.2


@pytest.mark.parametrize("name", [n for n, m in motions.MOTIONS.items() if m.moments and n != "shake"])
def test_something_happens_at_each_moment(name):
    """At its moments, and nowhere else as much, a place, a velocity or the visibility changes at once."""
    motion, tiny = motions.MOTIONS[name], 1e-4

    def break_at(moment):
        before, at, after = (
            np.concatenate([state(track) for track in motion.move(beat_of([2.0, moment + offset]))])
            for offset in (-tiny, 0.5 * tiny, 2 * tiny)
        )
        return np.abs((after - at) - (at - before)).max()

    smooth = np.median([break_at(2 + moment) for moment in np.linspace(0.05, 0.95, 7)])
    for moment in motion.moments:
        assert break_at(2 + moment) > 50 * smooth + 1e-6


def test_a_tick_sounds_at_its_moments():
    rng = np.random.default_rng(0)
    sound = np.abs(sounds.tick(rng, [0.5, 1.25], np.zeros(32000), np.zeros(32000)))
    assert sound[:8000].max() == 0 and sound[8000:8400].max() > 0.3
    assert sound[12000:20000].max() < 1e-3 and sound[20000:20400].max() > 0.3


def test_a_puff_swells_around_its_moment():
    sound = sounds.puff(np.random.default_rng(0), [1.0], np.zeros(32000), np.zeros(32000)) ** 2
    centre = (sound * np.arange(32000)).sum() / sound.sum()
    assert centre == pytest.approx(16000, abs=400) and sound[:14000].max() == 0


def test_a_hum_is_loud_where_the_actors_are_fast():
    speed = np.repeat([0.0, 1.0, 0.2], 8000)
    loudness = [
        np.square(sounds.hum(np.random.default_rng(seed), [], speed, np.zeros(24000))).reshape(3, -1).mean(1) ** 0.5
        for seed in range(40)
    ]
    still, fast, slow = np.median([row / row[1] for row in loudness], 0)
    assert fast == 1 and still < 0.75 * slow and slow < 0.5


def test_bursts_are_cut_at_the_ends():
    for family in (sounds.tick, sounds.puff):
        assert family(np.random.default_rng(0), [-0.01, 0.99, 5.0], np.zeros(16000), np.zeros(16000)).shape == (16000,)


def test_unlabelled_classes_follow_zipf_and_labelled_ones_are_balanced():
    config = WorldConfig(world=6000, world_seed=5, labelled_per_class=7)
    counts = {split: collections.Counter() for split in ("unlabelled", "labelled")}
    for video in render.list_videos(config):
        counts[video.path.parts[0]][video.label] += 1
        assert video.path.parts[1] == video.label
    assert set(counts["labelled"].values()) == {7} and len(counts["labelled"]) == 12
    seen = np.array(sorted(counts["unlabelled"].values(), reverse=True)) / 6000
    expected = np.arange(1, 13) ** -1.0 / np.sum(np.arange(1, 13) ** -1.0)
    np.testing.assert_allclose(seen, expected, atol=4 * np.sqrt(0.32 * 0.68 / 6000))
    assert list(render.class_frequencies(config)) != list(render.class_frequencies(WorldConfig(world_seed=6)))


def test_a_video_depends_on_seed_split_and_index_alone():
    few, many = (list(render.list_videos(WorldConfig(world=n, labelled_per_class=k))) for n, k in ((5, 1), (9, 2)))
    assert few[:5] == many[:5] and few[5:17] == many[9:21]
    other = list(render.list_videos(WorldConfig(world=5, world_seed=1, labelled_per_class=1)))
    assert not {video.path.name for video in few} & {video.path.name for video in other}
    assert len({video.path.name for video in many}) == len(many)


def test_names_do_not_follow_the_order_of_classes():
    videos = sorted(render.list_videos(WorldConfig(labelled_per_class=50)), key=lambda video: video.path.name)
    runs = sum(a.label == b.label for a, b in zip(videos, videos[1:]))
    assert runs / len(videos) == pytest.approx(1 / 12, abs=0.05)


@pytest.mark.parametrize("name", motions.MOTIONS)
def test_a_rendered_class_moves_and_is_heard(name):
    config = WorldConfig(world_size=48)
    video = render.Video(pathlib.PurePosixPath("x.mp4"), name, (1, 2, 3))
    frames, sound = render.render(video, config)
    assert frames.shape == (32, 48, 48, 3) and frames.dtype == np.uint8
    assert sound.shape == (40960,) and sound.dtype == np.int16 and 0.05 < np.abs(sound).max() / 32768 < 0.85
    moved = np.abs(np.diff(frames.astype(int), axis=0)).max((1, 2, 3))
    assert (moved > 8).mean() > 0.2
    again = render.render(video, config)
    np.testing.assert_array_equal(frames, again[0])
    np.testing.assert_array_equal(sound, again[1])


def test_a_file_plays_what_was_rendered(tmp_path):
    config = WorldConfig()
    video = next(render.list_videos(WorldConfig(world=1)))
    frames, sound = render.render(video, config)
    content = render.encode(frames, sound)
    assert content == render.encode(frames, sound) and len(content) % 32768 == 0
    (tmp_path / "a.mp4").write_bytes(content)
    decoded = decode(tmp_path / "a.mp4", IngestConfig())
    assert not decoded.warning and len(decoded.frames) == 32 and len(decoded.sound) == len(sound)
    noise = np.mean((decoded.frames.astype(float) - frames) ** 2)
    assert 10 * np.log10(255**2 / noise) > 30  # decibels
    lags = np.correlate(decoded.sound[4000:20000].astype(float), sound[4100:19900].astype(float), "valid")
    assert abs(int(lags.argmax()) - 100) <= 8  # samples: half a millisecond


def test_a_clip_that_cannot_be_encoded_says_so():
    with pytest.raises(OSError, match="ffmpeg could not encode"):
        render.encode(np.zeros((2, 63, 63, 3), np.uint8), np.zeros(2560, np.int16))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world") / "videos"
    config = WorldConfig(world=6, labelled_per_class=1, world_seconds=0.96, world_size=32)
    render.render_world(config, folder, workers=2)
    return config, folder


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.mp4")}


def test_a_world_is_the_same_for_any_number_of_workers(rendered, tmp_path):
    config, folder = rendered
    render.render_world(config, tmp_path / "alone", workers=1)
    assert files(tmp_path / "alone") == files(folder) and len(files(folder)) == 18
    assert len({len(content) for content in files(folder).values()}) == 1


def test_a_second_run_renders_what_is_missing_only(rendered):
    config, folder = rendered
    before = files(folder)
    lost = sorted(before)[3]
    (folder / lost).unlink()
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*.mp4")}
    render.render_world(config, folder, workers=1)
    assert files(folder) == before
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert not [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".mp4", ".json")]


def test_a_world_may_grow_and_not_change(rendered, tmp_path):
    small = WorldConfig(world=1, labelled_per_class=0, world_seconds=0.96, world_size=32)
    render.render_world(small, tmp_path, workers=1)
    before = files(tmp_path)
    render.render_world(WorldConfig(**{**vars(small), "world": 2}), tmp_path, workers=1)
    assert len(files(tmp_path)) == 2 and before.items() <= files(tmp_path).items()
    for name, value in (("world", 1), ("world_seed", 1), ("world_classes", "second"), ("world_zipf", 0.5)):
        with pytest.raises(InputError, match=rf"{name}: was .*, now {value}"):
            render.render_world(WorldConfig(**{**vars(small), "world": 2, name: value}), tmp_path, workers=1)
    assert json.loads((tmp_path / "world.json").read_text())["world"] == 2


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "holiday.mp4").write_bytes(b"mine")
    with pytest.raises(InputError, match="is not a rendered world"):
        render.render_world(WorldConfig(world=1), tmp_path, workers=1)
    for damaged in ("{torn", "[1]", "3"):
        (tmp_path / "world.json").write_text(damaged)
        with pytest.raises(InputError, match="not the settings file"):
            render.render_world(WorldConfig(world=1), tmp_path, workers=1)
    assert not list(tmp_path.rglob("*labelled*"))


def test_settings_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(InputError, match="'fourth' is unknown; choose from main, second, third"):
        render.render_world(WorldConfig(world=1, world_classes="fourth"), tmp_path / "a", workers=1)
    with pytest.raises(InputError, match="world_size=65 is odd"):
        render.render_world(WorldConfig(world=1, world_size=65), tmp_path / "a", workers=1)
    assert not (tmp_path / "a").exists()


def test_a_part_left_by_a_killed_run_is_no_video(rendered):
    """Names of unfinished files are hidden, and are not taken for videos by a repeated run."""
    config, folder = rendered
    lost = sorted(files(folder))[0]
    content = (folder / lost).read_bytes()
    (folder / lost).unlink()
    (folder / lost).with_name(f".{lost.name}.1.partial").write_bytes(content[:99])
    render.render_world(config, folder, workers=1)
    assert (folder / lost).read_bytes() == content
    (folder / lost).with_name(f".{lost.name}.1.partial").unlink()


def parent(pid):
    """Parent of a running process, from /proc; None if it has ended."""
    try:
        state, above = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else int(above)


@pytest.mark.skipif(not pathlib.Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_killed_run_leaves_no_process_and_can_be_repeated(tmp_path):
    program = (
        "import pathlib, sys\nfrom elo_tf.config import WorldConfig\nfrom elo_tf.prepare.world import render\n"
        "if __name__ == '__main__':\n"
        "    render.render_world(WorldConfig(world=500, labelled_per_class=0), pathlib.Path(sys.argv[1]), 2)\n"
    )
    (tmp_path / "render.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[1])}
    run = subprocess.Popen(
        [sys.executable, str(tmp_path / "render.py"), str(tmp_path / "world")],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while len(files(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [p.name for p in pathlib.Path("/proc").glob("[0-9]*") if parent(p.name) == run.pid]
    run.kill()
    run.wait()
    assert len(workers) >= 2
    while any(map(parent, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(parent, workers))
    done = files(tmp_path / "world")
    assert 3 <= len(done) < 500
    by_path = {pathlib.Path(video.path): video for video in render.list_videos(WorldConfig(world=500))}
    for path, content in list(done.items())[:3]:
        assert content == render.encode(*render.render(by_path[path], WorldConfig()))


@pytest.mark.slow
def test_the_fairness_experiment_runs_at_its_smoke_size():
    root = pathlib.Path(__file__).parents[1]
    command = [sys.executable, "-m", "experiments.world_fairness", "--smoke"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    rows = [line.split("|")[1].strip() for line in run.stdout.splitlines() if line.startswith("| ")]
    described = ("pixels", "color_histogram", "frame_difference", "audio", "flow", "supervised rgb tower")
    assert set(described) <= set(rows)
