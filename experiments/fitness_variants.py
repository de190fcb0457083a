"""The fitness of saved embeddings in all variants that the paper leaves open (Sec. 3.2.2).

    embeddings/<candidate>-<steps>-<seed>.npy -> normalise -> k-means -+-> p(c) -> KL to Zipf (- the same of a null)
    embeddings/reference.npz -> descriptors ----------------> k-means -+-> mutual information
                                            ---------------------------> R2, CKA, neighbours - those of the untrained

One setting is varied at a time, from the gain in predictability, from the scale-free Zipf score and from agreement with
`--agree_with`. Scores are such that more is better. A null has the features' covariance (`gaussian`) or their values in
each dimension (`permuted`), and no clusters: the difference is what clusters alone add.
"""

import dataclasses
import functools
import json
import pathlib
from typing import Callable, Dict, Iterator, List, Tuple, Union

import numpy as np
import tensorflow as tf

from elo_tf.config import FitnessConfig
from elo_tf.ops import zipf
from elo_tf.ops.kmeans import KMeans, kmeans
from elo_tf.runtime import storage
from elo_tf.search.fitness import agreement, predictability
from experiments import alignments
from experiments.measured_search import DESCRIBED, REFERENCE

NORMALISATIONS = {
    "raw": tf.identity,
    "l2": zipf.unit_length,
    "standardise": zipf.standardise,
    "standardise_l2": zipf.normalise,
}
SPREADS = ("literal", "within")
_cluster_distribution = tf.function(zipf.cluster_distribution, autograph=False)
_explained_graph = tf.function(predictability.explained, autograph=False, reduce_retracing=True)

NULLS = ("gaussian", "permuted")


@dataclasses.dataclass(frozen=True)
class ZipfVariant:
    """A way to compute Eq. 3-5.

    Attributes:
      normalise: Key of `NORMALISATIONS`.
      spread: 2 sigma^2: 1 (`literal`), or the mean squared distance within clusters (`within`).
      exponent: s.
      clusters: K.
      restarts: R, the first of those that are run.
      null: One of `NULLS`, whose score is subtracted; empty for none.
    """

    normalise: str
    spread: str
    exponent: float
    clusters: int
    restarts: int
    null: str = ""

    @property
    def name(self) -> str:
        null = f" - {self.null}" if self.null else ""
        return f"zipf {self.normalise} {self.spread} s={self.exponent:g} K={self.clusters} R={self.restarts}{null}"


@dataclasses.dataclass(frozen=True)
class AgreementVariant:
    """Mutual information with clusters of the plain descriptors of a modality, adjusted for chance or not."""

    modality: str
    adjusted: bool
    clusters: int
    restarts: int

    @property
    def name(self) -> str:
        kind = "adjusted" if self.adjusted else "plain"
        return f"agreement {self.modality} {kind} K={self.clusters} R={self.restarts}"


@dataclasses.dataclass(frozen=True)
class GainVariant:
    """What features have in common with the descriptors of a modality, less what those of the untrained tower have.

    Attributes:
      measure: Key of `MEASURES`.
      modality: One of `DESCRIBED`; `any`, that of the greatest gain; or `all`, the sum of the gains.
    """

    measure: str
    modality: str

    @property
    def name(self) -> str:
        return f"gain in {self.measure}, {self.modality}"


Variant = Union[ZipfVariant, AgreementVariant, GainVariant]


def _explained(features: np.ndarray, descriptors: np.ndarray, videos: np.ndarray) -> float:
    """Cross-validated R² of the descriptors, as the search computes it."""
    return float(_explained_graph(features, descriptors, predictability.assign_folds(videos)).numpy().mean())


# Name -> measure of (features [N,D], descriptors [N,d], videos [N]).
MEASURES: Dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "R2": _explained,
    "CKA": lambda features, descriptors, videos: alignments.linear_cka(features, descriptors),
    "neighbours": alignments.mutual_neighbours,
}


