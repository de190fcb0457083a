"""Settings of the records that trainings read, and of the world that fills them."""

import dataclasses

from elo_tf.config.fields import Checked, setting


@dataclasses.dataclass(frozen=True)
class FoldersConfig(Checked):
    """From where to where videos are converted (`elo_tf.prepare`)."""

    videos: str = setting("", "folder of videos; with --world, where to render (RECORDS/../videos)", path=True)
    records: str = setting("", "folder of records", path=True)


@dataclasses.dataclass(frozen=True)
class IngestConfig(Checked):
    """How a video becomes a record (`elo_tf.prepare`)."""

    size: int = setting(64, "side of the stored square frames, pixels; training crops are smaller", low=16, high=1024)
    fps: float = setting(12.5, "frames a second after resampling", low=1, high=120)
    flow: str = setting("dis", "optical flow: DIS (fast) or TV-L1 (as in two-stream work)", choices=("dis", "tvl1"))
    flow_bound: float = setting(20.0, "flow is clipped to this many pixels a frame, then quantised", low=1)
    labels: str = setting(
        "none", "'folders' takes a label from the folder of a video (see --label_level)", choices=("none", "folders")
    )
    label_level: int = setting(
        0, "which folder is the class: 0 the one that holds the video, 1 the first below --videos or train, ...", low=0
    )
    held_out: str = setting(
        "auto",
        "which videos are held out: those in folders called val or test, beside train, or a part chosen by the hash of "
        "the path; auto follows the folders where there are such, and what the records have",
        choices=("auto", "folders", "hash"),
    )
    holdout_fraction: float = setting(
        0.25, "part of the videos kept for scoring, never trained on, where folders do not say it", low=0, high=0.9
    )
    frames_fps: float = setting(
        0.0, "a folder of numbered images is a video of so many frames a second; 0 reads none", low=0, high=1000
    )
    drop_vanished: bool = setting(False, "take the records of videos away whose files are no longer in --videos")
    max_seconds: float = setting(30.0, "no more than this much of a video is kept, seconds", low=0.1)
    segment_seconds: float = setting(
        0.0,
        "longer videos are cut into records of this length, seconds, so that all of them is kept; 0 keeps the first "
        "--max_seconds alone",
        low=0,
        high=3600,
    )
    max_gap_seconds: float = setting(
        10.0, "a video is cut where no frame comes for longer than this, seconds; 0 repeats the last frame", low=0
    )
    decode_seconds: float = setting(120.0, "a decoder that runs longer is ended, seconds", low=1)
    decode_memory_mb: int = setting(2048, "a decoder that takes more memory is ended, MiB", low=256)
    video_minutes: float = setting(60.0, "a worker that is at one video for longer is ended; 0 is never", low=0)
    shard_mb: float = setting(32.0, "a shard is closed above this size, MiB", low=0.01)
    jpeg_quality: int = setting(92, "quality of the stored frames", low=50, high=100)
    max_bad_fraction: float = setting(0.5, "stop if more than this part of the videos is unusable", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class WorldConfig(Checked):
    """The rendered world, for everyone without videos at hand (`elo_tf.prepare.world.render`)."""

    world: int = setting(0, "number of unlabelled videos to render; 0 renders no world", low=0)
    world_seed: int = setting(0, "all that is random in the world follows from it", low=0)
    world_classes: str = setting("main", "list of classes: main, second or third; sounding, which sound tells best")
    world_zipf: float = setting(1.0, "Zipf exponent of the class frequencies of unlabelled videos; 0 balances", low=0)
    labelled_per_class: int = setting(60, "labelled videos of each class, for evaluation", low=0)
    world_seconds: float = setting(2.56, "length of a video, seconds at 12.5 frames a second", low=0.96, high=60)
    world_size: int = setting(64, "side of a video, pixels, even", low=32, high=256)
    world_nuisance: float = setting(1.0, "strength of what hides the motions: shakes, texture, flicker", low=0, high=1)
