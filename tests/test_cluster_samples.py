"""Cluster samples: sizes and strips against NumPy on plain arrays, and files that come back or are refused."""

import dataclasses

import numpy as np
import pytest

from elo_tf.config import FitnessConfig, InputError
from elo_tf.search.fitness.score import Scorer
from elo_tf.search.trials import cluster_samples
from elo_tf.search.trials.cluster_samples import ClusterSamples

CLIPS, LENGTH, SIZE = 90, 7, 6
CONFIG = FitnessConfig(clusters=8, restarts=3, kmeans_iterations=20)
LAMBDAS = np.array([0.1, 0.9])


def world():
    """Features [N,D] of eight classes of falling size, and clips [N,T,H,W,3] whose grey tells place and frame."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(8), (30, 20, 12, 9, 7, 5, 4, 3))
    features = 4 * generator.normal(size=(8, 10))[labels] + generator.normal(size=(CLIPS, 10))
    grey = np.arange(CLIPS)[:, None] / 100 + np.arange(LENGTH) / 1000
    return features.astype(np.float32), np.broadcast_to(grey[..., None, None, None], [CLIPS, LENGTH, SIZE, SIZE, 3])


FEATURES, FRAMES = world()


def batches(frames=FRAMES, size=16):
    for first in range(0, len(frames), size):
        part = frames[first : first + size]
        yield part, [f"video {place}" for place in range(first, first + len(part))]


@pytest.fixture(scope="module")
def made():
    return cluster_samples.make(LAMBDAS, FEATURES, batches(), CONFIG, 3)


@pytest.fixture(scope="module")
def assignment():
    return Scorer(CONFIG).cluster(FEATURES, 3)


def unit_features():
    standard = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)
    return standard / np.linalg.norm(standard, axis=1, keepdims=True)


def test_sizes_are_those_of_the_clusters_that_were_scored(made, assignment):
    counted = [sorted(np.unique(labels, return_counts=True)[1] / CLIPS, reverse=True) for labels in assignment]
    np.testing.assert_allclose(made.sizes, np.mean(counted, axis=0))
    np.testing.assert_allclose(made.sizes_deviation, np.std(counted, axis=0))
    np.testing.assert_allclose(made.shares, counted[0][:6])
    assert made.sizes.sum() == pytest.approx(1)


def test_empty_clusters_have_size_0():
    sizes = cluster_samples.cluster_sizes(np.array([[2, 2, 0, 2], [1, 1, 1, 1]]), 4)
    np.testing.assert_array_equal(sizes, [[0.75, 0.25, 0, 0], [1, 0, 0, 0]])


def test_strips_are_the_nearest_clips_of_the_biggest_clusters(made, assignment):
    unit, shown = unit_features(), []
    for names, share in zip(made.names, made.shares):
        places = [int(name.split()[1]) for name in names if name]
        (cluster,) = {assignment[0][place] for place in places}
        members = np.flatnonzero(assignment[0] == cluster)
        assert len(members) / CLIPS == share and len(places) == min(5, len(members))
        distance = {place: np.linalg.norm(unit[place] - unit[members].mean(axis=0)) for place in members}
        assert places == sorted(members, key=distance.get)[:5]
        shown.append(cluster)
    assert len(set(shown)) == 6
    sizes = np.bincount(assignment[0])
    assert min(sizes[shown]) >= max(np.delete(sizes, shown))


def test_frames_are_evenly_spread_and_bytes(made):
    assert made.strips.shape == (6, 5, 4, SIZE, SIZE, 3) and made.strips.dtype == np.uint8
    place = int(made.names[0][0].split()[1])
    expected = np.round(255 * FRAMES[place, [0, 2, 4, 6]])
    np.testing.assert_array_equal(made.strips[0, 0], expected)


def test_small_clusters_leave_places_empty():
    places = cluster_samples.nearest(np.arange(8.0)[:, None], np.array([0, 0, 1, 1, 1, 1, 1, 1]), [1, 0, 2], 5)
    assert set(places[0]) < {2, 3, 4, 5, 6, 7} and set(places[0][:2]) == {4, 5}
    assert set(places[1]) == {0, 1, -1} and (places[2] == -1).all()
    few = cluster_samples.make(LAMBDAS, FEATURES[:9], batches(FRAMES[:9]), CONFIG, 0)
    empty = few.names == ""
    assert empty.any() and not few.strips[empty].any()


def test_a_video_is_shown_once_where_there_are_others(assignment):
    of_video = np.arange(CLIPS) // 3 * 3  # Three clips in a row are of one video.
    clips = [(FRAMES, [f"video {place}" for place in of_video])]
    made = cluster_samples.make(LAMBDAS, FEATURES, clips, CONFIG, 3)
    several = 0
    for names, strips in zip(made.names, made.strips):
        first = int(names[0].split()[1])
        members = np.flatnonzero(assignment[0] == assignment[0][first])
        videos = len(set(of_video[members]))
        assert len(set(names) - {""}) == min(5, videos)
        assert (names != "").sum() == min(5, len(members))
        shown = [tuple(strip[:, 0, 0, 0]) for strip, name in zip(strips, names) if name]
        assert len(set(shown)) == len(shown)  # Of a video that comes again, another clip.
        several += videos < len(members)
    assert several


def test_distinct_names_come_first():
    names = ["b", "b", "a", "b", "c", "a", "", ""]
    np.testing.assert_array_equal(cluster_samples.distinct_first(names, 3), [0, 2, 4])
    np.testing.assert_array_equal(cluster_samples.distinct_first(names, 7), [0, 2, 4, 1, 3, 5, 6])


def test_clips_must_belong_to_the_features():
    with pytest.raises(ValueError, match="40 clips for features that go on to place"):
        cluster_samples.make(LAMBDAS, FEATURES, batches(FRAMES[:40]), CONFIG, 0)


def test_files_come_back(made, tmp_path):
    path = tmp_path / "clusters.npz"
    made.save(path)
    again = ClusterSamples.load(path)
    for field in dataclasses.fields(ClusterSamples):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(made, field.name))
    assert list(tmp_path.iterdir()) == [path]
    assert cluster_samples.shows(path, LAMBDAS) and not cluster_samples.shows(path, LAMBDAS[::-1])


def test_a_damaged_file_is_one_clear_error(made, tmp_path):
    path = tmp_path / "clusters.npz"
    made.save(path)
    content = path.read_bytes()
    middle = len(content) // 2
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, **{**vars(made), "names": np.array([{}], object)})
    unequal = tmp_path / "unequal.npz"
    dataclasses.replace(made, names=made.names[:2]).save(unequal)
    damaged = [b"", b"no archive", content[:middle], content[:middle] + b"\xff" * 64 + content[middle + 64 :]]
    for wrong in [*damaged, pickled.read_bytes(), unequal.read_bytes()]:
        path.write_bytes(wrong)
        with pytest.raises(InputError, match=r"clusters.npz is damaged \(.*\); delete it") as error:
            ClusterSamples.load(path)
        assert "\n" not in str(error.value)
        assert not cluster_samples.shows(path, LAMBDAS)
    path.unlink()
    with pytest.raises(InputError, match="does not exist"):
        ClusterSamples.load(path)
