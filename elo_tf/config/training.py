"""Settings of a training: a candidate's of a search, and the final model's."""

import dataclasses
from typing import Tuple

from elo_tf.config.fields import Checked, InputError, setting


@dataclasses.dataclass(frozen=True)
class RunConfig(Checked):
    """Where a run reads and writes, and what makes it repeatable."""

    records: str = setting("", "folder of records that python -m elo_tf.prepare made", path=True)
    run_dir: str = setting("", "folder of the run: settings, results and figures; an existing run resumes", path=True)
    seed: int = setting(0, "seed of all randomness in the run", low=0, high=2**31 - 1)
    threads: int = setting(1, "CPU threads of a worker; results depend on it in their last digits", low=1)


@dataclasses.dataclass(frozen=True)
class DataConfig(Checked):
    """Which clips are cut from the records, and how they are varied (`elo_tf.data.reader`)."""

    frames: int = setting(16, "T, frames a clip", low=2)
    future_frames: int = setting(4, "N, frames after the clip that predict terms predict (Table 1: 4)", low=1)
    crop_size: int = setting(0, "H = W of a clip, pixels; 0: 7/8 of the stored size", low=0)
    batch_size: int = setting(64, "B, clips a step; small batches have few negatives and noisy gradients", low=2)
    audio_steps: int = setting(4, "S, spectrogram steps a frame: 1, 2, 4, 8 or 16", low=1, high=16)
    mel_bins: int = setting(16, "M, mel bins of the spectrogram", low=4, high=128)
    flip: bool = setting(True, "mirror half of the training clips")
    color_jitter: float = setting(0.0, "strength of the colour augmentation; 0: none", low=0, high=1)
    resident_gb: float = setting(
        4.0, "keep decoded records in memory if they take at most this much, GiB; else stream them", low=0
    )
    max_sources_ahead: int = setting(256, "videos in the shuffle buffer of streamed records", low=1)


@dataclasses.dataclass(frozen=True)
class ModelConfig(Checked):
    """Towers and tasks (`elo_tf.model.elo_model`)."""

    backbone: str = setting("tiny", "(2+1)D ResNet of each modality: tiny, r18 or r50", choices=("tiny", "r18", "r50"))
    modalities: Tuple[str, ...] = setting(("rgb", "grey", "flow", "audio"), "towers to build; rgb is always needed")
    tasks: Tuple[str, ...] = setting(
        ("paper",),
        "terms of Eq. 1: presets (paper: all 45; fast: no decoders or memories), names, or patterns such as rgb/*",
    )
    precision: str = setting(
        "float32",
        "arithmetic of the towers: float32, mixed_bfloat16 or, in elo_tf.train only, mixed_float16 with loss scaling",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )


