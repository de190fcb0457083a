"""Two ways besides ridge regression to measure what features share with descriptors of the same clips."""

import numpy as np

NEIGHBOURS = 10


def linear_cka(features: np.ndarray, descriptors: np.ndarray) -> float:
    """Linear centred kernel alignment (Kornblith et al., 2019): 1 where one is a rotation of the other, 0 at least.

    Args:
      features: [N,D].
      descriptors: [N,d].
    """
    x, y = (values.astype(np.float64) - values.mean(0, dtype=np.float64) for values in (features, descriptors))
    norm = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(x.T @ y) ** 2 / norm) if norm > 0 else 0.0


def mutual_neighbours(features: np.ndarray, descriptors: np.ndarray, videos: np.ndarray) -> float:
    """Share of the ten nearest neighbours that are the same by either (mutual k-NN alignment, Huh et al., 2024).

    Neighbours are by the cosine of what is standardised; clips of the same video are no neighbours.

    Args:
      features: [N,D].
      descriptors: [N,d].
      videos: [N], the video that a clip is of.
    """
    first, second = (_neighbours(values, videos) for values in (features, descriptors))
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(first, second)]) / NEIGHBOURS)


def _neighbours(values: np.ndarray, videos: np.ndarray) -> np.ndarray:
    """[N,NEIGHBOURS] places of the nearest clips."""
    values = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    values /= np.maximum(values.std(0), 1e-12)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    alike = values @ values.T
    alike[videos[:, np.newaxis] == videos] = -np.inf
    return np.argpartition(-alike, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
