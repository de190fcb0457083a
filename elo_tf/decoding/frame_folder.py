"""Reads a folder of numbered images, such as `img_00001.jpg`, as a video."""

import math
from pathlib import Path
from typing import List, Optional

import cv2
import numpy as np

from elo_tf.config import IngestConfig
from elo_tf.decoding.decode import Decoded, UnusableError
from elo_tf.decoding.listing import frame_names, missing_numbers


def read_frames(folder: Path, config: IngestConfig, start: float = 0.0) -> Decoded:
    """Reads the first `max_seconds` of the images, or those from `start` on; they come at `frames_fps`, without sound.

    An image that cannot be decoded is replaced by the one before it. Numbers that are missing are a warning.

    Raises:
      UnusableError: no image can be decoded.
      OSError: the folder cannot be read.
    """
    names = frame_names(path.name for path in folder.iterdir())[round(start * config.frames_fps) :]
    seconds = min(len(names) / config.frames_fps, config.max_seconds)
    frames: List[np.ndarray] = []
    first, bad = 0, 0
    for number in range(max(1, round(seconds * config.fps))):
        place = min(len(names) - 1, math.floor(number * config.frames_fps / config.fps + 1e-6))
        frame = _square(folder / names[place], config.size)
        bad += frame is None
        if frame is not None:
            frames.append(frame)
        elif frames:
            frames.append(frames[-1])
        else:
            first += 1
    if not frames:
        raise UnusableError(f"none of its {len(names)} images can be decoded")
    frames = [frames[0]] * first + frames
    warnings = [f"damaged: {bad} frames cannot be decoded"] if bad else []
    missing = missing_numbers(names[: place + 1])
    if missing:
        warnings.append(f"{missing} numbers are missing among its images, which follow each other without a gap")
    return Decoded(np.stack(frames), None, "; ".join(warnings))


def _square(path: Path, size: int) -> Optional[np.ndarray]:
    """uint8 [size,size,3], RGB, the centre square of an image; None if it cannot be decoded."""
    content = np.fromfile(path, np.uint8)  # OpenCV takes no names that are no UTF-8.
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if picture is None:
        return None
    height, width, _ = picture.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side, ::-1]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(square), (size, size), interpolation=method)


def length_of(folder: Path, config: IngestConfig) -> float:
    """Seconds that the images of a folder last."""
    return len(frame_names(path.name for path in folder.iterdir())) / config.frames_fps
