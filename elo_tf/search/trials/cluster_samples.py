"""The clusters of a trained tower: their sizes, and the clips nearest to the centres of the largest.

features [N,D] ─ k-means, as the scale-free score ─> assignment [R,N] ─┬─> sizes, descending      mean, s.d. [K]
                                                                       └─> nearest clips ─> strips [C,n,f,H,W,3]
"""

import dataclasses
import io
import pathlib
from typing import Iterable, Sequence, Tuple, Union

import numpy as np

from elo_tf.config import FitnessConfig, InputError
from elo_tf.ops.zipf import normalise
from elo_tf.runtime.storage import write_bytes
from elo_tf.search.fitness.score import Scorer

# In the run directory.
FILE = "clusters.npz"
CLUSTERS = 6
CLIPS = 5
FRAMES = 4
# Clips of one video are alike. So that those shown are of several, this many times as many are looked through.
_SPARE = 4


@dataclasses.dataclass(frozen=True)
class ClusterSamples:
    """Clusters of one tower. C = min(6,K) clusters, n = 5 clips each, f = 4 frames of each clip.

    Attributes:
      lambdas: [G] float32, the loss that has trained the tower.
      sizes: [K] float64, share of the clips in each cluster, descending, mean over the R restarts; sums to 1.
      sizes_deviation: [K] float64, standard deviation over the restarts.
      shares: [C] float64, share of the clips in the clusters shown, the biggest of the first restart, descending.
      strips: [C,n,f,H,W,3] uint8, the clips nearest the centre of each, one a video, the nearest first; further ones of
        the same where it has fewer than n videos; black where it has fewer clips.
      names: [C,n] strings, ids of their videos; empty where a cluster has fewer clips.
    """

    lambdas: np.ndarray
    sizes: np.ndarray
    sizes_deviation: np.ndarray
    shares: np.ndarray
    strips: np.ndarray
    names: np.ndarray

    def save(self, path: Union[str, pathlib.Path]) -> None:
        """Writes an npz file, which appears whole."""
        content = io.BytesIO()
        np.savez_compressed(content, **vars(self))
        write_bytes(path, content.getvalue())

    @classmethod
    def load(cls, path: Union[str, pathlib.Path]) -> "ClusterSamples":
        """Reads what `save` wrote.

        Raises:
          InputError: the file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                samples = cls(**{field.name: file[field.name] for field in dataclasses.fields(cls)})
        except FileNotFoundError:
            raise InputError(f"{path} does not exist; a search writes it when it ends") from None
        except Exception as error:  # NumPy parses parts of the file as Python, and raises whatever comes of that.
            raise _damaged(path, f"{type(error).__name__}: {error}") from None
        shown = samples.shares.shape
        if (
            samples.strips.shape[:1] != shown
            or samples.strips.ndim != 6
            or samples.strips.shape[:2] != samples.names.shape
        ):
            raise _damaged(path, "its parts do not fit together")
        return samples

    def is_of(self, lambdas: np.ndarray) -> bool:
        """Whether these [G] λ have trained the tower."""
        return np.array_equal(self.lambdas, np.asarray(lambdas, np.float32))


def shows(path: Union[str, pathlib.Path], lambdas: np.ndarray) -> bool:
    """Whether a file holds, undamaged, the samples of these [G] λ."""
    try:
        return ClusterSamples.load(path).is_of(lambdas)
    except InputError:
        return False


def _damaged(path: Union[str, pathlib.Path], why: str) -> InputError:
    return InputError(f"{path} is damaged ({' '.join(why.split())}); delete it and rerun the search")


def make(
    lambdas: np.ndarray,
    features: np.ndarray,
    clips: Iterable[Tuple[np.ndarray, Sequence[str]]],
    config: FitnessConfig,
    seed: int,
) -> ClusterSamples:
    """Clusters features as the scale-free score does, and picks what is to be seen of them.

    Args:
      lambdas: [G], the loss that has trained the tower.
      features: [N,D], finite, embeddings of the N clips.
      clips: The clips in the order of their features, in batches: frames [B,T,H,W,3] in [0,1] and the ids of their B
        videos. Gone through once, so that one batch at a time is in memory.
      config: K, R and the iterations.
      seed: Of the k-means starts; that of the search gives the clusters that were scored.

    Raises:
      InputError: there are fewer clips than clusters.
      ValueError: there are fewer clips than features.
    """
    assignment = Scorer(config).cluster(features, seed)  # [R,N]
    sizes = cluster_sizes(assignment, config.clusters)
    biggest = np.argsort(-np.bincount(assignment[0], minlength=config.clusters), kind="stable")[:CLUSTERS]
    unit = normalise(np.asarray(features, np.float32)).numpy()
    strips, names = _fetch(nearest(unit, assignment[0], biggest.tolist(), _SPARE * CLIPS), clips)
    shown = np.arange(len(names))[:, None], np.array([distinct_first(row, CLIPS) for row in names])  # [C,1], [C,n]
    return ClusterSamples(
        np.asarray(lambdas, np.float32),
        sizes.mean(axis=0),
        sizes.std(axis=0),
        np.array([(assignment[0] == cluster).mean() for cluster in biggest]),
        strips[shown],
        names[shown],
    )


def cluster_sizes(assignment: np.ndarray, clusters: int) -> np.ndarray:
    """[R,K] float64: share of the N clips in each of K clusters, descending, of an assignment [R,N]."""
    counts = np.array([np.bincount(labels, minlength=clusters) for labels in assignment])
    return -np.sort(-counts, axis=1) / assignment.shape[1]


def nearest(features: np.ndarray, labels: np.ndarray, clusters: Sequence[int], count: int) -> np.ndarray:
    """Members of each cluster that are nearest its centre, the mean of its members.

    Args:
      features: [N,D], normalised.
      labels: [N], cluster of each.
      clusters: [C], which to look at.
      count: m, how many of each.

    Returns:
      [C,m] int64 places in 0..N-1, the nearest first; -1 where a cluster has fewer members.
    """
    places = np.full([len(clusters), count], -1, np.int64)
    for row, cluster in enumerate(clusters):
        members = np.flatnonzero(labels == cluster)
        if members.size:
            distance = np.linalg.norm(features[members] - features[members].mean(axis=0), axis=1)
            chosen = members[np.argsort(distance, kind="stable")[:count]]
            places[row, : len(chosen)] = chosen
    return places


def distinct_first(names: Sequence[str], count: int) -> np.ndarray:
    """[n] places in a sequence: the first of each name in order, then later ones, then those without a name.

    Args:
      names: At least n; what is empty comes last.
      count: n.
    """
    array = np.asarray(names)
    _, first = np.unique(array, return_index=True)
    again = ~np.isin(np.arange(len(array)), first)
    return np.lexsort((np.arange(len(array)), again, array == ""))[:count]


def _fetch(places: np.ndarray, clips: Iterable[Tuple[np.ndarray, Sequence[str]]]) -> Tuple[np.ndarray, np.ndarray]:
    """Frames and names of the clips at some places [C,n], in one pass: [C,n,f,H,W,3] uint8 and [C,n] strings."""
    found, first = {}, 0
    for frames, names in clips:
        for place in places[(places >= first) & (places < first + len(frames))]:
            shown = np.linspace(0, frames.shape[1] - 1, FRAMES).round().astype(int)
            picture = (np.clip(frames[place - first][shown], 0.0, 1.0) * 255).round().astype(np.uint8)  # [f,H,W,3]
            found[int(place)] = picture, str(names[place - first])
        first += len(frames)
    missing = set(places[places >= 0].tolist()) - set(found)
    if missing:
        raise ValueError(f"{first} clips for features that go on to place {max(missing)}")
    found[-1] = np.zeros_like(next(iter(found.values()))[0]), ""
    pictures, labels = zip(*(found[int(place)] for place in places.ravel()))
    strips = np.array(pictures)
    return strips.reshape(*places.shape, *strips.shape[1:]), np.array(labels).reshape(places.shape)
