"""Settings of embedding videos by an exported module."""

import dataclasses

from elo_tf.config.fields import Checked, setting


@dataclasses.dataclass(frozen=True)
class EmbedConfig(Checked):
    """How videos are cut into windows and embedded by an exported module (`elo_tf.embed`)."""

    frames: int = setting(0, "T, frames a window; 0 is what the module was trained on", low=0)
    stride: int = setting(0, "frames between the starts of two windows; 0 is T, windows side by side", low=0)
    size: int = setting(0, "H = W of a window, pixels; 0 is what the module was trained on", low=0, high=1024)
    fps: float = setting(0.0, "frames a second after resampling; 0 is what the module was trained on", low=0, high=120)
    short_videos: str = setting(
        "loop", "videos of fewer frames than a window: loop (they begin again), or refuse", choices=("loop", "refuse")
    )
    batch_size: int = setting(16, "B, windows that the module embeds at a time, of one video or several", low=1)
    decoders: int = setting(0, "videos decoded at a time; 0 is one a core", low=0)
    store_windows: bool = setting(True, "store the embedding of each window, not of each video only")
    max_seconds: float = setting(86400.0, "no more than this much of a video is embedded, seconds", low=0.1)
    decode_seconds: float = setting(120.0, "a decoder that gives no frame for so long is ended, seconds", low=1)
    decode_memory_mb: int = setting(2048, "a decoder that takes more memory is ended, MiB", low=256)
    max_bad_fraction: float = setting(0.5, "stop if more than this part of the videos is unusable", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class LookupConfig(Checked):
    """Where embeddings go, and what is looked up among them (`elo_tf.embed.neighbours`)."""

    model: str = setting("", "directory of an exported module, or of its versions", path=True)
    videos: str = setting("", "folder of videos, or a video", path=True)
    output: str = setting("", "file of embeddings, .npz or .tfrecord; looked up in by --query", path=True)
    query: str = setting("", "a video; prints the videos of --output that are nearest to it", path=True)
    neighbours: int = setting(5, "how many videos --query prints", low=1)
    by: str = setting("video", "--query compares whole videos, or their best moments", choices=("video", "window"))
    centre: bool = setting(False, "--query compares what differs from the mean of --output")
    picture: str = setting("", "PNG file for film strips of the query and what is nearest to it", path=True)
