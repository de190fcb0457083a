"""ELo-weak: accuracy of clusters as a classifier on a few labelled videos (Sec. 3.2.2).

    features ─> k-means ─> each cluster takes a label from one half of the clips ─> accuracy on the other half

Departure: a cluster does not take its label from the clips that it is then judged by. With few clips to a cluster the
most frequent label of random ones is right far more often than one in K, and the more so the more clusters there are.
"""

import numpy as np


def accuracy(assignment: np.ndarray, labels: np.ndarray, videos: np.ndarray) -> np.ndarray:
    """Part of the clips that get their own label from their nearest centre, for each of R clusterings.

    Both halves are judged, each by labels from the other; a cluster without clips in the other half gives its most
    frequent label.

    Args:
      assignment: [R,N] integers >= 0, the nearest centre of each clip.
      labels: [N] integers >= 0.
      videos: [N] integers, the video that a clip is of; all clips of a video fall into one half.

    Returns:
      [R] float64 in [0,1]; chance is the part of the most frequent label.

    Raises:
      ValueError: a label is negative, as that of a clip without one is.
    """
    assignment, labels = np.asarray(assignment), np.asarray(labels)
    if (labels < 0).any():
        raise ValueError("clips without a label cannot be judged")
    _, order = np.unique(videos, return_inverse=True)
    half = order % 2 == 0
    return np.array([(_right(own, labels, half) + _right(own, labels, ~half)) / len(labels) for own in assignment])


def _right(assignment: np.ndarray, labels: np.ndarray, known: np.ndarray) -> int:
    """How many clips that are not known get their own label from those that are."""
    counts = np.zeros([assignment.max() + 1, labels.max() + 1], np.int64)
    np.add.at(counts, (assignment[known], labels[known]), 1)
    empty = counts.sum(axis=1) == 0
    given = np.where(empty, counts.sum(axis=0).argmax(), counts.argmax(axis=1))
    return int(np.count_nonzero(given[assignment[~known]] == labels[~known]))
