"""The fitness of a candidate from its embeddings (Sec. 3.2.2).

features [N,D] ─┬─ k-means ───────────────────> p(c) ─> KL to Zipf   literal score
                ├─ normalise ─ k-means ─┬─────> p(c) ─> KL to Zipf   scale-free score
                │                       └─────> mutual information with the reference   agreement
                └─ ridge regression ──────────> R² of other modalities   predictability ─> health gate
labelled [N',D] ── normalise ─ k-means ───────> accuracy             ELo-weak
"""

import dataclasses
from typing import Dict, NamedTuple, Optional

import numpy as np
import tensorflow as tf

from elo_tf.config import FitnessConfig, InputError
from elo_tf.ops import zipf
from elo_tf.ops.kmeans import KMeans, check_clusters, kmeans
from elo_tf.search.fitness import agreement, health, weak
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.fitness.predictability import FOLDS, LEAST_VIDEOS, Predictability, best

# Of another modality, for agreement with it: where each clip is a cluster, any clustering agrees as well as any other.
CLIPS_A_CLUSTER = 2

# Diagnostics that are means over the restarts.
SCORES = ("zipf", "zipf_scale_free", "agreement", "agreement_adjusted", "weak")
# Diagnostic: the best gain in R² among the modalities, and `_deviation` over the folds.
GAIN = "gain"
# Name of a fitness -> the score that it is, and whether more of it is better.
CHOICES = {
    "predictability": (GAIN, True),
    "zipf": ("zipf", False),
    "zipf_scale_free": ("zipf_scale_free", False),
    # Adjusted for chance: what chance gives of the plain form depends on the sizes of the clusters.
    "agreement": ("agreement_adjusted", True),
    "weak": ("weak", True),
}


class Labelled(NamedTuple):
    """Embeddings of labelled clips: features [N',D], labels [N'], and the video [N'] that each is of."""

    features: np.ndarray
    labels: np.ndarray
    videos: np.ndarray


class _Measured(NamedTuple):
    """Per restart: the two scores [R] float32, and the clusters of the normalised features [R,N] int32."""

    zipf: tf.Tensor
    zipf_scale_free: tf.Tensor
    assignment: tf.Tensor


