"""Settings of records, and of the rendered world."""

import dataclasses

from elo_tf.config.fields import Checked, setting


@dataclasses.dataclass(frozen=True)
class FoldersConfig(Checked):
    """Which videos are converted, and where to (`elo_tf.prepare`)."""

    videos: str = setting(
        "", "folder of videos; with --world, where to render them (default: RECORDS/../videos)", path=True
    )
    records: str = setting("", "folder of records", path=True)


@dataclasses.dataclass(frozen=True)
class IngestConfig(Checked):
    """How a video becomes a record (`elo_tf.prepare`)."""

    size: int = setting(
        64, "height and width of the stored square frames, pixels; training crops are smaller", low=16, high=1024
    )
    fps: float = setting(12.5, "frames a second after resampling", low=1, high=120)
    flow: str = setting(
        "dis", "optical flow: dis (DIS, fast) or tvl1 (TV-L1, as in two-stream networks)", choices=("dis", "tvl1")
    )
    flow_bound: float = setting(
        20.0, "greatest flow, pixels a frame; larger values are clipped before quantisation", low=1
    )
    labels: str = setting(
        "none",
        "folders: the folder of a video is its label (see --label_level); none: no labels",
        choices=("none", "folders"),
    )
    label_level: int = setting(
        0, "folder that is the class: 0, the one that holds the video; 1, the first below --videos or train; ...", low=0
    )
    held_out: str = setting(
        "auto",
        "which videos are held out: folders, those in val or test, beside train; hash, a fraction by the hash of "
        "the path; auto, as existing records say, else folders if there are such, else hash",
        choices=("auto", "folders", "hash"),
    )
    holdout_fraction: float = setting(
        0.25, "fraction of the videos kept for scoring and never trained on, unless folders say which", low=0, high=0.9
    )
    frames_fps: float = setting(
        0.0,
        "read folders of numbered images as videos of this many frames a second; 0: do not read them",
        low=0,
        high=1000,
    )
    drop_vanished: bool = setting(False, "remove records of videos whose files are no longer in --videos")
    max_seconds: float = setting(30.0, "greatest length kept of a video, seconds", low=0.1)
    segment_seconds: float = setting(
        0.0,
        "cut longer videos into records of this length, seconds, and keep all of them; 0: keep only the first "
        "--max_seconds",
        low=0,
        high=3600,
    )
    max_gap_seconds: float = setting(
        10.0, "end a video at a gap between frames longer than this, seconds; 0: repeat the last frame instead", low=0
    )
    decode_seconds: float = setting(120.0, "time after which a decoder is stopped, seconds", low=1)
    decode_memory_mb: int = setting(2048, "memory at which a decoder is stopped, MiB", low=256)
    video_minutes: float = setting(
        60.0, "longest time of a worker on one video before it is stopped, minutes; 0: no limit", low=0
    )
    shard_mb: float = setting(32.0, "size above which a shard is closed, MiB", low=0.01)
    jpeg_quality: int = setting(92, "JPEG quality of the stored frames", low=50, high=100)
    max_bad_fraction: float = setting(0.5, "stop if more than this fraction of the videos is unusable", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class WorldConfig(Checked):
    """The rendered world, for use without videos (`elo_tf.prepare.world.render`)."""

    world: int = setting(0, "number of unlabelled videos to render; 0: render no world", low=0)
    world_seed: int = setting(0, "seed of everything random in the world", low=0)
    world_classes: str = setting(
        "main", "list of classes: main, second, third, or sounding, whose classes sound tells best"
    )
    world_zipf: float = setting(1.0, "Zipf exponent of the class frequencies of unlabelled videos; 0: balanced", low=0)
    labelled_per_class: int = setting(60, "labelled videos of each class, for evaluation", low=0)
    world_seconds: float = setting(2.56, "length of a video, seconds at 12.5 frames a second", low=0.96, high=60)
    world_size: int = setting(64, "height and width of a video, pixels, even", low=32, high=256)
    world_nuisance: float = setting(
        1.0, "strength of what hides the motions: camera shake, texture, flicker", low=0, high=1
    )
