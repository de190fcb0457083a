"""Settings as frozen dataclasses; absl flags are made from their fields, so a setting is declared once.

A command line names the dataclasses that it uses (`define_flags`) and gets them back filled (`from_flags`). A value
out of range raises `InputError` when the dataclass is built, whether it came from a flag, a flag file or a test.
"""

import dataclasses
import typing
from typing import Any, Optional, Sequence, Tuple, Type, TypeVar

from absl import flags

Config = TypeVar("Config")


class InputError(ValueError):
    """What the user gave cannot be used. The message is one line that names the value and the remedy."""


def setting(
    default: Any,
    help: str,
    *,
    low: Optional[float] = None,
    high: Optional[float] = None,
    choices: Sequence[str] = (),
) -> Any:
    """A dataclass field that also is a flag.

    Args:
      default: Value of the flag where the user gives none.
      help: One line for `--help`, with unit or range, and the source where the number is the paper's.
      low, high: Inclusive bounds of a number.
      choices: The strings allowed.
    """
    return dataclasses.field(default=default, metadata=dict(help=help, low=low, high=high, choices=tuple(choices)))


class Checked:
    """A dataclass of settings derives from this: it refuses values outside of what `setting` declares."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, allowed = getattr(self, field.name), field.metadata
            if allowed["choices"] and value not in allowed["choices"]:
                raise InputError(f"--{field.name}={value!r} is unknown; choose from {', '.join(allowed['choices'])}")
            for bound, outside in ((allowed["low"], "less than"), (allowed["high"], "more than")):
                if bound is None:
                    continue
                if value != value or (value < bound if outside == "less than" else value > bound):
                    raise InputError(f"--{field.name}={value} is {outside} {bound}, its limit")


@dataclasses.dataclass(frozen=True)
class IngestConfig(Checked):
    """How a video becomes a record (`elo_tf.prepare`)."""

    size: int = setting(64, "side of the stored square frames, pixels; training crops are smaller", low=16, high=1024)
    fps: float = setting(12.5, "frames a second after resampling", low=1, high=120)
    flow: str = setting("dis", "optical flow: DIS (fast) or TV-L1 (as in two-stream work)", choices=("dis", "tvl1"))
    flow_bound: float = setting(20.0, "flow is clipped to this many pixels a frame, then quantised", low=1)
    labels: str = setting("none", "'folders' takes a label from the parent folder", choices=("none", "folders"))
    holdout_fraction: float = setting(0.25, "part of the videos kept for scoring, never trained on", low=0, high=0.9)
    max_seconds: float = setting(30.0, "no more than this much of a video is kept, seconds", low=0.1)
    decode_seconds: float = setting(120.0, "a decoder that runs longer is ended, seconds", low=1)
    decode_memory_mb: int = setting(2048, "a decoder that takes more memory is ended, MiB", low=256)
    shard_mb: float = setting(32.0, "a shard is closed above this size, MiB", low=0.01)
    jpeg_quality: int = setting(92, "quality of the stored frames", low=50, high=100)
    max_bad_fraction: float = setting(0.5, "stop if more than this part of the videos is unusable", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class WorldConfig(Checked):
    """The rendered world, for everyone without videos at hand (`elo_tf.ingest.world`)."""

    world: int = setting(0, "number of unlabelled videos to render; 0 renders no world", low=0)
    world_seed: int = setting(0, "all that is random in the world follows from it", low=0)
    world_classes: str = setting("main", "list of classes: main, second or third; they overlap in part")
    world_zipf: float = setting(1.0, "Zipf exponent of the class frequencies of unlabelled videos; 0 balances", low=0)
    labelled_per_class: int = setting(60, "labelled videos of each class, for evaluation", low=0)
    world_seconds: float = setting(2.56, "length of a video, seconds at 12.5 frames a second", low=0.96, high=60)
    world_size: int = setting(64, "side of a video, pixels, even", low=32, high=256)
    world_nuisance: float = setting(1.0, "strength of what hides the motions: shakes, texture, flicker", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class EmbedConfig(Checked):
    """How videos are cut into windows and embedded by an exported module (`elo_tf.embed`)."""

    frames: int = setting(0, "T, frames a window; 0 is what the module was trained on", low=0)
    stride: int = setting(0, "frames between the starts of two windows; 0 is T, windows side by side", low=0)
    size: int = setting(0, "H = W of a window, pixels; 0 is what the module was trained on", low=0, high=1024)
    fps: float = setting(0.0, "frames a second after resampling; 0 is what the module was trained on", low=0, high=120)
    batch_size: int = setting(16, "B, windows that the module embeds at a time, of one video or several", low=1)
    decoders: int = setting(0, "videos decoded at a time; 0 is one a core", low=0)
    store_windows: bool = setting(True, "store the embedding of each window, not of each video only")
    max_seconds: float = setting(86400.0, "no more than this much of a video is embedded, seconds", low=0.1)
    decode_seconds: float = setting(120.0, "a decoder that gives no frame for so long is ended, seconds", low=1)
    decode_memory_mb: int = setting(2048, "a decoder that takes more memory is ended, MiB", low=256)
    max_bad_fraction: float = setting(0.5, "stop if more than this part of the videos is unusable", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class RunConfig(Checked):
    """Where a run reads and writes, and what makes it repeatable."""

    records: str = setting("", "folder of records that python -m elo_tf.prepare made")
    run_dir: str = setting("", "folder of the run: settings, journal, results and figures; continued if it exists")
    seed: int = setting(0, "all randomness of the run follows from it", low=0, high=2**31 - 1)
    threads: int = setting(1, "CPU threads of a worker; the last digits of results depend on it", low=1)


@dataclasses.dataclass(frozen=True)
class DataConfig(Checked):
    """Which clips are cut from the records, and how they are varied (`elo_tf.data`)."""

    frames: int = setting(8, "T, frames a clip", low=2)
    future_frames: int = setting(4, "N, frames to predict after the clip (Table 1: 4)", low=1)
    crop_size: int = setting(0, "H = W of a clip, pixels; 0 means 7/8 of the stored size", low=0)
    batch_size: int = setting(16, "B, clips a step", low=2)
    audio_steps: int = setting(4, "S, spectrogram steps a frame: 1, 2, 4, 8 or 16", low=1, high=16)
    mel_bins: int = setting(16, "M, mel bins", low=4, high=128)
    flip: bool = setting(True, "mirror half of the training clips")
    color_jitter: float = setting(0.2, "strength of the colour augmentation; 0 is none", low=0, high=1)
    resident_gb: float = setting(4.0, "records that fit into this much memory, decoded, stay there, GiB", low=0)
    max_sources_ahead: int = setting(256, "videos in the shuffle buffer when records are streamed", low=1)


@dataclasses.dataclass(frozen=True)
class ModelConfig(Checked):
    """Towers and tasks (`elo_tf.model`)."""

    backbone: str = setting("tiny", "(2+1)D ResNet of each modality", choices=("tiny", "r18", "r50"))
    modalities: Tuple[str, ...] = setting(("rgb", "grey", "flow", "audio"), "towers to build; rgb is always needed")
    tasks: Tuple[str, ...] = setting(
        ("paper",), "terms of Eq. 1: presets (paper, fast), names, or patterns such as rgb/* or */distill/*"
    )
    precision: str = setting(
        "float32",
        "arithmetic of the towers; mixed_float16, with a scaled loss, in elo_tf.train only",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )


@dataclasses.dataclass(frozen=True)
class TaskConfig(Checked):
    """How the terms of Eq. 1 are formed where the paper is silent, or where its letter fails (`elo_tf.tasks`)."""

    norm: str = setting(
        "root_mean_square",
        "distance of Eq. 2 and 6: sqrt(mean(d^2)), the printed l2, or mean(d^2)",
        choices=("root_mean_square", "l2", "squared"),
    )
    decode_size: str = setting(
        "half", "height and width of decoded frames, against those of the clip", choices=("half", "full")
    )
    shuffle_frames: int = setting(0, "frames that a shuffled clip has out of place; 0 means all ([26] moved 3)", low=0)
    align_head: str = setting(
        "product",
        "what the one layer of align sees: both features and their product, or both alone (cannot beat chance)",
        choices=("product", "literal"),
    )
    embed_head: str = setting(
        "normalized",
        "where Eq. 8 is taken: on normalised projections with all other videos as negatives, or on the "
        "representations with one negative (collapses)",
        choices=("normalized", "literal"),
    )
    embed_margin: float = setting(1.4, "alpha of Eq. 8", low=0)
    colorize_head: str = setting(
        "decoder",
        "colours are decoded, or copied from the first frames by attention [42]",
        choices=("decoder", "pointer"),
    )
    gather: bool = setting(True, "embed: the videos of all replicas are negatives, not those of its own alone")
    distillation: bool = setting(True, "have distillation terms at all (Table 2 compares with none)")
    distill_both_ways: bool = setting(False, "let the teachers of distillation follow the RGB tower too")
    pseudo_labels: int = setting(64, "clusters of deep_cluster and local_aggregation", low=2)
    memory_videos: int = setting(4096, "videos that those two remember; best a few times as many as there are", low=64)
    recluster_every: int = setting(100, "steps between two clusterings of the remembered videos", low=1)
    loss_units: str = setting(
        "value",
        "what lambda weighs: the term's value, or the term divided by its first gradient norm in the tower it teaches",
        choices=("value", "gradient"),
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig(Checked):
    """How a loss is trained, briefly in a search or in full."""

    steps: int = setting(10000, "training steps (Sec. 3.2.2: 10 000 in the search)", low=1)
    optimizer: str = setting("sgd", "sgd as in the paper, or adam", choices=("sgd", "adam"))
    learning_rate: float = setting(0.1, "peak learning rate (Sec. 4: 0.1)", low=0)
    momentum: float = setting(0.9, "momentum of sgd; not stated in the paper", low=0, high=1)
    weight_decay: float = setting(
        1e-4, "decay of kernels: L2 penalty with sgd, decoupled with adam; not stated in the paper", low=0
    )
    warmup_steps: int = setting(20, "steps of linear warm-up before the cosine decay", low=0)
    log_every: int = setting(0, "steps between entries of RUN_DIR/tensorboard; 0 writes none", low=0)
    share_every: int = setting(
        0,
        "steps between measurements of each term's share of the RGB gradient, which take a step a term; 0 is never",
        low=0,
    )


@dataclasses.dataclass(frozen=True)
class FinalRunConfig(RunConfig):
    """`RunConfig` of a training in full, which takes all cores."""

    threads: int = setting(0, "CPU threads; 0 takes one a core", low=0)


@dataclasses.dataclass(frozen=True)
class FinalTrainConfig(TrainConfig):
    """How the final model is trained (`elo_tf.train`): what a candidate has, and what only long trainings need."""

    log_every: int = setting(50, "steps between entries of RUN_DIR/tensorboard; 0 writes none", low=0)
    loss: str = setting(
        "", "loss file, such as evolved_loss.json of a search; random:SEED draws weights for --tasks (Table 1)"
    )
    epochs: float = setting(0.0, "length of the training in epochs, in place of --steps (Sec. 4: 100)", low=0)
    drop_below: float = setting(0.01, "terms whose lambda is less are left out of the graph", low=0, high=1)
    distribute: str = setting(
        "one",
        "devices: one; mirrored, all of this machine; multi_worker, as TF_CONFIG says; tpu",
        choices=("one", "mirrored", "multi_worker", "tpu"),
    )
    tpu: str = setting("", "name or grpc:// address of the TPU; empty is the one of this machine")
    accumulate: int = setting(1, "parts that a batch is taken in, for batches that do not fit into memory", low=1)
    clip_norm: float = setting(0.0, "greatest norm of the gradient of all weights; 0 does not clip", low=0)
    steps_a_call: int = setting(1, "steps made in a loop on the device before Python sees it again", low=1)
    jit_compile: bool = setting(False, "compile the step with XLA; for GPUs (TPUs always do), slower on CPUs")
    deterministic: bool = setting(False, "use deterministic kernels only, on GPUs at some cost")
    save_every: int = setting(500, "steps between checkpoints", low=1)
    keep: int = setting(3, "checkpoints that are kept", low=1)
    pictures_every: int = setting(0, "steps between pictures of decoded frames for TensorBoard; 0 is never", low=0)


@dataclasses.dataclass(frozen=True)
class FitnessConfig(Checked):
    """How a trained RGB tower is scored without labels (Sec. 3.2.2)."""

    fitness: str = setting(
        "zipf_scale_free",
        "what the search goes by: Eq. 5 as printed, its form free of scale, agreement with another modality, or "
        "accuracy on --labelled (ELo-weak); all that can be had are recorded",
        choices=("zipf", "zipf_scale_free", "agreement", "weak"),
    )
    clusters: int = setting(50, "K of k-means; 50 for HMDB-sized work, 400 for Kinetics", low=2)
    zipf_exponent: float = setting(1.0, "s of the Zipf prior, Eq. 5", low=0)
    restarts: int = setting(20, "R, k-means runs averaged (Sec. 3.2.2: 20)", low=1)
    kmeans_iterations: int = setting(25, "Lloyd iterations a run", low=1)
    scoring_clips: int = setting(1000, "N, held-out clips that are embedded and clustered", low=2)
    labelled: str = setting("", "records of labelled videos for the weak fitness, of which the training part is used")
    labelled_clips: int = setting(1000, "labelled clips of the weak fitness", low=2)
    min_deviation: float = setting(1e-3, "health gate: least mean standard deviation of the features", low=0)
    agree_with: str = setting(
        "audio", "modality whose plain descriptors RGB clusters must agree with", choices=("audio", "flow")
    )
    agreement_margin: float = setting(
        0.0, "health gate: adjusted agreement must pass the untrained tower's by this", low=-1
    )


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Checked):
    """What is evaluated, and on which videos (`elo_tf.evaluate`)."""

    checkpoint: Tuple[str, ...] = setting(
        (), "run directories of trainings, or prefixes of checkpoints, to be compared; baselines are like the first"
    )
    records: str = setting("", "folder of labelled records (prepare --labels=folders)")
    output: str = setting("", "folder of the results; where it is not given, `evaluation` in the first run directory")
    protocol: Tuple[str, ...] = setting(("kmeans", "linear", "finetune"), "protocols of elo_tf/evaluation/protocols")
    baselines: Tuple[str, ...] = setting((), "compared with: scratch (random weights), supervised (labels), pixels")
    seeds: Tuple[str, ...] = setting(("0",), "each makes everything again: random weights, order, starts, budgets")
    split_format: str = setting(
        "folders",
        "train and test videos: the two parts that prepare made, or official lists in --splits",
        choices=("folders", "hmdb51", "ucf101", "kinetics"),
    )
    splits: str = setting("", "folder of the official lists")
    split: Tuple[str, ...] = setting(("1",), "numbers of the official splits, such as 1,2,3")
    max_missing: float = setting(0.0, "part of the listed videos that may lack or be too short", low=0, high=0.9)
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


@dataclasses.dataclass(frozen=True)
class WorkersConfig(Checked):
    """Where work is done side by side (`elo_tf.workers`)."""

    workers: str = setting("local", "local (a process a core), local:2, ray (as many as the cluster takes), ray:16")
    ray_address: str = setting("auto", "of the Ray cluster; auto is the one that this machine belongs to")


@dataclasses.dataclass(frozen=True)
class EvolutionConfig(Checked):
    """The search over λ (Sec. 3.2.3)."""

    strategy: str = setting("cma_es", "searcher of elo_tf/evolution: cma_es, tournament, random, grid or fixed")
    generations: int = setting(250, "rounds (Sec. 3.2.3: 250 with CMA-ES)", low=1)
    population: int = setting(0, "candidates a round; 0 means 4 + 3 ln G", low=0)
    initial_step: float = setting(0.3, "cma_es: initial standard deviation, in units of λ", low=1e-6, high=1)
    pool: int = setting(100, "tournament: losses that can become parents; the oldest leaves", low=1)
    tournament_size: int = setting(
        25, "tournament: losses drawn from the pool to find one parent; at most --pool", low=1
    )
    lambda_files: Tuple[str, ...] = setting((), "fixed: list of loss files (evolved_loss.json) to evaluate, in order")
    rungs: int = setting(1, "lengths of training in a generation (successive halving); 1 trains all in full", low=1)
    reduction: float = setting(3.0, "of so many candidates one goes on to a rung so many times as long", low=1.1)
    rescore: int = setting(5, "best candidates that are trained again, with fresh seeds, to name the winner", low=0)
    rescore_seeds: int = setting(3, "fresh seeds for each of them", low=1)
    gpus_per_candidate: float = setting(0.0, "GPUs that a worker of Ray takes; may be a fraction", low=0)
    retries: int = setting(1, "further attempts at a candidate that diverged, ran out of memory or was lost", low=0)
    max_failures: float = setting(0.75, "part of a generation that may fail before the search ends", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class BudgetConfig(Checked):
    """What a run is priced by before it is begun (`elo_tf.costs.budget`)."""

    dry_run: bool = setting(
        False, "build and check all without running it, print what it takes, and end; needs no data"
    )
    devices: int = setting(8, "devices to rent, for the days that the work takes on all of them", low=1)
    utilisation: float = setting(
        0.25, "part of a device's peak arithmetic that training reaches; an assumption", low=0.001, high=1
    )
    planned_videos: int = setting(2_000_000, "videos that storage is estimated for (Sec. 4: 2 million)", low=1)
    planned_seconds: float = setting(10.0, "seconds kept of each; not stated in the paper, Kinetics has 10", low=0.1)
    device_teraflops: float = setting(0.0, "peak rate of a device of your own, 10^12 operations/s; 0 is none", low=0)
    device_gb: float = setting(32.0, "its memory, GB", low=0.1)
    device_gbs: float = setting(100.0, "its memory's bandwidth, GB/s", low=0.1)


def _flag_type(config: Type, field: dataclasses.Field) -> Any:
    return typing.get_type_hints(config)[field.name]


def define_flags(*configs: Type) -> None:
    """Defines one absl flag for each field of the given dataclasses."""
    define = {bool: flags.DEFINE_bool, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}
    for config in configs:
        for field in dataclasses.fields(config):
            kind = _flag_type(config, field)
            if kind == Tuple[str, ...]:
                flags.DEFINE_list(field.name, list(field.default), field.metadata["help"])
            else:
                define[kind](field.name, field.default, field.metadata["help"])


def from_flags(config: Type[Config]) -> Config:
    """The dataclass filled from the parsed flags.

    Raises:
      InputError: a value is out of its range.
    """
    values = {field.name: getattr(flags.FLAGS, field.name) for field in dataclasses.fields(config)}
    return config(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def to_lines(*configs: Any) -> str:
    """The settings as a flag file: one `--name=value` a line, readable by `--flagfile`."""
    lines = []
    for config in configs:
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            lines.append(f"--{field.name}={','.join(value) if isinstance(value, tuple) else value}")
    return "\n".join(lines) + "\n"