class Scorer:
    """Scores candidates; its graph is traced once for each shape of features, hence once a search."""

    def __init__(self, config: FitnessConfig):
        self._config = config
        # Autograph has nothing to do here, and would wrap errors in its own.
        self._measure = tf.function(self._measured, autograph=False)
        self._cluster = tf.function(self._clustered, autograph=False)
        self.traces = 0

    def score(
        self,
        features: np.ndarray,
        seed: int,
        reference: Optional[np.ndarray] = None,
        labelled: Optional[Labelled] = None,
        foretold: Optional[Predictability] = None,
    ) -> Fitness:
        """Scores one candidate.

        Args:
          features: [N,D], embeddings of the scoring clips.
          seed: Of the k-means starts; the same for all candidates that are compared.
          reference: [N] or [R,N], clusters of another modality's descriptors (`cluster`), -1 where a video lacks it.
          labelled: For the weak fitness.
          foretold: For predictability and the health gate; of the untrained tower no gain is measured.

        Returns:
          Its fitness. Of what is the better the more of it there is, gain, agreement and accuracy, the value is what
          is missing to 1.

        Raises:
          InputError: there are fewer videos than clusters, or what the fitness needs was not given.
        """
        features = np.asarray(features, np.float32)
        check_clusters(len(features), self._config.clusters)
        if not np.isfinite(features).all():
            count = np.count_nonzero(~np.isfinite(features).all(axis=1))
            reason = f"not finite: the features of {count} of {len(features)} videos"
            return dataclasses.replace(self._infeasible(reason, {}), failed=True)
        scores = self._scores(features, seed, reference, labelled)
        gains = foretold.gains(features) if foretold else {}
        diagnostics = {**_diagnostics(features, scores), **_gain(gains)}
        if not np.isfinite(list(diagnostics.values())).all():
            finite = {name: value for name, value in diagnostics.items() if np.isfinite(value)}
            return self._infeasible("not finite: the features are too large to be compared", finite)
        ailment = health.infeasible(self._config, diagnostics["feature_deviation"], gains)
        if ailment:
            return self._infeasible(ailment, diagnostics)
        name, more_is_better = CHOICES[self._config.fitness]
        if name == GAIN and foretold and foretold.untrained is None:
            diagnostics[name] = 0.0  # The untrained tower, from which gains are measured.
        if name not in diagnostics:
            raise InputError(f"--fitness={self._config.fitness} needs {self._missing(name)}")
        value = 1.0 - diagnostics[name] if more_is_better else diagnostics[name]
        parts = FOLDS if name == GAIN else self._config.restarts
        return Fitness(value, None, diagnostics.get(f"{name}_deviation"), parts, diagnostics)

    def _scores(
        self, features: np.ndarray, seed: int, reference: Optional[np.ndarray], labelled: Optional[Labelled]
    ) -> Dict[str, np.ndarray]:
        """Score -> its values, one a restart, of all that clusters tell: Zipf's law, agreement, the weak fitness."""
        measured = _Measured(*(part.numpy() for part in self._measure(features, _pair(seed))))
        scores = {"zipf": measured.zipf, "zipf_scale_free": measured.zipf_scale_free}
        if reference is not None:
            scores["agreement"] = agreement.normalised_mutual_information(measured.assignment, reference)
            scores["agreement_adjusted"] = agreement.adjusted_mutual_information(measured.assignment, reference)
        if labelled is not None:
            if len(labelled.features) < self._config.clusters:
                raise InputError(
                    f"--labelled has {len(labelled.features)} clips for --clusters={self._config.clusters}; label more "
                    "videos, give more --labelled_clips, or use fewer clusters"
                )
            clusters = self.cluster(labelled.features, seed)
            scores["weak"] = weak.accuracy(clusters, labelled.labels, labelled.videos)
        return scores

    def _missing(self, score: str) -> str:
        """What a score that was not measured needs."""
        if score == "weak":
            return "--labelled"
        if score == GAIN:
            return f"scoring clips of {LEAST_VIDEOS} videos with flow or sound, not all alike; use another --fitness"
        modality = self._config.agree_with
        other = "audio" if modality == "flow" else "flow"
        return (
            f"at least {self._config.clusters * CLIPS_A_CLUSTER} scoring clips with {modality}, not all alike; give "
            f"--agree_with={other} or another --fitness"
        )

    def cluster(self, descriptors: np.ndarray, seed: int) -> np.ndarray:
        """Clusters of normalised features: of another modality's descriptors, to be given to `score`.

        Args:
          descriptors: [N,D'], finite.
          seed: Of the k-means starts.

        Returns:
          [R,N] int32.
        """
        return self._cluster(np.asarray(descriptors, np.float32), _pair(seed)).assignment.numpy()

    def _infeasible(self, reason: str, diagnostics: Dict[str, float]) -> Fitness:
        return Fitness(None, reason, None, self._config.restarts, diagnostics)

    def _clustered(self, features: tf.Tensor, seed: tf.Tensor) -> KMeans:
        self.traces += 1
        config = self._config
        return kmeans(zipf.normalise(features), config.clusters, config.restarts, config.kmeans_iterations, seed)

    def _measured(self, features: tf.Tensor, seed: tf.Tensor) -> _Measured:
        self.traces += 1
        config = self._config
        literal = kmeans(features, config.clusters, config.restarts, config.kmeans_iterations, seed)
        one = tf.ones([config.restarts])
        literal_mass = zipf.cluster_distribution(features, literal.centres, one)
        unit = zipf.normalise(features)
        free = kmeans(unit, config.clusters, config.restarts, config.kmeans_iterations, seed)
        spread = zipf.within_cluster_spread(free.inertia, features.shape[0])
        free_mass = zipf.cluster_distribution(unit, free.centres, spread)
        return _Measured(
            zipf.divergence(literal_mass, config.zipf_exponent),
            zipf.divergence(free_mass, config.zipf_exponent),
            free.assignment,
        )


def _gain(gains: Dict[str, np.ndarray]) -> Dict[str, float]:
    """Diagnostics of predictability: the mean gain of each modality, the best of them, its deviation over the folds."""
    if not gains:
        return {}
    score = best(gains)
    means = {f"{GAIN}_{modality}": float(values.mean()) for modality, values in gains.items()}
    return {**means, GAIN: float(score.mean()), f"{GAIN}_deviation": float(score.std(ddof=1))}


def _pair(seed: int) -> tf.Tensor:
    """The [2] int32 tensor that stateless random operations take; a tensor, so that another seed is no new trace."""
    return tf.constant([seed & 0x7FFFFFFF, seed >> 31], tf.int32)


def _diagnostics(features: np.ndarray, scores: Dict[str, np.ndarray]) -> Dict[str, float]:
    """Mean and standard deviation over the restarts of each score, and what else is known of the features.

    The deviation is that of which the restarts are a sample, and a single one has none.
    """
    result = {}
    for name, values in scores.items():
        values = values.astype(np.float64)
        result[name] = float(values.mean())
        if len(values) > 1:
            result[f"{name}_deviation"] = float(values.std(ddof=1))
    with np.errstate(over="ignore", invalid="ignore"):
        result["feature_deviation"] = health.mean_deviation(features)
        result["feature_scale"] = float(np.sqrt(np.mean(np.square(features, dtype=np.float64))))
    result["effective_rank"] = health.effective_rank(features)
    return result
