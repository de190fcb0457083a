"""Settings of an evaluation on labelled videos."""

import dataclasses
from typing import Tuple

from elo_tf.config.fields import Checked, setting


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Checked):
    """What is evaluated, and on which videos (`elo_tf.evaluate`)."""

    checkpoint: Tuple[str, ...] = setting(
        (),
        "run directories of trainings, or checkpoint prefixes, to compare; baselines have the settings of the first",
        path=True,
    )
    records: str = setting("", "folder of labelled records (prepare --labels=folders)", path=True)
    output: str = setting("", "folder of the results; default: `evaluation` in the first run directory", path=True)
    protocol: Tuple[str, ...] = setting(
        ("kmeans", "linear", "finetune"),
        "files of elo_tf/evaluate/protocols: kmeans, linear (one layer), finetune, neighbours",
    )
    baselines: Tuple[str, ...] = setting(
        (), "further rows: scratch (random weights), supervised (trained by labels), pixels"
    )
    seeds: Tuple[str, ...] = setting(
        ("0",), "seeds of weights, orders, k-means starts and label budgets; each repeats the evaluation"
    )
    split_format: str = setting(
        "folders",
        "train and test videos: folders, the split of prepare; or official lists in --splits: hmdb51, ucf101, kinetics",
        choices=("folders", "hmdb51", "ucf101", "kinetics"),
    )
    splits: str = setting("", "folder of the official lists", path=True)
    split: Tuple[str, ...] = setting(("1",), "numbers of the official splits, such as 1,2,3")
    max_missing: float = setting(0.0, "fraction of the listed videos that may be missing or too short", low=0, high=0.9)
    max_bad_fraction: float = setting(
        0.1, "stop if more than this fraction of the videos has damaged records; fewer are left out", low=0, high=1
    )
    short_videos: str = setting(
        "loop",
        "videos of fewer frames than a clip: loop repeats their frames, as in the usual protocols; refuse counts them "
        "as missing",
        choices=("loop", "refuse"),
    )
    duplicates: str = setting(
        "longest",
        "if several videos match one name of the lists, such as copies in two folders: take the longest (of equal ones "
        "the first by path), take the first by path, or refuse",
        choices=("longest", "first", "refuse"),
    )
    label_budgets: Tuple[str, ...] = setting((), "numbers of labelled training videos, or `all` (Table 3, Fig. 5)")
    threads: int = setting(0, "CPU threads; 0: one a core", low=0)


@dataclasses.dataclass(frozen=True)
class ProtocolConfig(Checked):
    """How a representation is measured (Sec. 4); the paper states few of these numbers."""

    train_clips: int = setting(4, "clips of a training video, evenly spread, for kmeans and linear", low=1)
    test_clips: int = setting(10, "clips of a test video, evenly spread, over which predictions are averaged", low=1)
    batch_size: int = setting(16, "B, clips at a time", low=2)
    resident_gb: float = setting(4.0, "keep decoded records in memory if they take at most this much, GiB", low=0)
    clusters: int = setting(0, "kmeans: K; 0: the number of classes", low=0)
    restarts: int = setting(20, "kmeans: R, runs from different starts, averaged (Sec. 3.2.2: 20)", low=1)
    kmeans_iterations: int = setting(100, "kmeans: greatest number of Lloyd iterations a run", low=1)
    finetune_epochs: float = setting(50.0, "finetune: passes over the training videos", low=0)
    finetune_steps: int = setting(
        0, "finetune: steps, in place of --finetune_epochs; 0: as many as these epochs take", low=0
    )
    finetune_optimizer: str = setting("adam", "finetune: optimiser, adam or sgd", choices=("sgd", "adam"))
    finetune_learning_rate: float = setting(1e-3, "finetune: peak learning rate", low=0)
    finetune_momentum: float = setting(0.9, "finetune: momentum of sgd", low=0, high=1)
    finetune_weight_decay: float = setting(1e-4, "finetune: weight decay of kernels", low=0)
    finetune_warmup_steps: int = setting(20, "finetune: steps of linear warm-up before the cosine decay", low=0)
    flip: bool = setting(True, "finetune: mirror half of the training clips")
    color_jitter: float = setting(0.2, "finetune: strength of the colour augmentation; 0: none", low=0, high=1)