@dataclasses.dataclass(frozen=True)
class TaskConfig(Checked):
    """How the terms of Eq. 1 are formed where the paper is silent, or where its letter fails (`elo_tf.tasks`)."""

    norm: str = setting(
        "root_mean_square",
        "distance of Eq. 2 and 6: root_mean_square, sqrt(mean(d^2)); l2, as printed; squared, mean(d^2)",
        choices=("root_mean_square", "l2", "squared"),
    )
    decode_size: str = setting(
        "half", "height and width that decoders produce: half of the clip's, or full", choices=("half", "full")
    )
    shuffle_frames: int = setting(0, "frames that shuffle moves; 0: all ([26]: 3)", low=0)
    align_head: str = setting(
        "product",
        "input of the layer of align: product, both features and their product; literal, both (stays at chance)",
        choices=("product", "literal"),
    )
    embed_head: str = setting(
        "normalized",
        "Eq. 8: normalized, on normalised projections, with all other videos as negatives; literal, on the features, "
        "with one negative (collapses)",
        choices=("normalized", "literal"),
    )
    embed_margin: float = setting(1.4, "alpha of Eq. 8, the margin", low=0)
    embed_negatives: str = setting(
        "all",
        "negatives of Eq. 8: all; active, those nearer than the margin; hardest, the nearest",
        choices=("all", "active", "hardest"),
    )
    colorize_head: str = setting(
        "decoder",
        "colorize: decoder predicts colours; pointer copies them from the first frames by attention [42]",
        choices=("decoder", "pointer"),
    )
    gather: bool = setting(
        True, "embed: take negatives from all replicas, not only from the replica's own clips (clustering always does)"
    )
    distillation: bool = setting(True, "include the distillation terms (Table 2 has a row without them)")
    distill_both_ways: bool = setting(False, "distillation: also pull the teachers towards the RGB tower")
    pseudo_labels: int = setting(64, "number of clusters of deep_cluster and local_aggregation", low=2)
    memory_videos: int = setting(
        4096,
        "size of the memory of deep_cluster and local_aggregation, videos; best a few times those trained on",
        low=64,
    )
    recluster_every: int = setting(100, "updates between two clusterings of that memory", low=1)
    loss_units: str = setting(
        "value",
        "what lambda weighs: value, the term; gradient, the term divided by the norm of its first gradient",
        choices=("value", "gradient"),
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig(Checked):
    """How a loss is trained, briefly in a search or in full."""

    steps: int = setting(10000, "training steps (Sec. 3.2.2: 10 000 in the search)", low=1)
    # Departure: SGD at rate 0.1 in the paper, which trains for longer (experiments/README.md).
    optimizer: str = setting("adam", "optimiser: adam, or sgd as in the paper", choices=("sgd", "adam"))
    learning_rate: float = setting(0.01, "peak learning rate (Sec. 4: 0.1 with sgd)", low=0)
    momentum: float = setting(0.9, "momentum of sgd; not stated in the paper", low=0, high=1)
    weight_decay: float = setting(
        1e-4, "weight decay of kernels: L2 penalty with sgd, decoupled with adam; not stated in the paper", low=0
    )
    warmup_steps: int = setting(20, "steps of linear warm-up before the cosine decay", low=0)
    log_every: int = setting(0, "steps between entries of RUN_DIR/tensorboard; 0: no entries", low=0)
    share_every: int = setting(
        0,
        "steps between measurements of each term's share of the RGB gradient, which cost a step a term; 0: never",
        low=0,
    )


@dataclasses.dataclass(frozen=True)
class FinalRunConfig(RunConfig):
    """Where a training in full reads and writes, and what makes it repeatable."""

    threads: int = setting(0, "CPU threads; 0: one a core", low=0)


@dataclasses.dataclass(frozen=True)
class FinalTrainConfig(TrainConfig):
    """How the final model is trained, besides what a candidate of a search has (`elo_tf.train`)."""

    log_every: int = setting(50, "steps between entries of RUN_DIR/tensorboard; 0: no entries", low=0)
    loss: str = setting(
        "",
        "loss file, such as evolved_loss.json of a search; or random:SEED, random weights for --tasks (Table 1); or "
        "equal, a weight of 1 for each of --tasks",
        path=True,
    )
    like: str = setting(
        "",
        "loss file of a search: a random or equal loss takes its terms, settings of terms and units, in place of "
        "--tasks and --modalities",
        path=True,
    )
    epochs: float = setting(
        0.0, "length of the training in epochs, in place of --steps (Sec. 4: 100); 0: --steps", low=0
    )
    drop_below: float = setting(
        0.01, "smallest lambda of a term; terms below it are left out of the graph", low=0, high=1
    )
    distribute: str = setting(
        "one",
        "devices: one; mirrored, all of this machine; multi_worker, several machines (TF_CONFIG); tpu",
        choices=("one", "mirrored", "multi_worker", "tpu"),
    )
    tpu: str = setting("", "name or grpc:// address of the TPU; empty: the one of this machine")
    cluster_minutes: float = setting(
        10.0, "multi_worker: longest wait for the other processes of TF_CONFIG, minutes; 0: no limit", low=0
    )
    grace_seconds: float = setting(
        20.0, "longest wait after SIGTERM, SIGINT or SIGHUP for the current step and its checkpoint, seconds", low=0
    )
    accumulate: int = setting(1, "parts into which a batch is split, for batches that do not fit into memory", low=1)
    clip_norm: float = setting(0.0, "greatest norm of the gradient of all weights; 0: no clipping", low=0)
    steps_a_call: int = setting(1, "steps in a loop on the device for each call from Python", low=1)
    jit_compile: bool = setting(False, "compile the step with XLA; for GPUs (TPUs always do), slower on CPUs")
    deterministic: bool = setting(False, "use only deterministic kernels, which may be slower on GPUs")
    save_every: int = setting(500, "steps between checkpoints", low=1)
    keep: int = setting(3, "number of checkpoints to keep", low=1)
    pictures_every: int = setting(0, "steps between pictures of decoded frames for TensorBoard; 0: never", low=0)

    def check_devices(self, precision: str) -> None:
        """Raises `InputError` where the devices cannot do what is asked."""
        if self.share_every and self.distribute != "one":
            raise InputError("--share_every measures on one device; use it with --distribute=one")
        if self.distribute == "tpu" and precision == "mixed_float16":
            raise InputError("--precision=mixed_float16 is not for TPUs; use mixed_bfloat16")

    def clips_at_a_time(self, batch_size: int, devices: int) -> int:
        """Clips that a device takes at a time: its share of the batch, or one of --accumulate parts of it.

        Views are made of every second clip, and terms that compare videos need others beside one's own: devices take an
        even number, so that they make the views that one device would, and no part is a single clip.

        Raises:
          InputError: the batch cannot be dealt out so.
        """
        share, rest = divmod(batch_size, devices)
        if rest or (devices > 1 and share % 2) or not share:
            raise InputError(
                f"--batch_size={batch_size} does not give each of {devices} devices the same even number of clips; "
                f"use a multiple of {2 * devices}"
            )
        part, rest = divmod(share, self.accumulate)
        if rest or part < 2:
            raise InputError(
                f"--accumulate={self.accumulate} does not split the {share} clips of a device into equal parts of 2 or "
                "more; change it or --batch_size"
            )
        return part

    def steps_of(self, videos: int, batch_size: int) -> int:
        """Length of the training: --steps, or what --epochs of so many videos come to."""
        return max(1, round(self.epochs * videos / batch_size)) if self.epochs else self.steps
