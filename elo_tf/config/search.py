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
        "score of a candidate: predictability, the gain in R² over the untrained tower when features predict flow or "
        "sound, whichever gains more; agreement of clusters with --agree_with; zipf, Eq. 5 as printed; "
        "zipf_scale_free; or weak, accuracy on --labelled. All that can be computed are recorded",
        choices=("predictability", "agreement", "zipf", "zipf_scale_free", "weak"),
    )
    clusters: int = setting(50, "K of k-means; 50 for HMDB-sized work, 400 for Kinetics", low=2)
    zipf_exponent: float = setting(
        1.0,
        "s of the Zipf prior, Eq. 5; p(c_i) is sorted before it meets the prior: a reading of the paper, which does "
        "not say in what order clusters are",
        low=0,
    )
    restarts: int = setting(20, "R, k-means runs averaged (Sec. 3.2.2: 20)", low=1)
    kmeans_iterations: int = setting(25, "Lloyd iterations a run", low=1)
    scoring_clips: int = setting(1000, "N, held-out clips that are embedded and clustered", low=2)
    labelled: str = setting(
        "", "records of labelled videos for the weak fitness, which uses their training part only; leave out the "
        "official test videos of a benchmark",
        path=True,
    )  # fmt: skip
    labelled_clips: int = setting(1000, "labelled clips of the weak fitness", low=2)
    health_gate: bool = setting(
        True, "make candidates infeasible that are dead, or worse than untrained by more than two standard errors"
    )
    min_deviation: float = setting(1e-3, "health gate: least mean standard deviation of the features", low=0)
    agree_with: str = setting(
        "flow",
        "modality whose plain descriptors RGB clusters are compared with; choose the one that shows what you want to "
        "tell apart: flow for motions, audio for sounds",
        choices=("audio", "flow"),
    )

    def __post_init__(self):
        super().__post_init__()
        if self.scoring_clips < self.clusters:
            raise InputError(
                f"--scoring_clips={self.scoring_clips} cannot form --clusters={self.clusters}; several times as many do"
            )


@dataclasses.dataclass(frozen=True)
class EvolutionConfig(Checked):
    """The search over λ (Sec. 3.2.3)."""

    strategy: str = setting(
        "cma_es",
        "searcher of elo_tf/search/evolution: cma_es, tournament, random, grid, fixed or "
        "gradient, whose candidates are what --descents trainings have learned",
    )
    generations: int = setting(250, "rounds (Sec. 3.2.3: 250 with CMA-ES)", low=1)
    population: int = setting(0, "candidates a round; 0 means 4 + 3 ln G", low=0)
    initial_step: float = setting(0.3, "cma_es: initial standard deviation, in units of λ", low=1e-6, high=1)
    initial_loss: str = setting(
        "",
        "loss file (evolved_loss.json) to start from: cma_es has it as its first mean, with a third of --initial_step; "
        "tournament and random have it in their first round; terms that it lacks start at 0.5",
        path=True,
    )
    pool: int = setting(100, "tournament: losses that can become parents; the oldest leaves", low=1)
    tournament_size: int = setting(
        25, "tournament: losses drawn from the pool to find one parent; at most --pool", low=1
    )
    lambda_files: Tuple[str, ...] = setting(
        (), "fixed: list of loss files (evolved_loss.json) to evaluate, in order", path=True
    )
    rungs: int = setting(1, "lengths of training in a generation (successive halving); 1 trains all in full", low=1)
    reduction: float = setting(
        3.0, "factor from rung to rung: the best 1 / reduction of the candidates train reduction times as long", low=1.1
    )
    rescore: int = setting(5, "best candidates that are trained again, with fresh seeds, to name the winner", low=0)
    rescore_seeds: int = setting(3, "fresh seeds for each of them", low=1)
    gpus_per_candidate: float = setting(0.0, "GPUs that a worker of Ray takes; may be a fraction", low=0)
    retries: int = setting(1, "further attempts at a candidate that diverged, ran out of memory or was lost", low=0)
    trial_minutes: float = setting(
        1440.0, "a worker that is at one training for longer is ended, minutes; it counts as lost. 0 is never", low=0
    )
    max_failures: float = setting(
        0.75,
        "share of the trainings of the last 10 candidates or more that may fail before the search ends",
        low=0,
        high=1,
    )
