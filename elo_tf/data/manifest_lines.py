"""Checks of the lines and settings of a manifest, whoever wrote it."""

import os
from typing import Any, Dict

from elo_tf.runtime import json_text
from elo_tf.runtime.json_text import NUMBER, Kind

SPLITS = ("train", "holdout")
_SETTINGS: Dict[str, Kind] = {"size": int, "fps": NUMBER}
_LARGEST = 4096  # side of a frame, pixels
_FASTEST = 1000  # frames a second


def is_line(line: Any) -> bool:
    """Whether this is the line of a video; written for speed, since there may be millions."""
    try:
        if line["ok"] is True:
            own = (
                line["split"] in SPLITS
                and type(line["shard"]) is str
                and _is_name(line["label"])
                and type(line["frames"]) is int
                and 0 < line["frames"] < 2**31
                and type(line["sound"]) in (bool, int)
                and type(line.get("source", "")) is str
                and _is_number(line.get("start", 0.0))
                and type(line.get("mark", 0)) is int
                and type(line.get("warning", "")) is str
            )
        else:
            own = (
                line["ok"] is False
                and type(line["why"]) is str
                and type(line.get("again", False)) is bool
                and type(line.get("aside", False)) is bool
            )
        return own and bool(line["id"]) and _is_name(line["id"]) and _is_file(line.get("file"))
    except (KeyError, TypeError, AttributeError):
        return False


def _is_name(text: Any) -> bool:
    """Whether this can be the name of a file or of a class."""
    if type(text) is not str or "\0" in text:
        return False
    try:
        return text.isascii() or bool(os.fsencode(text))
    except UnicodeEncodeError:  # Half of a pair of UTF-16, which no file system has.
        return False


def _is_file(state: Any) -> bool:
    """Whether this is the size and time of a file, and the rate of a folder of frames, or nothing."""
    return state is None or (type(state) is list and len(state) in (2, 3) and all(map(_is_number, state)))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def check_head(content: Any) -> None:
    """Raises `ValueError` where the settings of a manifest, or what stands beside its lines, cannot be used."""
    json_text.check(content, {"settings": dict, "sample_rate": int, "samples_per_frame": int, "complete": bool})
    settings = content["settings"]
    json_text.check(settings, _SETTINGS)
    if not (0 < settings["size"] <= _LARGEST and 0 < settings["fps"] <= _FASTEST):
        raise ValueError(f"frames of {settings['size']} pixels, {settings['fps']} a second")
    if not 0 < content["samples_per_frame"] <= content["sample_rate"]:
        raise ValueError(f"{content['samples_per_frame']} samples a frame at {content['sample_rate']} Hz")
    counts = content.get("set_aside", {})
    if not (isinstance(counts, dict) and all(json_text.is_kind(count, int) for count in counts.values())):
        raise ValueError("'set_aside' is no numbers by extension")