def families(config: FitnessConfig) -> Dict[str, List[Variant]]:
    """What is varied -> the variants, the first being the search's own."""
    base = ZipfVariant("standardise_l2", "within", config.zipf_exponent, config.clusters, config.restarts)
    agreement = AgreementVariant(config.agree_with, True, config.clusters, config.restarts)
    clusters = [max(2, config.clusters // 2), 2 * config.clusters]
    restarts = sorted({1, max(1, config.restarts // 4)} - {config.restarts})
    gain = GainVariant("R2", "any")
    ways = [(name, spread) for name in NORMALISATIONS for spread in SPREADS]
    ways.remove((base.normalise, base.spread))
    return {
        "gain in": [gain, *(GainVariant(name, "any") for name in MEASURES if name != gain.measure)],
        "gain about": [gain, *(GainVariant(gain.measure, modality) for modality in ("all", *DESCRIBED))],
        "normalisation, sigma": [
            base, *(dataclasses.replace(base, normalise=name, spread=spread) for name, spread in ways)
        ],
        "s": [base, *(dataclasses.replace(base, exponent=s) for s in (0.5, 1.0, 1.5) if s != base.exponent)],
        "K": [base, *(dataclasses.replace(base, clusters=count) for count in clusters)],
        "R": [base, *(dataclasses.replace(base, restarts=count) for count in restarts)],
        "null": [base, *(dataclasses.replace(base, null=null) for null in NULLS)],
        "agreement with": [
            agreement,
            *(
                AgreementVariant(modality, adjusted, config.clusters, config.restarts)
                for modality in DESCRIBED
                for adjusted in (True, False)
                if (modality, adjusted) != (config.agree_with, True)
            ),
        ],
        "K of agreement": [agreement, *(dataclasses.replace(agreement, clusters=count) for count in clusters)],
        "R of agreement": [agreement, *(dataclasses.replace(agreement, restarts=count) for count in restarts)],
    }  # fmt: skip


class Offline:
    """Computes variants of the fitness of embeddings; what does not depend on the embeddings is made once.

    Args:
      folder: Of the embeddings and `reference.npz`.
      config: Of the search that saved them.
      seed: Of that search.
    """

    def __init__(self, folder: pathlib.Path, config: FitnessConfig, seed: int):
        self._config = config
        self._seed = seed
        with np.load(folder / REFERENCE, allow_pickle=False) as parts:
            self._parts = {name: parts[name] for name in parts.files}
        self._references: Dict[Tuple[str, int], np.ndarray] = {}
        self._untrained: Dict[Tuple[str, str], float] = {}

    def scores(self, features: np.ndarray, seed: int) -> Dict[str, float]:
        """Name of each variant -> its score of embeddings [N,D]; `seed` is of the k-means starts."""
        clustered: Dict[Tuple[str, str, int], Tuple[tf.Tensor, KMeans]] = {}
        variants = {each.name: each for family in families(self._config).values() for each in family}
        return {name: self._score(each, features, seed, clustered) for name, each in variants.items()}

    def _score(self, variant: Variant, features: np.ndarray, seed: int, clustered) -> float:
        if isinstance(variant, GainVariant):
            modalities = DESCRIBED if variant.modality in ("any", "all") else (variant.modality,)
            gains = [self._gain(variant.measure, modality, features) for modality in modalities]
            return sum(filter(np.isfinite, gains)) if variant.modality == "all" else max(gains)
        if isinstance(variant, AgreementVariant):
            _, found = self._clusters("", "standardise_l2", variant.clusters, features, seed, clustered)
            measure = (
                agreement.adjusted_mutual_information if variant.adjusted else agreement.normalised_mutual_information
            )
            reference = self.reference(variant.modality, variant.clusters)
            rows = slice(variant.restarts)
            return float(measure(found.assignment.numpy()[rows], reference[rows]).mean())
        score = -self._divergence("", variant, features, seed, clustered)
        if variant.null:
            score += self._divergence(variant.null, variant, features, seed, clustered)
        return score

    def _gain(self, measure: str, modality: str, features: np.ndarray) -> float:
        """What features have in common with a modality, beyond those of the untrained tower; -inf where it lacks."""
        present = self._parts[f"{modality}_present"]
        descriptors, videos = self._parts[modality][present], self._parts["videos"][present]
        if len(np.unique(videos)) < predictability.LEAST_VIDEOS or not np.ptp(descriptors, axis=0).any():
            return -np.inf
        key = (measure, modality)
        if key not in self._untrained:
            self._untrained[key] = MEASURES[measure](self._parts["untrained"][present], descriptors, videos)
        return MEASURES[measure](features[present], descriptors, videos) - self._untrained[key]

    def _divergence(self, null: str, variant: ZipfVariant, features: np.ndarray, seed: int, clustered) -> float:
        """KL to Zipf of the features, or of their null."""
        unit, found = self._clusters(null, variant.normalise, variant.clusters, features, seed, clustered)
        spread = tf.ones_like(found.inertia)
        if variant.spread == "within":
            spread = zipf.within_cluster_spread(found.inertia, len(features))
        mass = _cluster_distribution(unit, found.centres, spread)
        return float(np.mean(zipf.divergence(mass, variant.exponent).numpy()[: variant.restarts], dtype=np.float64))

    def _clusters(self, null: str, normalise: str, count: int, features: np.ndarray, seed: int, clustered):
        """(normalised features, their clusterings) of the features or of their null; computed once."""
        key = (null, normalise, count)
        if key not in clustered:
            own = _null(null, features) if null else features
            unit = NORMALISATIONS[normalise](tf.constant(own, tf.float32))
            clustered[key] = unit, self._run_kmeans(unit, count, seed)
        return clustered[key]

    def _run_kmeans(self, features: tf.Tensor, count: int, seed: int) -> KMeans:
        pair = tf.constant([seed & 0x7FFFFFFF, seed >> 31], tf.int32)
        return _kmeans_graph(count, self._config.restarts, self._config.kmeans_iterations)(features, pair)

    def reference(self, modality: str, clusters: int) -> np.ndarray:
        """[R,N] clusters of a modality's descriptors, -1 where a video lacks it."""
        key = (modality, clusters)
        if key not in self._references:
            present = self._parts[f"{modality}_present"]
            unit = zipf.normalise(tf.constant(self._parts[modality][present]))
            found = self._run_kmeans(unit, clusters, self._seed).assignment.numpy()
            self._references[key] = np.full([len(found), len(present)], -1, np.int32)
            self._references[key][:, present] = found
        return self._references[key]


@functools.cache
def _kmeans_graph(clusters: int, restarts: int, iterations: int) -> Callable[[tf.Tensor, tf.Tensor], KMeans]:
    """k-means of (features, seed), traced once for each shape of features."""
    return tf.function(
        lambda features, seed: kmeans(features, clusters, restarts, iterations, seed),
        autograph=False,
    )


def _null(kind: str, features: np.ndarray) -> np.ndarray:
    """Features without clusters, [N,D]; the same for the same features."""
    generator = np.random.default_rng(0)
    if kind == "permuted":
        return generator.permuted(features, axis=0)
    covariance = np.cov(features, rowvar=False)
    return generator.multivariate_normal(features.mean(0), covariance, len(features), method="eigh").astype(np.float32)


def saved(folder: pathlib.Path) -> Iterator[Tuple[int, int, int, pathlib.Path]]:
    """(candidate, steps, seed, file) of all embeddings of a folder, by name."""
    for path in sorted(folder.glob("*-*-*.npy")):
        candidate, steps, seed = map(int, path.stem.split("-"))
        yield candidate, steps, seed, path


def evaluate(folder: pathlib.Path, config: FitnessConfig, seed: int) -> Dict[int, Dict[str, float]]:
    """Candidate -> scores of all variants. Each is kept in a file beside its embeddings, and not computed again.

    Embeddings that are not finite have none, and so have those of a search with fewer clips than clusters.
    """
    # A graph for each number of clusters is meant, and is not to be warned of.
    tf.get_logger().setLevel("ERROR")
    offline = Offline(folder, config, seed)
    names = [each.name for family in families(config).values() for each in family]
    found = {}
    for candidate, _, own_seed, path in saved(folder):
        kept = path.with_suffix(".json")
        scores = json.loads(kept.read_text()) if kept.exists() else {}
        if set(scores) != set(names):
            features = np.load(path, allow_pickle=False)
            if not np.isfinite(features).all():
                continue
            scores = offline.scores(features, own_seed)
            storage.write_text(kept, json.dumps(scores))
        found[candidate] = scores
    return found
