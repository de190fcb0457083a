"""The flag files of the paper follow its letter, row by row; those of its size follow the defaults of the project."""

import dataclasses
from typing import Any, List, NamedTuple, Tuple

import pytest

from elo_tf.config import (
    DataConfig,
    EvolutionConfig,
    FinalTrainConfig,
    FitnessConfig,
    ModelConfig,
    TaskConfig,
    TrainConfig,
)
from tests.test_budget import FINAL, FLAGFILES, SEARCH, settings

BOTH, SEARCHED, TRAINED = ("search", "final"), ("search",), ("final",)
KINDS = {"search": SEARCH, "final": FINAL}


class Stated(NamedTuple):
    """What the paper says: where, in which words, of which runs, and the flag and value that it comes to.

    Words that begin with "read:" are not the paper's: they say how it is read.
    """

    place: str
    words: str
    runs: Tuple[str, ...]
    flag: str
    value: Any


LETTER = (
    Stated("Sec. 1", "grayscale, optical flow, and audio", BOTH, "modalities", ("rgb", "grey", "flow", "audio")),
    Stated("Sec. 3.1", "Our embedding networks are (2+1)D ResNet-50 models", TRAINED, "backbone", "r50"),
    Stated("Sec. 4", "smaller networks, similar to a ResNet-18", SEARCHED, "backbone", "r18"),
    Stated("Sec. 3.2.1", "both task weights and distillation weights", BOTH, "tasks", ("paper",)),
    Stated("Eq. 1", "read: the lambdas are the only factors", BOTH, "loss_units", "value"),
    Stated("Eq. 1", "read: all terms are in the sum, however little they weigh", TRAINED, "drop_below", 0.0),
    Stated("Eq. 2, Eq. 6", "||L_i - M_i||_2, ||I^ - I||_2", BOTH, "norm", "l2"),
    Stated("Eq. 6", "distance between the ground truth (I) and predicted output", BOTH, "decode_size", "full"),
    Stated("Sec. 3.1.1", "we distill representations jointly while training", BOTH, "distillation", True),
    Stated("Sec. 3.1.1", "we do distillation only into the RGB stream", BOTH, "distill_both_ways", False),
    Stated("Sec. 3.3", "ordered frames and shuffled frames", BOTH, "shuffle_frames", 0),
    Stated("Sec. 3.3, Fig. 4", "predict if a pair is temporally aligned or not", BOTH, "align_head", "literal"),
    Stated("Eq. 8", "x_n is a representation from a different video", BOTH, "embed_head", "literal"),
    Stated("Table 1", "Predicting 4 future frames", BOTH, "future_frames", 4),
    Stated("Sec. 3.2.2", "for 10,000 iterations", SEARCHED, "steps", 10_000),
    Stated("Sec. 3.2.2", "a smaller subset (100k)", SEARCHED, "planned_videos", 100_000),
    Stated("Sec. 4", "The learning rate is set to 0.1 (during both)", BOTH, "learning_rate", 0.1),
    Stated("Sec. 4", "read: a learning rate of 0.1 is one of SGD", BOTH, "optimizer", "sgd"),
    Stated("Eq. 3 to 5", "we can minimize the KL divergence", SEARCHED, "fitness", "zipf"),
    Stated("Sec. 3.2.2", "read: s is some real constant, 1 in Zipf's law", SEARCHED, "zipf_exponent", 1.0),
    Stated("Sec. 3.2.2", "run this processes 20 times and average fitness", SEARCHED, "restarts", 20),
    Stated("Sec. 3.2.2", "read: every individual has a fitness, none is refused", SEARCHED, "health_gate", False),
    Stated("Sec. 3.2.3", "we use 250 rounds with CMA-ES", SEARCHED, "strategy", "cma_es"),
    Stated("Sec. 3.2.3", "we use 250 rounds with CMA-ES", SEARCHED, "generations", 250),
    Stated("Sec. 3.2.2", "read: each candidate is trained for all iterations", SEARCHED, "rungs", 1),
    Stated("Sec. 3.2.3", "read: the best is not trained again to be chosen", SEARCHED, "rescore", 0),
    Stated("Sec. 4", "8 GPUs", SEARCHED, "devices", 8),
    Stated("Sec. 4", "64 GPUs for 3 days", TRAINED, "devices", 64),
    Stated("Sec. 4", "two million random, unlabeled YouTube video clips", TRAINED, "planned_videos", 2_000_000),
    Stated("Sec. 4", "100 epochs on 2 million (read: at 256 clips a step)", TRAINED, "steps", 100 * 2_000_000 // 256),
)  # fmt: skip

# What a run is made of, as far as results depend on it, and what of that has no meaning in these runs.
DECIDING = {
    "search": (DataConfig, ModelConfig, TaskConfig, TrainConfig, FitnessConfig, EvolutionConfig),
    "final": (DataConfig, ModelConfig, TaskConfig, TrainConfig),
}
WITHOUT_MEANING = {
    *("resident_gb", "max_sources_ahead", "log_every", "share_every"),  # How, not what, is computed and recorded.
    *("gpus_per_candidate", "retries", "trial_minutes", "max_failures"),
    *("labelled", "labelled_clips", "min_deviation", "agree_with"),  # Of another fitness, and of the health gate.
    *("lambda_files", "reduction", "rescore_seeds", "initial_loss"),  # Of another strategy, or of what is off.
}
# Flags that say how large a run is and how long it takes, not how it is done.
SIZES = {
    *("backbone", "frames", "crop_size", "mel_bins", "batch_size", "precision", "pseudo_labels", "memory_videos"),
    *("recluster_every", "clusters", "scoring_clips", "steps", "warmup_steps", "generations", "save_every"),
    *("steps_a_call", "planned_videos", "planned_seconds", "devices"),
}


def given(name: str) -> List[str]:
    """Names of the flags that a file sets itself."""
    known = {field.name for kind in (*SEARCH, *FINAL) for field in dataclasses.fields(kind)}
    names = []
    for line in (FLAGFILES / name).read_text().splitlines():
        if line.startswith("--"):
            flag = line[2:].partition("=")[0]
            names.append(flag if flag in known else flag[len("no") :])
    return names


def values(name: str, run: str) -> dict:
    """Flag -> value of all settings of a run under a flag file."""
    filled = settings(FLAGFILES / name, KINDS[run]).values()
    return {field.name: getattr(each, field.name) for each in filled for field in dataclasses.fields(each)}


@pytest.mark.parametrize("run", BOTH)
def test_the_papers_flags_are_what_the_paper_states(run):
    found, own = values(f"paper_{run}.flags", run), given(f"paper_{run}.flags")
    rows = [row for row in LETTER if run in row.runs]
    wrong = {f"{row.place}: {row.words}": (row.flag, found[row.flag]) for row in rows if found[row.flag] != row.value}
    assert wrong == {}
    # In the file itself: a default may change, the paper does not.
    assert [row.flag for row in rows if row.flag not in own] == []


@pytest.mark.parametrize("run", BOTH)
def test_no_default_decides_what_the_papers_runs_compute(run):
    deciding = {field.name for kind in DECIDING[run] for field in dataclasses.fields(kind)}
    assert deciding - WITHOUT_MEANING - set(given(f"paper_{run}.flags")) == set()


def test_both_of_the_papers_runs_form_their_terms_alike():
    search, final = settings(FLAGFILES / "paper_search.flags", SEARCH), settings(FLAGFILES / "paper_final.flags", FINAL)
    assert search[TaskConfig] == final[TaskConfig]


@pytest.mark.parametrize("run", BOTH)
def test_runs_of_the_papers_size_differ_from_the_defaults_in_sizes_only(run):
    name, paper = f"paper_scale_{run}.flags", values(f"paper_{run}.flags", run)
    own, found = given(name), values(name, run)
    assert set(own) <= SIZES
    assert {flag: found[flag] for flag in own} == {flag: paper[flag] for flag in own}
    # The sizes are all there: where the paper's run has another than the defaults, so has this one.
    assert {flag for flag in SIZES & set(paper) if found[flag] != paper[flag]} == set()


def test_the_defaults_of_the_project_are_not_the_papers_letter():
    # Else there would be nothing to choose between.
    search = settings(FLAGFILES / "paper_scale_search.flags", SEARCH)
    assert search[TaskConfig] == dataclasses.replace(
        TaskConfig(), pseudo_labels=400, memory_videos=65536, recluster_every=500
    )
    assert search[FitnessConfig].health_gate and search[FitnessConfig].fitness == "predictability"
    assert search[TrainConfig].optimizer == FinalTrainConfig().optimizer == "adam"
