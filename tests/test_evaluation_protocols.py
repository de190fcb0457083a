"""The protocols against scikit-learn on the same embeddings, and by hand."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score
from sklearn.neighbors import NearestNeighbors

from elo_tf.config import InputError, ProtocolConfig
from elo_tf.evaluate import protocols
from elo_tf.evaluate.protocols import kmeans, linear, neighbours
from elo_tf.evaluate.protocols.base import PROTOCOLS, Case, Features, Protocol, register, standardise
from elo_tf.evaluate.scores import score
from elo_tf.evaluate.videos.split import LabelledVideo, Split
from elo_tf.ops.kmeans import plus_plus_centres
from experiments import protocols as oracles

CLASSES = 4


def _features(videos, seed, windows=3, spread=1.5, width=6, classes=CLASSES):
    """Clips around a centre for each class, those of a video near each other; dimensions of unequal scale."""
    centres = np.random.default_rng(99).normal(size=[classes, width])
    random = np.random.default_rng(seed)
    labels = np.arange(videos) % classes
    means = centres[labels] + spread * random.normal(size=[videos, width])
    clips = means[:, None] + 0.3 * random.normal(size=[videos, windows, width])
    return Features((clips * np.geomspace(1, 20, width) + 5).astype(np.float32), labels)


def _case(train, test, seed=0, classes=CLASSES):
    parts = {"train": train, "test": test}
    videos = {
        name: tuple(LabelledVideo(f"{name}{place}", int(label)) for place, label in enumerate(part.labels))
        for name, part in parts.items()
    }
    split = Split("1", tuple(f"class{label}" for label in range(classes)), videos["train"], videos["test"])
    return Case(split, seed, None, parts.__getitem__, "tiny", None)


@pytest.mark.parametrize("clusters", [0, 10])
def test_kmeans_agrees_with_scikit_learn_from_the_same_start(clusters):
    train, test = _features(60, 0), _features(40, 1)
    config = ProtocolConfig(clusters=clusters, restarts=3)
    found = protocols.select(["kmeans"], config)[0].predict(_case(train, test, seed=5))
    # The oracle: scikit-learn clusters, numpy.unique counts.
    mean, deviation = _moments(train)
    known, asked = (((part.clips - mean) / deviation).mean(axis=1) for part in (train, test))
    origin = known.mean(axis=0)
    count = clusters or CLASSES
    starts = plus_plus_centres(
        tf.constant(known - origin, tf.float32), count, config.restarts, tf.constant([5, 0], tf.int32)
    )
    for start, labels in zip(starts.numpy() + origin, found.labels):
        oracle = KMeans(count, init=start, n_init=1, max_iter=100, tol=0).fit(known)
        given = [_most_frequent(train.labels[oracle.labels_ == cluster]) for cluster in range(count)]
        np.testing.assert_array_equal(labels, np.array(given)[oracle.predict(asked)])
    assert found.details["clusters"] == count


def _moments(part):
    flat = part.clips.reshape(-1, part.clips.shape[-1])
    return flat.mean(axis=0), flat.std(axis=0)


def _most_frequent(labels):
    values, counts = np.unique(labels, return_counts=True)
    return values[counts.argmax()]


def test_clusters_take_the_most_frequent_label_and_empty_ones_that_of_all():
    assignment, labels = np.array([[0, 0, 0, 1, 1, 1]]), np.array([2, 2, 1, 0, 1, 1])
    np.testing.assert_array_equal(kmeans.cluster_labels(assignment, labels, 3), [[2, 1, 1]])


def test_kmeans_of_noise_is_at_chance():
    random = np.random.default_rng(0)
    train, test = (Features(random.normal(size=[400, 1, 8]).astype("f4"), np.arange(400) % 4) for _ in range(2))
    found = protocols.select(["kmeans"], ProtocolConfig(clusters=40, restarts=20))[0].predict(_case(train, test))
    assert abs(score(found.labels, test.labels, 4).accuracies.mean() - 0.25) < 0.03


def test_more_clusters_than_training_videos_are_refused():
    with pytest.raises(InputError, match="--clusters=9 is more than the 8 training videos"):
        protocols.select(["kmeans"], ProtocolConfig(clusters=9))[0].predict(_case(_features(8, 0), _features(8, 1)))


@pytest.mark.parametrize("classes", [2, CLASSES])
@pytest.mark.parametrize("strength", [0.003, 1.0])
def test_no_step_from_the_layer_makes_its_function_smaller(strength, classes):
    """Which is convex: where its gradient, by hand, is 0 there is its minimum."""
    train = _features(40, 0, classes=classes)
    inputs, labels = standardise(train, train)[0].clips.reshape(-1, 6), np.repeat(train.labels, 3)
    layer = linear.fit(inputs, labels, classes, strength)
    wrong = (linear.probabilities(layer, inputs) - np.eye(classes)[labels]) / len(labels)
    np.testing.assert_allclose(inputs.T @ wrong + layer.kernel / (strength * len(labels)), 0, atol=1e-5)
    np.testing.assert_allclose(wrong.sum(axis=0), 0, atol=1e-5)
    assert layer.converged


def test_a_class_without_training_clips_is_never_likely():
    train = _features(40, 0, windows=1)
    inputs = standardise(train, train)[0].clips[:, 0]
    layer = linear.fit(inputs, 1 + train.labels % 2, CLASSES, 0.1)
    likely = linear.probabilities(layer, inputs)
    assert (likely[:, [0, 3]] == 0).all() and likely[:, [1, 2]].argmax(axis=1).any()
    np.testing.assert_allclose(likely.sum(axis=1), 1)
    single = linear.probabilities(linear.fit(inputs, np.full(40, 2), CLASSES, 0.1), inputs)
    np.testing.assert_array_equal(single, np.tile([0.0, 0.0, 1.0, 0.0], (40, 1)))


def test_linear_averages_the_probabilities_of_the_clips_of_a_video():
    train, test = _features(60, 0), _features(40, 1, spread=2.5)
    found = protocols.select(["linear"], ProtocolConfig())[0].predict(_case(train, test))
    known, asked = standardise(train, test)
    oracle = LogisticRegression(C=found.details["strength"], tol=1e-9, max_iter=20000)
    oracle.fit(known.clips.reshape(-1, 6), np.repeat(known.labels, 3))
    expected = sum(oracle.predict_proba(asked.clips[:, window]) for window in range(3)).argmax(axis=1)
    assert np.mean(found.labels[0] == expected) > 0.97
    assert set(found.labels[0]) == set(range(CLASSES))
    entropies = found.details["cross_entropy"]
    assert min(entropies, key=entropies.get) == str(found.details["strength"])


def test_linear_agrees_with_the_protocol_of_the_experiments():
    """Which chooses among fewer strengths, and otherwise is the same."""
    train, test = _features(200, 0, windows=1), _features(400, 1, windows=1)
    found = protocols.select(["linear"], ProtocolConfig())[0].predict(_case(train, test))
    own = score(found.labels, test.labels, CLASSES).accuracies[0]
    known, asked = (part.clips[:, 0] for part in standardise(train, test))
    assert 0.5 < own < 0.95
    assert own == pytest.approx(oracles.linear_accuracy(known, train.labels, asked, test.labels), abs=0.02)


def test_a_majority_of_sure_clips_can_outvote_unsure_ones():
    layer = linear.Layer(np.array([[1.0, -1.0]]), np.zeros(2), True)
    clips = np.array([[[3.0], [-0.1], [-0.1]]])  # Two clips of three lean to class 1, hardly.
    assert linear.probabilities(layer, clips).mean(axis=1).argmax(axis=1) == [0]


def test_part_of_each_class_is_held_back():
    labels = np.array([0] * 8 + [1] * 5 + [2] * 2 + [3])
    for seed in range(5):
        chosen = linear.hold_back(labels, seed)
        assert [chosen[labels == label].sum() for label in range(4)] == [2, 2, 1, 0]
    assert (linear.hold_back(labels, 0) != linear.hold_back(labels, 1)).any()


def test_one_video_a_class_leaves_nothing_to_choose_by():
    train = _features(CLASSES, 0)
    found = protocols.select(["linear"], ProtocolConfig())[0].predict(_case(train, _features(20, 1)))
    assert found.details["cross_entropy"] == {} and found.details["strength"] == 0.01


def test_scores_agree_with_scikit_learn():
    random = np.random.default_rng(0)
    labels = np.concatenate([np.arange(5), random.integers(0, 5, 60)])
    predicted = random.integers(0, 6, [3, 65])
    found = score(predicted, labels, 6)
    np.testing.assert_allclose(found.accuracies, [accuracy_score(labels, run) for run in predicted])
    truth, guess = np.tile(labels, 3), predicted.ravel()
    np.testing.assert_array_equal(found.confusion, confusion_matrix(truth, guess, labels=range(6)))
    np.testing.assert_allclose(found.per_class[:5], recall_score(truth, guess, labels=range(5), average=None))
    assert found.per_class[5] is None  # No video of it.


def test_protocols_are_known_by_their_files():
    assert set(PROTOCOLS) == {"kmeans", "linear", "finetune", "neighbours"}
    with pytest.raises(InputError, match="'probe' is unknown; choose from finetune, kmeans, linear"):
        protocols.select(["probe"], ProtocolConfig())

    class Again(Protocol):
        name = "kmeans"

    with pytest.raises(ValueError, match="already defined in elo_tf.evaluate.protocols.kmeans"):
        register(Again)


def test_neighbours_agree_with_scikit_learn():
    train, test = _features(30, 0), _features(20, 1)
    found = protocols.select(["neighbours"], ProtocolConfig())[0].predict(_case(train, test))
    mean, deviation = _moments(train)
    everything = np.concatenate([((part.clips - mean) / deviation).mean(axis=1) for part in (test, train)])
    labels = np.concatenate([test.labels, train.labels])
    oracle = NearestNeighbors(n_neighbors=6, metric="cosine").fit(everything)
    _, places = oracle.kneighbors(everything[:20])
    assert (places[:, 0] == np.arange(20)).all()  # Itself first, which does not count.
    np.testing.assert_array_equal(found.labels, labels[places[:, 1:]].T)


def test_neighbours_never_find_the_query():
    rows = np.eye(7)[[0, 0, 1, 2, 3, 4, 5]]
    assert neighbours.nearest(rows[:2], rows)[0].tolist() == [1, 0]


def test_too_few_videos_for_neighbours_are_named():
    with pytest.raises(InputError, match="5 labelled videos have no 5 neighbours"):
        protocols.select(["neighbours"], ProtocolConfig())[0].predict(_case(_features(3, 0), _features(2, 1)))
