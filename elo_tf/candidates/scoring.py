"""What a search scores an RGB tower on: held-out clips, clusters of another modality, labelled clips if there are any.

held-out clips ─┬─ RGB ────────────────────────> tower ─> features ─┬─> `fitness.score`
                └─ flow or sound ─> plain descriptors ─> clusters ─┤
labelled clips ─── RGB ────────────────────────> tower ─> features ─┘
"""

from typing import Callable, Iterable, Optional

import numpy as np

from elo_tf.clips import MODALITIES, Clips
from elo_tf.config import DataConfig, FitnessConfig, InputError, RunConfig
from elo_tf.data import Reader
from elo_tf.fitness.descriptors import describe
from elo_tf.fitness.score import CLIPS_A_CLUSTER, Fitness, Labelled, Scorer
from elo_tf.ingest.records import Manifest, identity
from elo_tf.reporting.exhibit import Exhibit, make

# Clips [B,T,H,W,3] -> embeddings [B,D].
Embed = Callable


class TowerScorer:
    """Scores towers; everything that does not depend on the tower is made once.

    Args:
      run: Names the records; its seed starts the clustering of the descriptors.
      data: How clips are cut.
      fitness: How they are scored.

    Attributes:
      reader: Of the clips to score on.
      labelled: Reader of the labelled clips, or None.

    Raises:
      InputError: records are missing or do not fit, or there are fewer videos than clusters.
    """

    def __init__(self, run: RunConfig, data: DataConfig, fitness: FitnessConfig):
        self._config = fitness
        self._scorer = Scorer(fitness)
        needs = frozenset({("now", "rgb"), ("now", MODALITIES[fitness.agree_with].source)})
        self.reader = Reader.open(run.records, "holdout", needs, data)
        if self.reader.videos.count < fitness.clusters:
            raise InputError(
                f"--clusters={fitness.clusters} is more than the {self.reader.videos.count} held-out videos of "
                f"{run.records}; use fewer clusters or more videos"
            )
        self._batches = self.reader.scoring(fitness.scoring_clips)
        self.labelled = _open_labelled(data, fitness)
        self._labelled_batches = self.labelled.scoring(fitness.labelled_clips) if self.labelled else None
        self.reference = self._cluster_descriptors(run.seed)

    @property
    def traces(self) -> int:
        """Graphs traced so far."""
        return self._scorer.traces

    def score(self, embed: Embed, seed: int, untrained_agreement: Optional[float]) -> Fitness:
        """The fitness of a tower.

        Args:
          embed: The tower.
          seed: Of the k-means starts.
          untrained_agreement: For the health gate; None leaves this part of it out.
        """
        return self._scorer.score(
            self.embed(embed), seed, self.reference, untrained_agreement, self._embed_labelled(embed)
        )

    def embed(self, embed: Embed, batches: Optional[Iterable[Clips]] = None) -> np.ndarray:
        """Embeddings of these clips, or of the scoring clips: [N,D] float32."""
        batches = self._batches if batches is None else batches
        return np.concatenate([embed(clips["now"]["rgb"]).numpy() for clips in batches])

    def exhibit(self, embed: Embed, lambdas: np.ndarray, seed: int) -> Exhibit:
        """What the clusters of a tower look like.

        Args:
          embed: The tower.
          lambdas: [G], the loss that has trained it.
          seed: Of the k-means starts.
        """
        ids = {identity(line["id"])[0]: line["id"] for line in self.reader.manifest.usable}
        clips = (
            (clips["now"]["rgb"].numpy(), [ids[index] for index in clips["video"].numpy().tolist()])
            for clips in self._batches
        )
        return make(lambdas, self.embed(embed), clips, self._config, seed)

    def _embed_labelled(self, embed: Embed) -> Optional[Labelled]:
        if self._labelled_batches is None:
            return None
        parts = [
            (embed(clips["now"]["rgb"]).numpy(), clips["label"].numpy(), clips["video"].numpy())
            for clips in self._labelled_batches
        ]
        return Labelled(*(np.concatenate(part) for part in zip(*parts)))

    def _cluster_descriptors(self, seed: int) -> Optional[np.ndarray]:
        """Clusters of the scoring clips by plain descriptors of another modality: [R,N], -1 where it is missing.

        None where too few clips have that modality, or all are alike in it: agreement is then neither measured nor
        asked for by the health gate.
        """
        modality = self._config.agree_with
        batches = [(clips["now"][modality], clips["present"][modality]) for clips in self._batches]
        present = np.concatenate([mask.numpy() for _, mask in batches]) > 0
        if present.sum() < self._config.clusters * CLIPS_A_CLUSTER:
            return None
        descriptors = describe(modality, np.concatenate([clips.numpy() for clips, _ in batches])[present])
        assignment = self._scorer.cluster(descriptors, seed)
        if (assignment == assignment[:, :1]).all():  # Flow of videos in which nothing moves.
            return None
        reference = np.full([len(assignment), len(present)], -1, np.int32)
        reference[:, present] = assignment
        return reference


def _open_labelled(data: DataConfig, fitness: FitnessConfig) -> Optional[Reader]:
    """The labelled videos of the training part: the other part is a test set, which no search may see."""
    if not fitness.labelled:
        if fitness.fitness == "weak":
            raise InputError("--fitness=weak needs labelled videos; name their records with --labelled")
        return None
    manifest = Manifest.load(fitness.labelled)
    if len(manifest.labels) < 2:
        raise InputError(f"--labelled={fitness.labelled} has fewer than two labels; convert it with --labels=folders")
    needs = frozenset({("now", "rgb")})
    return Reader.open(fitness.labelled, "train", needs, data, manifest.classes("train"))
