"""Nearest neighbours: the fraction of the five nearest videos that have the class of the query.

    labelled videos [V,D] ─> unit length ─> the five nearest of each test video among all others ─> their labels

A video is the mean of its standardised clip embeddings; likeness is the cosine. Videos of both parts are found, since
nothing is learned from labels. The r-th run of the result is the label of the r-th nearest video, so that the mean over
the runs is the precision at five. Not in the paper; it is what a search for similar videos finds (`elo_tf.embed`).
"""

import numpy as np

from elo_tf.config import InputError
from elo_tf.evaluate.protocols.base import Case, Prediction, Protocol, register, standardise

NEAREST = 5


@register
class NeighboursProtocol(Protocol):
    """Labels of the nearest videos."""

    name = "neighbours"
    title = f"precision@{NEAREST}"
    needs_network = False

    def predict(self, case: Case) -> Prediction:
        train, test = standardise(case.features("train"), case.features("test"))
        queries, others = (part.clips.mean(axis=1) for part in (test, train))
        everything = np.concatenate([queries, others])
        labels = np.concatenate([test.labels, train.labels])
        if len(everything) <= NEAREST:
            raise InputError(f"{len(everything)} labelled videos have no {NEAREST} neighbours; label more")
        return Prediction(labels[nearest(queries, everything)], {"videos": len(everything)})


def nearest(queries: np.ndarray, everything: np.ndarray) -> np.ndarray:
    """[NEAREST,Q] places of the rows most alike to each query, the most alike first, never the query itself.

    Args:
      queries: [Q,D], the first Q rows of `everything`.
      everything: [V,D], V > NEAREST.
    """
    likeness = _unit(queries) @ _unit(everything).T
    np.fill_diagonal(likeness, -np.inf)
    return np.argsort(-likeness, axis=1, kind="stable")[:, :NEAREST].T


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
