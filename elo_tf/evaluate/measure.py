"""All measurements: entrants x splits x seeds x label budgets x protocols.

Embeddings are computed once for each (entrant, split, seed) that they depend on, and shared by protocols and budgets.
"""

import time
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from elo_tf.config import ProtocolConfig
from elo_tf.evaluate.entrants import Entrant
from elo_tf.evaluate.ledger import Ledger, Measurement, Run
from elo_tf.evaluate.protocols.base import Case, Features, Protocol
from elo_tf.evaluate.scores import score
from elo_tf.evaluate.videos import budget as budgets
from elo_tf.evaluate.videos.material import Material
from elo_tf.evaluate.videos.split import LabelledVideo, Split


class Embeddings:
    """Features of the videos of a part, each computed when it is first asked for.

    Args:
      material: Where the clips come from.
      config: Clips a video.
    """

    def __init__(self, material: Material, config: ProtocolConfig):
        self._material = material
        self._windows = {"train": config.train_clips, "test": config.test_clips}
        self._key: Optional[Tuple] = None
        self._function: Optional[Callable] = None
        self._parts: Dict[str, Tuple[Tuple[LabelledVideo, ...], np.ndarray]] = {}

    def get(self, entrant: Entrant, case: Case, whole: Split, part: str) -> Features:
        """Features of the videos of a case.

        Args:
          entrant: Whose.
          case: Of which a part is wanted.
          whole: The split without its label budget, all of which is embedded at once.
          part: `train` or `test`.
        """
        parts = {"seed": case.seed, "split": whole.name, "budget": len(case.split.train)}
        key = (entrant.name, whole.name, *(parts[name] for name in entrant.depends_on))
        if key != self._key or self._function is None:  # One at a time: they may be large.
            self._key, self._parts, self._function = key, {}, entrant.embed(case)
        if part not in self._parts:
            videos = getattr(whole, part)
            self._parts[part] = (videos, self._material.apply(self._function, videos, self._windows[part]))
        videos, clips = self._parts[part]
        chosen = {video.id for video in getattr(case.split, part)}
        rows = [place for place, video in enumerate(videos) if video.id in chosen]
        return Features(clips[rows], case.split.labels(part))


def measure(
    entrants: Sequence[Entrant],
    splits: Sequence[Split],
    limits: Sequence[Optional[int]],
    seeds: Sequence[int],
    protocols: Sequence[Protocol],
    material: Material,
    config: ProtocolConfig,
    ledger: Optional[Ledger] = None,
    show: Callable[[str], None] = lambda line: None,
) -> List[Measurement]:
    """Makes all measurements that the ledger lacks, and notes them there; returns all.

    Args:
      entrants: Whose representations.
      splits: Of the videos.
      limits: Label budgets.
      seeds: Each makes everything again.
      protocols: How.
      material: Where the clips come from.
      config: Settings.
      ledger: Of those that were made before, if any.
      show: Told of each result that is new.

    Raises:
      InputError: a budget or a setting of a protocol does not fit a split, or an embedding is not finite.
    """
    cases = [(split, limit, seed) for split in splits for seed in seeds for limit in limits]
    restricted = [budgets.restrict(*case) for case in cases]  # Before anything long: it refuses what does not fit.
    embeddings = Embeddings(material, config)
    results = []
    for entrant in entrants:
        for (whole, limit, seed), split in zip(cases, restricted):
            case = make_case(entrant, whole, split, seed, material, embeddings)
            for protocol in protocols:
                if protocol.needs_network and case.weights is None:
                    continue
                run = entrant.name, protocol.name, split.name, limit, seed
                result = None if ledger is None else ledger.get(run)
                if result is None:
                    result = _measure(run, case, protocol)
                    if ledger is not None:
                        ledger.add(result)
                    show(describe(result))
                results.append(result)
    return results


def make_case(
    entrant: Entrant, whole: Split, split: Split, seed: int, material: Material, embeddings: Embeddings
) -> Case:
    """The case of an entrant for a split that a label budget has cut from the whole."""

    def features(part: str) -> Features:
        return embeddings.get(entrant, case, whole, part)

    def weights() -> List[np.ndarray]:
        return entrant.weights(case)

    backbone = entrant.tower.about.backbone
    case = Case(split, seed, material, features, backbone, weights if entrant.trainable else None)
    return case


def _measure(run: Run, case: Case, protocol: Protocol) -> Measurement:
    begun = time.perf_counter()
    predicted = protocol.predict(case)
    scores = score(predicted.labels, case.split.labels("test"), len(case.split.classes))
    seconds = time.perf_counter() - begun
    return Measurement(*run, len(case.split.train), len(case.split.test), scores, predicted.details, seconds)


def describe(result: Measurement) -> str:
    """One line on a result, for whoever waits."""
    limit = budgets.ALL if result.budget is None else str(result.budget)
    accuracy = float(result.scores.accuracies.mean())
    return (
        f"{result.entrant} {result.protocol}, split {result.split}, {limit} labels, seed {result.seed}: "
        f"{accuracy:.3f} of {result.test_videos} videos ({result.seconds:.0f} s)"
    )
