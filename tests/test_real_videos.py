"""Real clips: what trains and what judges, links, errors; the whole at its smallest size."""

import math

import pytest

from elo_tf.config import InputError
from experiments import real_clips, real_videos
from experiments.real_videos import RealConfig
from tests.smokes import rows_of, smoke

TRAIN = [f"{name}/{place}.mp4" for name in ("a", "b") for place in range(9)]


def test_the_last_quarter_of_each_class_judges_while_settings_are_chosen():
    kept, held_back = real_clips.hold_back(TRAIN)
    assert held_back == ["a/7.mp4", "a/8.mp4", "b/7.mp4", "b/8.mp4"]
    assert sorted(kept + held_back) == sorted(TRAIN)


def test_lists_are_read_as_they_are_written(tmp_path):
    real_clips._write_lists(tmp_path, ["b", "a"], TRAIN, ["a/10.mp4"])
    assert real_clips.read_lists(tmp_path) == (["b", "a"], TRAIN, ["a/10.mp4"])
    assert (tmp_path / "trainlist01.txt").read_text().startswith("a/0.mp4 2\n")
    (tmp_path / "testlist01.txt").unlink()
    with pytest.raises(InputError, match="testlist01.txt does not exist; lists have the form of UCF101's"):
        real_clips.read_lists(tmp_path)


def test_towers_learn_from_no_video_that_judges(tmp_path, monkeypatch):
    source = tmp_path / "clips"
    for name in TRAIN:
        path = source / "labelled" / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (source / "more").mkdir()
    (source / "more" / "x.mp4").touch()
    real_clips._write_lists(source / "labelled" / "set_splits", ["a", "b"], TRAIN[:-1], TRAIN[-1:])
    monkeypatch.setattr(real_clips, "_convert", lambda videos, records, config, own: videos)
    monkeypatch.setattr(real_clips.Manifest, "load", lambda folder: type("M", (), {"counts": {"train": 0}}))
    for part, judged in (("report", {"b/8.mp4"}), ("choose", {"a/7.mp4", "a/8.mp4", "b/6.mp4", "b/7.mp4"})):
        config = RealConfig(clips=str(source), set="set", unlabelled=("more",), part=part)
        clips = real_clips.prepare(source, config, tmp_path / part)
        (videos,) = clips.places.unlabelled.values()
        from elo_tf.decoding.listing import list_videos

        shown = {"/".join(name.split("/")[-2:]) for name in list_videos(videos)}
        assert "more/x.mp4" in shown and not judged & shown and clips.test_videos == len(judged)
        assert len(shown) == 1 + clips.labelled
        # What the other part is judged by is not read either.
        assert part == "report" or "b/8.mp4" not in shown


def test_a_missing_folder_is_named(tmp_path):
    real_clips._write_lists(tmp_path / "labelled" / "egogestar_splits", ["a", "b"], TRAIN, [])
    with pytest.raises(InputError, match="--unlabelled: .*droid is not a folder"):
        real_clips.prepare(tmp_path, RealConfig(clips=str(tmp_path)), tmp_path / "folder")


def test_errors_are_the_larger_of_seeds_and_test_videos():
    assert real_videos.error_of(0.5, math.nan, 100) == pytest.approx(0.05)
    assert real_videos.error_of(0.5, 0.08, 100) == 0.08
    found = {"linear": {"untrained": {("w", 0): 0.5, ("w", 1): 0.5}}}
    lines = real_videos.table(found, {"pixels": {"linear": 0.2}}, 100).splitlines()
    assert lines[2:] == ["| pixels | 20.0 ± 4.0 |", "| untrained | 50.0 ± 5.0 |"]


def test_all_rows_see_the_same_clips_without_mirrors():
    config = RealConfig(flip=False, frames=8, seeds=2, random=3)
    rows = real_videos.make_rows(config)
    jobs = [job for row in rows for own in row.towers.values() for job in own]
    assert {(job.data.flip, job.how.flip, job.data.frames, job.data.crop_size) for job in jobs} == {
        (False, False, 8, 40)
    }
    assert [len(own) for row in rows if row.name == real_videos.RANDOM for own in row.towers.values()] == [2, 1]
    assert [row.name for row in rows] == [
        "untrained", "labels", "rgb/shuffle", "rgb-flow/embed", "random losses", "all terms at 1",
    ]  # fmt: skip


@pytest.mark.slow
def test_it_runs_at_its_smoke_size():
    names = rows_of(smoke("real_videos"))
    assert names == ["pixels", "flow", "untrained", "labels", "random losses", "all terms at 1"]
