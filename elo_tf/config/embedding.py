"""Settings of embedding videos with an exported module."""

import dataclasses

from elo_tf.config.fields import Checked, setting


@dataclasses.dataclass(frozen=True)
class EmbedConfig(Checked):
    """How videos are cut into windows and embedded by an exported module (`elo_tf.embed`)."""

    frames: int = setting(0, "T, frames a window; 0: as in training", low=0)
    stride: int = setting(0, "frames between the starts of two windows; 0: T, so that windows do not overlap", low=0)
    size: int = setting(0, "H = W of a window, pixels; 0: as in training", low=0, high=1024)
    fps: float = setting(0.0, "frames a second after resampling; 0: as in training", low=0, high=120)
    short_videos: str = setting(
        "loop",
        "videos of fewer frames than a window: loop repeats their frames, refuse leaves them out",
        choices=("loop", "refuse"),
    )
    batch_size: int = setting(16, "B, windows embedded at a time, of one video or several", low=1)
    decoders: int = setting(0, "videos decoded at a time; 0: one a core", low=0)
    store_windows: bool = setting(True, "store the embeddings of windows too, not only those of videos")
    max_seconds: float = setting(86400.0, "greatest length embedded of a video, seconds", low=0.1)
    decode_seconds: float = setting(120.0, "longest wait for a frame before the decoder is stopped, seconds", low=1)
    decode_memory_mb: int = setting(2048, "memory at which a decoder is stopped, MiB", low=256)
    max_bad_fraction: float = setting(0.5, "stop if more than this fraction of the videos is unusable", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class LookupConfig(Checked):
    """Where embeddings go, and what is looked up among them (`elo_tf.embed.neighbours`)."""

    model: str = setting("", "directory of an exported module, or of its versions (the newest is used)", path=True)
    videos: str = setting("", "folder of videos, or a video", path=True)
    output: str = setting("", "file of embeddings, .npz or .tfrecord; --query searches in it", path=True)
    query: str = setting("", "a video; the command prints the videos of --output nearest to it", path=True)
    neighbours: int = setting(5, "number of videos that --query prints", low=1)
    by: str = setting(
        "video",
        "what --query compares: video, whole videos; window, their best matching windows",
        choices=("video", "window"),
    )
    centre: bool = setting(False, "--query subtracts the mean of --output from all embeddings first")
    picture: str = setting("", "PNG file for film strips of the query and its neighbours", path=True)
