"""Settings of an evaluation by labels."""

import dataclasses
from typing import Tuple

from elo_tf.config.fields import Checked, setting


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Checked):
    """What is evaluated, and on which videos (`elo_tf.evaluate`)."""

    checkpoint: Tuple[str, ...] = setting(
        (),
        "run directories of trainings, or prefixes of checkpoints, to be compared; baselines are like the first",
        path=True,
    )
    records: str = setting("", "folder of labelled records (prepare --labels=folders)", path=True)
    output: str = setting(
        "", "folder of the results; where it is not given, `evaluation` in the first run directory", path=True
    )
    protocol: Tuple[str, ...] = setting(("kmeans", "linear", "finetune"), "protocols of elo_tf/evaluate/protocols")
    baselines: Tuple[str, ...] = setting((), "compared with: scratch (random weights), supervised (labels), pixels")
    seeds: Tuple[str, ...] = setting(
        ("0",), "each repeats all with other random weights, orders, starts and label budgets"
    )
    split_format: str = setting(
        "folders",
        "train and test videos: the two parts that prepare made, or official lists in --splits",
        choices=("folders", "hmdb51", "ucf101", "kinetics"),
    )
    splits: str = setting("", "folder of the official lists", path=True)
    split: Tuple[str, ...] = setting(("1",), "numbers of the official splits, such as 1,2,3")
    max_missing: float = setting(0.0, "part of the listed videos that may lack or be too short", low=0, high=0.9)
    max_bad_fraction: float = setting(
        0.1, "stop if more than this part of the videos has damaged records; fewer are left out", low=0, high=1
    )
    short_videos: str = setting(
        "loop",
        "videos of fewer frames than a clip: loop (they begin again, as in the usual protocols, so that all count), or "
        "refuse (they are missing)",
        choices=("loop", "refuse"),
    )
    duplicates: str = setting(
        "longest",
        "where several videos of the records fit one name of the lists, as copies in two folders do: take the longest, "
        "of equal ones the first by path; take the first by path; or refuse",
        choices=("longest", "first", "refuse"),
    )
    label_budgets: Tuple[str, ...] = setting((), "numbers of labelled training videos, or `all` (Table 3, Fig. 5)")
    threads: int = setting(0, "CPU threads; 0 takes one a core", low=0)


@dataclasses.dataclass(frozen=True)
class ProtocolConfig(Checked):
    """How a representation is measured (Sec. 4); the paper states none of these numbers."""

    train_clips: int = setting(4, "clips of a training video, evenly spread, for kmeans and linear", low=1)
    test_clips: int = setting(10, "clips of a test video, evenly spread, over which predictions are averaged", low=1)
    batch_size: int = setting(16, "B, clips at a time", low=2)
    resident_gb: float = setting(4.0, "records that fit into this much memory, decoded, stay there, GiB", low=0)
    clusters: int = setting(0, "kmeans: K; 0 means the number of classes", low=0)
    restarts: int = setting(20, "kmeans: R, runs from other starts, each counted (Sec. 3.2.2: 20)", low=1)
    kmeans_iterations: int = setting(100, "kmeans: most Lloyd iterations a run", low=1)
    finetune_epochs: float = setting(50.0, "finetune: times that each training video is seen", low=0)
    finetune_steps: int = setting(0, "finetune: steps, instead of epochs; 0 goes by the epochs", low=0)
    finetune_optimizer: str = setting("adam", "finetune: sgd or adam", choices=("sgd", "adam"))
    finetune_learning_rate: float = setting(1e-3, "finetune: peak learning rate", low=0)
    finetune_momentum: float = setting(0.9, "finetune: momentum of sgd", low=0, high=1)
    finetune_weight_decay: float = setting(1e-4, "finetune: decay of kernels", low=0)
    finetune_warmup_steps: int = setting(20, "finetune: steps of linear warm-up before the cosine decay", low=0)
    flip: bool = setting(True, "finetune: mirror half of the training clips")
    color_jitter: float = setting(0.2, "finetune: strength of the colour augmentation; 0 is none", low=0, high=1)
