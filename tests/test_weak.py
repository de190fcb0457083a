"""Tests of `elo_tf.search.fitness.weak`."""

import collections

import numpy as np
import pytest

from elo_tf.search.fitness import weak


def test_by_hand():
    # Videos 0 and 2 are one half, 1 and 3 the other. Cluster 0: labels 0, 0 | 0; cluster 1: 1 | 0, 1, 1.
    videos = np.array([0, 0, 1, 1, 1, 2, 3])
    assignment = np.array([[0, 0, 0, 1, 1, 1, 1]])
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    # From the first half clusters say 0, 1: right for clip 2, wrong for 3, right for 4 and 6. From the second they say
    # 0, 1: right for clips 0, 1, 5.
    np.testing.assert_allclose(weak.accuracy(assignment, labels, videos), [6 / 7])


def test_a_cluster_unknown_to_the_other_half_says_what_is_most_frequent_there():
    videos = np.array([0, 0, 0, 1, 1, 1])
    assignment = np.array([[0, 0, 1, 2, 2, 1]])
    labels = np.array([2, 2, 1, 0, 0, 1])
    # Clips 3 and 4 of cluster 2 are told label 2, clips 0 and 1 of cluster 0 label 0; cluster 1 is right in both.
    np.testing.assert_allclose(weak.accuracy(assignment, labels, videos), [2 / 6])
    # Where those labels are right, so are they.
    np.testing.assert_allclose(weak.accuracy(assignment, np.array([2, 2, 1, 2, 2, 1]), videos), [1.0])


def slow(assignment, labels, videos):
    """The definition, clip by clip."""
    halves = {video: place % 2 for place, video in enumerate(sorted(set(videos)))}
    right = 0
    for cluster, label, video in zip(assignment, labels, videos):
        known = [place for place, other in enumerate(videos) if halves[other] != halves[video]]
        own = collections.Counter(labels[place] for place in known if assignment[place] == cluster)
        every = collections.Counter(labels[place] for place in known)
        counts = own or every
        right += min(counts, key=lambda name: (-counts[name], name)) == label
    return right / len(labels)


def test_is_its_definition():
    random = np.random.default_rng(0)
    videos = random.integers(0, 30, 90) * 7 + 3
    labels = (videos // 7 + random.integers(0, 2, 90)) % 4
    assignment = random.integers(0, 9, (5, 90))
    expected = [slow(row.tolist(), labels.tolist(), videos.tolist()) for row in assignment]
    np.testing.assert_allclose(weak.accuracy(assignment, labels, videos), expected)


@pytest.mark.parametrize("clusters", [2, 50, 400])
def test_clusters_that_know_nothing_are_at_chance_however_many_there_are(clusters):
    random = np.random.default_rng(1)
    labels, videos = random.integers(0, 10, 4000), np.arange(4000)
    found = weak.accuracy(random.integers(0, clusters, (5, 4000)), labels, videos)
    assert found.mean() == pytest.approx(0.1, abs=0.01)
    # Labels of the clips that are judged would flatter it: the majority of a handful is often one's own.
    own = [np.bincount(labels[videos % clusters == cluster]).max() for cluster in range(clusters)]
    assert clusters < 400 or sum(own) / 4000 > 0.2


def test_clips_of_a_video_do_not_judge_each_other():
    # Four clips of a video share a cluster and a label that no other video has.
    videos = np.repeat(np.arange(20), 4)
    assert weak.accuracy(videos[None], videos, videos)[0] < 0.06


def test_clusters_that_are_the_labels_are_always_right():
    labels = np.arange(60) % 3
    np.testing.assert_array_equal(weak.accuracy(np.stack([labels, 2 - labels]), labels, np.arange(60)), [1.0, 1.0])


def test_clips_without_a_label_are_refused():
    with pytest.raises(ValueError, match="without a label"):
        weak.accuracy(np.zeros([1, 2], int), np.array([0, -1]), np.arange(2))
