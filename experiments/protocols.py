"""How good are embeddings? The two protocols of the experiments, on labelled videos that no training used.

    k-means    held-out embeddings -> K clusters, K = number of classes -> each gives its majority label -> accuracy
    1-layer    training embeddings -> logistic regression -> accuracy on held-out embeddings

Both take standardised embeddings. k-means is above 1/K for noise on small sets, since a majority is picked afterwards.
Needs scikit-learn.
"""

from typing import Tuple

import numpy as np

RESTARTS = 5
# Inverse strengths of the L2 penalty among which cross-validation chooses.
STRENGTHS = (0.003, 0.03, 0.3)


def standardise(train: np.ndarray, held_out: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Both parts, [N,D], in units of the training part: mean 0, standard deviation 1 in each dimension."""
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    return (train - mean) / deviation, (held_out - mean) / deviation


def kmeans_accuracy(features: np.ndarray, labels: np.ndarray, clusters: int, restarts: int = RESTARTS) -> float:
    """Part of the clips whose label is that of most clips in their cluster; the mean over restarts.

    Args:
      features: [N,D] of the held-out clips.
      labels: [N] classes, 0 or more.
      clusters: K.
      restarts: R, runs of k-means from other centres, each counted.
    """
    from sklearn.cluster import KMeans

    accuracies = []
    for restart in range(restarts):
        assigned = KMeans(clusters, n_init=1, random_state=restart).fit_predict(features)
        accuracies.append(sum(np.bincount(labels[assigned == k]).max() for k in np.unique(assigned)) / len(labels))
    return float(np.mean(accuracies))


def linear_accuracy(train: np.ndarray, train_labels: np.ndarray, held_out: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy on held-out clips of one linear layer; the training clips choose its penalty by cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    layer = GridSearchCV(LogisticRegression(max_iter=1000), {"C": list(STRENGTHS)}, cv=3)
    return float(layer.fit(train, train_labels).score(held_out, labels))
