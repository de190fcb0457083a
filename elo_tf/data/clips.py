"""The definition of a clip: modalities, segments of a video, and the structure of a batch.

Letters used in every docstring of the project, one meaning each: `B` clips, `T` frames, `H` `W` pixels, `C` channels,
`D` embedding width, `K` clusters, `N` videos (or future frames, where the text says so), `R` k-means restarts, `G`
loss weights, `S` spectrogram steps a frame, `M` mel bins.

A batch (`Clips`) is a dictionary of dictionaries of float32 tensors:

    now       the clip itself                   {"rgb": [B,T,H,W,3], "flow": [B,T,H,W,2], "audio": [B,T,S,M,1]}
    next      the N frames that follow          the same with N in place of T
    other     another moment of the same video  as `now`
    present   {"rgb": [B], "flow": [B], "audio": [B]}, 1 where the video has the modality, else 0
    noise     [B,NOISE], uniform in [0,1): the clip's own random numbers, for views that need chance
    label     [B] int32, class of the video, -1 where it has none; never read in training
    video     [B] int64, index of the video in the manifest

Ranges: rgb and grey in [0,1]; flow (u,v) clipped and scaled to [-1,1]; audio log-mel in [0,1], 0 = 80 dB below full
scale. Grey (`[...,1]`, luma of the augmented rgb) is derived in the graph and is never stored.
"""

import dataclasses
from typing import Any, Dict, Sequence, Tuple

from elo_tf.config import InputError

Clips = Dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Modality:
    """A way to observe a video.

    Attributes:
      name: Key in batches and first part of the names of λ.
      letter: Symbol in the figures (Fig. 3).
      channels: C of its clips.
      source: The stored modality from which its clips are derived.
    """

    name: str
    letter: str
    channels: int
    source: str


MODALITIES: Dict[str, Modality] = {
    modality.name: modality
    for modality in (
        Modality("rgb", "R", 3, "rgb"),
        Modality("grey", "G", 1, "rgb"),
        Modality("flow", "F", 2, "flow"),
        Modality("audio", "A", 1, "audio"),
    )
}

SEGMENTS: Tuple[str, ...] = ("now", "next", "other")

# Random numbers that each clip carries. They come with the data, so that what a clip looks like does not depend on
# which replica, or which place in a batch, it falls on.
NOISE = 64


@dataclasses.dataclass(frozen=True)
class ClipSizes:
    """Sizes that all clips of a run share, in the letters above.

    Attributes:
      frames: T.
      future_frames: N, frames of the segment `next`.
      size: H = W.
      audio_steps: S.
      mel_bins: M.
    """

    frames: int
    future_frames: int
    size: int
    audio_steps: int
    mel_bins: int

    def frame_shape(self, modality: str) -> Tuple[int, int, int]:
        """(height, width, channels) of one frame of a modality; for audio (S, M, 1)."""
        channels = MODALITIES[modality].channels
        if modality == "audio":
            return self.audio_steps, self.mel_bins, channels
        return self.size, self.size, channels

    def segment_shape(self, segment: str, modality: str) -> Tuple[int, int, int, int]:
        """(frames, height, width, channels) of a segment of a modality."""
        frames = self.future_frames if segment == "next" else self.frames
        return (frames, *self.frame_shape(modality))


def check_modalities(names: Sequence[str]) -> Tuple[str, ...]:
    """The names in canonical order.

    Raises:
      InputError: a name is unknown, or rgb is not among them.
    """
    for name in names:
        if name not in MODALITIES:
            raise InputError(f"--modalities: {name!r} is unknown; choose from {', '.join(MODALITIES)}")
    if "rgb" not in names:
        raise InputError(f"--modalities={','.join(names)} lacks rgb, whose tower is kept; add it")
    return tuple(name for name in MODALITIES if name in names)


def centre(stored: int, size: int) -> slice:
    """The rows, or columns, of a stored frame that a clip of `size` pixels shows where nothing is varied."""
    first = (stored - size) // 2
    return slice(first, first + size)
