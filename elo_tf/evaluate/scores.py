"""Scores of predictions: accuracy, accuracy of each class, confusion matrix."""

import dataclasses
from typing import List, Optional

import numpy as np


@dataclasses.dataclass(frozen=True)
class Scores:
    """What R runs got right.

    Attributes:
      accuracies: [R] part of the videos that got their own class.
      confusion: [K,K] integers: videos of a class (row) that were taken for a class (column), summed over the runs.
    """

    accuracies: np.ndarray
    confusion: np.ndarray

    @property
    def per_class(self) -> List[Optional[float]]:
        """[K] part of the videos of each class that got it, over all runs; None for a class without test videos."""
        counts = self.confusion.sum(axis=1)
        right = np.diag(self.confusion)
        return [float(right[label] / counts[label]) if counts[label] else None for label in range(len(counts))]


def score(predicted: np.ndarray, labels: np.ndarray, classes: int) -> Scores:
    """Compares predictions with the truth.

    Args:
      predicted: [R,V] integers in [0,K).
      labels: [V] integers in [0,K), the truth.
      classes: K.
    """
    confusion = np.zeros([classes, classes], np.int64)
    np.add.at(confusion, (np.broadcast_to(labels, predicted.shape), predicted), 1)
    return Scores((predicted == labels).mean(axis=1), confusion)
