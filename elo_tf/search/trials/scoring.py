"""The material for scoring an RGB tower: held-out clips, clusters of another modality, labelled clips if given.

held-out clips ─┬─ RGB ────────────────────────> tower ─> features ─┬─> `fitness.score`
                └─ flow, sound ─> plain descriptors (─> clusters) ─┤
labelled clips ─── RGB ────────────────────────> tower ─> features ─┘
"""

import itertools
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Tuple

import numpy as np

from elo_tf.config import DataConfig, FitnessConfig, InputError
from elo_tf.data.clips import Clips
from elo_tf.data.descriptors import DESCRIBED, describe
from elo_tf.data.frame_memory import SharedFrames
from elo_tf.data.reader import Reader
from elo_tf.data.records import Manifest, indices
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.fitness.predictability import LEAST_VIDEOS, Predictability, Target, assign_folds
from elo_tf.search.fitness.score import CLIPS_A_CLUSTER, Labelled, Scorer
from elo_tf.search.trials.cluster_samples import ClusterSamples, make
from elo_tf.search.trials.embeddings import Embeddings

# Clips [B,T,H,W,3] -> embeddings [B,D].
Embed = Callable


class TowerScorer:
    """Scores towers; everything that does not depend on the tower is made once.

    Args:
      manifest: Of the records.
      seed: Of the search; it starts the clustering of the descriptors.
      data: How clips are cut.
      fitness: How they are scored.
      shared: Memory that is shared with other workers, by `holdout` and `labelled`; none where it is missing.

    Attributes:
      reader: Of the clips to score on.
      names: [N] strings, ids of the videos that they are of, in their order.
      labelled: Reader of the labelled clips, or None.

    Raises:
      InputError: records are missing or do not fit, or there are fewer videos than clusters.
    """

    def __init__(
        self,
        manifest: Manifest,
        seed: int,
        data: DataConfig,
        fitness: FitnessConfig,
        shared: Optional[Mapping[str, SharedFrames]] = None,
    ):
        shared = shared or {}
        self._config = fitness
        self._scorer = Scorer(fitness)
        needs = frozenset(("now", modality) for modality in ("rgb", *DESCRIBED))
        self.reader = Reader.of(manifest, "holdout", needs, data, shared=shared.get("holdout"))
        if self.reader.videos.count < fitness.clusters:
            raise InputError(
                f"--clusters={fitness.clusters} is more than the {self.reader.videos.count} held-out videos of "
                f"{manifest.folder}; use fewer clusters or more videos"
            )
        self._batches = self.reader.scoring(fitness.scoring_clips)
        self.labelled = _open_labelled(data, fitness, shared.get("labelled"))
        self._labelled_batches = self.labelled.scoring(fitness.labelled_clips) if self.labelled else None
        described, videos = self._describe()
        held_out = manifest.of_split("holdout").ids
        ids = dict(zip(indices(held_out).tolist(), held_out))
        self.names = np.array([ids[index] for index in videos.tolist()])
        self.reference = self._cluster(described.get(fitness.agree_with), seed)
        targets = {
            modality: Target(descriptors, present, assign_folds(videos[present]))
            for modality, (descriptors, present) in described.items()
            if len(np.unique(videos[present])) >= LEAST_VIDEOS and descriptors.std(axis=0).max() > 0
        }
        self._foretold = Predictability(targets) if targets else None

    @property
    def traces(self) -> int:
        """Graphs traced so far."""
        return self._scorer.traces

    def begin(self, embed: Embed, seed: int) -> Fitness:
        """The fitness of the untrained tower; from then on, gains are measured from it."""
        features = self.embed(embed)
        fitness = self.score(embed, features, seed)
        if self._foretold:
            self._foretold.untrained = self._foretold.measure(features)
        return fitness

    def score(self, embed: Embed, features: np.ndarray, seed: int) -> Fitness:
        """The fitness of a tower.

        Args:
          embed: The tower.
          features: [N,D], what it makes of the scoring clips.
          seed: Of the k-means starts.
        """
        return self._scorer.score(features, seed, self.reference, self._embed_labelled(embed), self._foretold)

    def embed(self, embed: Embed, batches: Optional[Iterable[Clips]] = None) -> np.ndarray:
        """Embeddings of these clips, or of the scoring clips: [N,D] float32."""
        batches = self._batches if batches is None else batches
        return np.concatenate([embed(clips["now"]["rgb"]).numpy() for clips in batches])

    def sample_clusters(self, embeddings: Embeddings) -> Optional[ClusterSamples]:
        """What the clusters of a tower look like, from its embeddings; None where they are of other clips."""
        if not np.array_equal(embeddings.names, self.names):
            return None
        names = iter(self.names)
        # One batch at a time is in memory.
        frames = (clips["now"]["rgb"].numpy() for clips in self._batches)
        clips = ((batch, list(itertools.islice(names, len(batch)))) for batch in frames)
        return make(embeddings.lambdas, embeddings.features, clips, self._config, embeddings.seed)

    def _embed_labelled(self, embed: Embed) -> Optional[Labelled]:
        if self._labelled_batches is None:
            return None
        parts = [
            (embed(clips["now"]["rgb"]).numpy(), clips["label"].numpy(), clips["video"].numpy())
            for clips in self._labelled_batches
        ]
        return Labelled(*(np.concatenate(part) for part in zip(*parts)))

    def _describe(self) -> Tuple[Dict[str, Tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Plain descriptors of the scoring clips.

        Returns:
          Modality -> ([n,d] descriptors of the clips that have it, [N] which those are), of modalities that any clip
          has; and [N], the video that each clip is of.
        """
        parts: Dict[str, List[np.ndarray]] = {modality: [] for modality in DESCRIBED}
        masks: Dict[str, List[np.ndarray]] = {modality: [] for modality in DESCRIBED}
        videos = []
        for clips in self._batches:
            videos.append(clips["video"].numpy())
            for modality in DESCRIBED:
                present = clips["present"][modality].numpy() > 0
                masks[modality].append(present)
                if present.any():
                    parts[modality].append(describe(modality, clips["now"][modality].numpy()[present]))
        described = {
            modality: (np.concatenate(found), np.concatenate(masks[modality]))
            for modality, found in parts.items()
            if found
        }
        return described, np.concatenate(videos)

    def _cluster(self, described: Optional[Tuple[np.ndarray, np.ndarray]], seed: int) -> Optional[np.ndarray]:
        """Clusters of the scoring clips by descriptors of another modality: [R,N], -1 where it is missing.

        None where too few clips have that modality, or all are alike in it: agreement is then not measured.
        """
        if described is None:
            return None
        descriptors, present = described
        if present.sum() < self._config.clusters * CLIPS_A_CLUSTER:
            return None
        assignment = self._scorer.cluster(descriptors, seed)
        if (assignment == assignment[:, :1]).all():  # Flow of videos in which nothing moves.
            return None
        reference = np.full([len(assignment), len(present)], -1, np.int32)
        reference[:, present] = assignment
        return reference


def _open_labelled(data: DataConfig, fitness: FitnessConfig, shared: Optional[SharedFrames]) -> Optional[Reader]:
    """The labelled videos of the training part: the other part is a test set, which no search may see."""
    if not fitness.labelled:
        if fitness.fitness == "weak":
            raise InputError("--fitness=weak needs labelled videos; name their records with --labelled")
        return None
    manifest = Manifest.load(fitness.labelled)
    if len(manifest.labels) < 2:
        raise InputError(f"--labelled={fitness.labelled} has fewer than two labels; convert it with --labels=folders")
    needs = frozenset({("now", "rgb")})
    return Reader.of(manifest, "train", needs, data, manifest.classes("train"), shared=shared)
