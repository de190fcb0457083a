"""k-means against scikit-learn's Lloyd, and what it promises on odd data."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.cluster import KMeans

from elo_tf.config import InputError
from elo_tf.ops import kmeans as module
from elo_tf.ops.kmeans import kmeans, plus_plus_centres

SEED = (3, 7)


def seed(*value):
    return tf.constant(value or SEED, tf.int32)


def blobs(videos=400, width=16, groups=8, spread=1.0):
    generator = np.random.default_rng(0)
    centres = 4.0 * generator.normal(size=(groups, width))
    labels = generator.integers(groups, size=videos)
    return (centres[labels] + spread * generator.normal(size=(videos, width))).astype(np.float32), labels


def lloyd(features, start, iterations):
    return KMeans(len(start), init=start, n_init=1, max_iter=iterations, tol=0.0, algorithm="lloyd").fit(features)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("iterations", [1, 3, 100])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_agrees_with_scikit_learn_from_the_same_starts(iterations, offset):
    features, _ = blobs(spread=3.0)
    features = features + np.float32(offset)
    generator = np.random.default_rng(1)
    starts = np.stack([features[generator.choice(len(features), 8, replace=False)] for _ in range(3)])
    found = kmeans(features, 8, 3, iterations, centres=starts)
    for restart, start in enumerate(starts):
        expected = lloyd(features, start, iterations)
        np.testing.assert_allclose(found.centres[restart], expected.cluster_centers_, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(found.assignment[restart], expected.labels_)
        np.testing.assert_allclose(found.inertia[restart], expected.inertia_, rtol=1e-4)


def test_empty_clusters_take_the_farthest_features_as_in_scikit_learn():
    features, _ = blobs(spread=2.0)
    start = features[:8].copy()
    start[5:] = [1e3, 2e3, 3e3] @ np.ones((3, 16), np.float32) + np.arange(3, dtype=np.float32)[:, None]
    found = kmeans(features, 8, 1, 50, centres=start[None])
    expected = lloyd(features, start, 50)
    assert len(np.unique(found.assignment)) == 8
    np.testing.assert_allclose(found.inertia[0], expected.inertia_, rtol=1e-4)


def test_no_cluster_stays_empty_by_hand():
    features = np.float32([[0.0], [1.0], [10.0], [11.0]])
    # Both features of the right pair are farther than the left ones from the only centre that has any.
    found = kmeans(features, 3, 1, 10, centres=np.float32([[[0.0], [-500.0], [-600.0]]]))
    np.testing.assert_allclose(np.sort(found.centres[0, :, 0]), [0.5, 10.0, 11.0], atol=1e-5)


def test_finds_separate_groups_from_its_own_starts():
    features, labels = blobs(spread=0.1)
    found = kmeans(features, 8, 5, 25, seed())
    for restart in range(5):
        # k-means++ hits every group when they are this far apart, so each cluster is one group.
        assert all(len(np.unique(labels[found.assignment[restart] == cluster])) == 1 for cluster in range(8))


def test_inertia_never_rises_with_more_iterations():
    features, _ = blobs(spread=4.0)
    inertia = np.stack([kmeans(features, 8, 4, iterations, seed()).inertia for iterations in range(1, 9)])
    assert (np.diff(inertia, axis=0) <= 1e-5 * inertia[0]).all()
    assert (inertia[-1] < inertia[0]).all()


def test_ends_once_no_assignment_changes():
    features, _ = blobs(100, spread=3.0)
    # So many iterations would not end in a lifetime.
    endless, enough = (kmeans(features, 8, 2, iterations, seed()) for iterations in (2**31 - 1, 100))
    np.testing.assert_array_equal(endless.centres, enough.centres)


def test_result_describes_itself():
    features, _ = blobs(spread=4.0)
    found = kmeans(features, 8, 4, 2, seed())
    distances = np.square(features[None, :, None] - found.centres.numpy()[:, None]).sum(-1)
    np.testing.assert_array_equal(found.assignment, distances.argmin(-1))
    np.testing.assert_allclose(found.inertia, distances.min(-1).sum(-1), rtol=1e-5)


def test_plus_plus_draws_in_proportion_to_the_squared_distance():
    # From 0 the weights of 1 and 3 are 1 : 9; from 1 those of 0 and 3 are 1 : 4; from 3 those of 0 and 1 are 9 : 4.
    centred = np.float32([[0.0], [1.0], [3.0]]) - np.float32(4 / 3)
    pairs = np.round(plus_plus_centres(tf.constant(centred), 2, 30000, seed()).numpy()[:, :, 0] + 4 / 3).astype(int)
    for first, second, share in ((0, 3, 0.9), (1, 3, 0.8), (3, 0, 9 / 13)):
        started = pairs[pairs[:, 0] == first]
        assert len(started) == pytest.approx(10000, rel=0.05)
        assert np.mean(started[:, 1] == second) == pytest.approx(share, abs=0.02)
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_plus_plus_starts_end_as_well_as_those_of_scikit_learn():
    features, _ = blobs(2000, 16, 40, spread=0.5)
    ours = kmeans(features, 40, 9, 25, seed()).inertia.numpy()
    random, careful = (
        np.mean([KMeans(40, init=init, n_init=1, max_iter=25, random_state=i).fit(features).inertia_ for i in range(9)])
        for init in ("random", "k-means++")
    )
    # Theirs try several candidates for each centre; ours draw one, as in the paper of k-means++.
    assert abs(ours.mean() - careful) < 0.5 * (random - careful)


def test_same_seed_same_result_and_restarts_differ():
    features, _ = blobs(spread=4.0)
    first, again, other = (kmeans(features, 8, 4, 5, chosen) for chosen in (seed(), seed(), seed(9, 9)))
    for one, two in zip(first, again):
        np.testing.assert_array_equal(one, two)
    assert len(np.unique(first.inertia)) == 4
    assert not np.array_equal(first.assignment, other.assignment)


@pytest.mark.parametrize("block", [240, 3000, 10**9])
def test_blocks_of_any_size_give_the_same_clusters(monkeypatch, block):
    features, _ = blobs(spread=3.0)
    expected = kmeans(features, 8, 3, 10, seed())
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", block)
    found = kmeans(features, 8, 3, 10, seed())
    np.testing.assert_array_equal(found.assignment, expected.assignment)
    np.testing.assert_allclose(found.centres, expected.centres, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_graph_and_xla_agree_with_eager_mode(compiled):
    features, _ = blobs(spread=3.0)
    # The last start is far from everything, so that an empty cluster is filled in the graph too.
    starts = np.concatenate([features[:7], np.full((1, 16), 1e3, np.float32)])[None]
    run = tf.function(lambda x, starts: kmeans(x, 8, 1, 10, centres=starts), autograph=False, jit_compile=compiled)
    expected, found = kmeans(features, 8, 1, 10, centres=starts), run(tf.constant(features), tf.constant(starts))
    np.testing.assert_array_equal(found.assignment, expected.assignment)
    np.testing.assert_allclose(found.centres, expected.centres, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
def test_starts_in_graph_and_xla_hit_separate_groups(compiled):
    features, labels = blobs(spread=0.1)
    run = tf.function(lambda x, seed: kmeans(x, 8, 2, 10, seed), autograph=False, jit_compile=compiled)
    for assignment in run(tf.constant(features), seed()).assignment.numpy():
        assert all(len(np.unique(labels[assignment == cluster])) == 1 for cluster in range(8))


@pytest.mark.parametrize("distinct", [1, 3])
def test_fewer_distinct_features_than_clusters(distinct):
    features = np.repeat(np.eye(distinct, 5, dtype=np.float32) + 7, 10, axis=0)
    found = kmeans(features, 6, 2, 10, seed())
    assert np.isfinite(found.centres).all()
    np.testing.assert_allclose(found.inertia, 0.0, atol=1e-8)


def test_as_many_clusters_as_features():
    features, _ = blobs(12)
    found = kmeans(features, 12, 2, 5, seed())
    np.testing.assert_array_equal(np.sort(found.assignment, axis=1), np.tile(np.arange(12), (2, 1)))


def test_half_precision_features_are_clustered_in_float32():
    features, _ = blobs()
    half = tf.cast(features, tf.bfloat16)
    expected = kmeans(tf.cast(half, tf.float32), 8, 2, 5, seed())
    found = kmeans(half, 8, 2, 5, seed())
    assert found.centres.dtype == tf.float32
    np.testing.assert_array_equal(found.centres, expected.centres)


def test_more_clusters_than_features_is_an_input_error_naming_both():
    with pytest.raises(InputError, match="5 videos cannot form --clusters=6"):
        kmeans(np.zeros((5, 2), np.float32), 6, 1, 1, seed())


def test_wrong_starts_are_refused():
    with pytest.raises(ValueError, match="either a seed or"):
        kmeans(np.zeros((5, 2), np.float32), 2, 1, 1)
    with pytest.raises(ValueError, match=r"\(1, 2, 3\), not \(1, 2, 2\)"):
        kmeans(np.zeros((5, 2), np.float32), 2, 1, 1, centres=np.zeros((1, 2, 3)))
