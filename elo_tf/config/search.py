"""Settings of a search over losses."""

import dataclasses
from typing import Tuple

from elo_tf.config.fields import Checked, InputError, setting


@dataclasses.dataclass(frozen=True)
class FitnessConfig(Checked):
    """How a trained RGB tower is scored without labels (Sec. 3.2.2)."""

    fitness: str = setting(
        # Departure: the paper goes by Eq. 5 as printed, which orders losses little here (experiments/README.md).
        "predictability",
        "score that the search optimises: predictability, the gain in R² over the untrained tower when RGB features "
        "predict flow or sound, whichever gains more; agreement of clusters with --agree_with; zipf, Eq. 5 as printed; "
        "zipf_scale_free; weak, accuracy on --labelled. The journal records all scores that can be computed",
        choices=("predictability", "agreement", "zipf", "zipf_scale_free", "weak"),
    )
    clusters: int = setting(50, "K of k-means; best the number of classes that you expect", low=2)
    zipf_exponent: float = setting(
        1.0,
        "s of the Zipf prior, Eq. 5; clusters are ranked by p(c_i), since the paper does not say how",
        low=0,
    )
    restarts: int = setting(20, "R, k-means runs averaged (Sec. 3.2.2: 20)", low=1)
    kmeans_iterations: int = setting(25, "Lloyd iterations a run", low=1)
    scoring_clips: int = setting(1000, "N, held-out clips that are embedded and scored", low=2)
    labelled: str = setting(
        "", "records of labelled videos for --fitness=weak, which uses their training part; leave out the official "
        "test videos of a benchmark",
        path=True,
    )  # fmt: skip
    labelled_clips: int = setting(1000, "labelled clips that --fitness=weak uses", low=2)
    health_gate: bool = setting(
        True, "refuse candidates whose features are constant, or worse than untrained by more than two standard errors"
    )
    min_deviation: float = setting(1e-3, "health gate: smallest mean standard deviation of the features", low=0)
    agree_with: str = setting(
        "flow",
        "agreement: modality whose clusters RGB clusters are compared with; choose the one that shows what you want to "
        "tell apart, flow for motions, audio for sounds",
        choices=("audio", "flow"),
    )

    def __post_init__(self):
        super().__post_init__()
        if self.scoring_clips < self.clusters:
            raise InputError(
                f"--scoring_clips={self.scoring_clips} cannot form --clusters={self.clusters}; use several times more"
            )


@dataclasses.dataclass(frozen=True)
class EvolutionConfig(Checked):
    """The search over λ (Sec. 3.2.3)."""

    strategy: str = setting(
        "cma_es",
        "searcher: cma_es, tournament, random, grid, fixed (scores --lambda_files) or gradient (scores what --descents "
        "trainings have learned)",
    )
    generations: int = setting(250, "rounds (Sec. 3.2.3: 250 with CMA-ES)", low=1)
    population: int = setting(0, "candidates a round; 0: 4 + 3 ln G for G terms", low=0)
    initial_step: float = setting(0.3, "cma_es: initial standard deviation, in units of λ", low=1e-6, high=1)
    initial_loss: str = setting(
        "",
        "loss file (evolved_loss.json) to start from: the first mean of cma_es, with a third of --initial_step; a "
        "candidate in the first round of tournament and random; terms that it lacks start at 0.5",
        path=True,
    )
    pool: int = setting(100, "tournament: number of losses that can become parents; the oldest leaves first", low=1)
    tournament_size: int = setting(25, "tournament: losses drawn from the pool for each parent; at most --pool", low=1)
    lambda_files: Tuple[str, ...] = setting((), "fixed: loss files (evolved_loss.json) to score, in order", path=True)
    rungs: int = setting(
        1, "training lengths in a generation (successive halving); 1: train all candidates in full", low=1
    )
    reduction: float = setting(
        3.0, "successive halving: the best 1 / reduction of the candidates train reduction times as long", low=1.1
    )
    rescore: int = setting(5, "number of best candidates that train again under fresh seeds, to name the winner", low=0)
    rescore_seeds: int = setting(3, "fresh seeds for each of these candidates", low=1)
    gpus_per_candidate: float = setting(0.0, "--workers=ray: GPUs for each worker; may be a fraction", low=0)
    retries: int = setting(
        1, "further attempts at a candidate that diverged, ran out of memory or lost its worker", low=0
    )
    trial_minutes: float = setting(
        1440.0,
        "longest time of one training, minutes; then its worker is stopped and counts as lost. 0: no limit",
        low=0,
    )
    max_failures: float = setting(
        0.75,
        "fraction of the trainings of the last candidates (10 or more) that may fail; above it the search ends",
        low=0,
        high=1,
    )
