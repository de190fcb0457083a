"""Pictures that are part of a page: PNGs with the size at which it shows them."""

import base64
import dataclasses
import io
import pathlib
import struct

import numpy as np
from matplotlib import image

from elo_tf.plots.files import DOTS_PER_INCH
from elo_tf.plots.film_strip import film_strip

# CSS has 96 pixels an inch.
_CSS_PIXELS = 96 / DOTS_PER_INCH
# Frames of videos are stored no larger than this, pixels a side: a page should fit into a mail.
_LARGEST_FRAME = 96


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Attributes:
      source: The PNG itself, as an address.
      width, height: In CSS pixels.
    """

    source: str
    width: int
    height: int

    @classmethod
    def of_figure(cls, path: pathlib.Path) -> "Picture":
        """A figure that `elo_tf.plots.files.save` has written, as large as it would be on paper."""
        return cls._of(path.read_bytes(), _CSS_PIXELS)

    @classmethod
    def of_frames(cls, frames: np.ndarray) -> "Picture":
        """Frames uint8 [f,H,W,3] side by side, shrunk by a whole number where they are large."""
        content = io.BytesIO()
        image.imsave(content, film_strip(frames, _LARGEST_FRAME), format="png")
        return cls._of(content.getvalue(), 1.0)

    @classmethod
    def _of(cls, png: bytes, scale: float) -> "Picture":
        width, height = struct.unpack(">II", png[16:24])  # The header that begins every PNG.
        source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        return cls(source, round(width * scale), round(height * scale))
