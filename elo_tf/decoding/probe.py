"""What a video file says of itself: its sound tracks, and the encoding of its light.

    file -> ffmpeg -i, which decodes nothing -> the lines that it prints on each stream

An ffprobe program does not come with imageio-ffmpeg.
"""

import functools
import re
import subprocess
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional, Tuple

from elo_tf.config import IngestConfig
from elo_tf.decoding import ffmpeg

# Containers that carry their media in themselves, and sound files, which are refused later with a clearer reason.
_CONTAINERS = (
    "mov,matroska,avi,flv,live_flv,mpegts,mpeg,mpegvideo,m4v,h264,hevc,obu,ivf,ogg,asf,rm,gif,apng,mjpeg,nut,dv,gxf,"
    "mxf,wtv,yuv4mpegpipe,wav,w64,mp3,aac,ac3,flac,aiff,amr"
)
# Titles, comments and chapters, of any length, stand between the streams.
MOST_TEXT = 1 << 20
# Arguments by which a run that decodes also says what its input is, each line with its level.
TELLING = ("-nostats", "-loglevel", "level+info")
_HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
_INDEXED = frozenset({"mov", "matroska", "avi"})
_CONTAINER = re.compile(r"^Input #0, (\S+), from ", re.MULTILINE)
_STREAM = re.compile(r"^ +Stream #0:\S+: (Video|Audio): (.*)$", re.MULTILINE)
# Where what ffmpeg says of an input ends that it decodes.
_OUTPUT = re.compile(r"^(Stream mapping:|Output #0)", re.MULTILINE)
_LEVEL = re.compile(r"^((?:\[[^\]]* @ 0x[0-9a-f]+\] )*)\[(\w+)\] (.*)$", re.MULTILINE)
_COMPLAINTS = ("error", "fatal", "panic")
_DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?),", re.MULTILINE)


class Sound(NamedTuple):
    """A sound track.

    Attributes:
      place: Among the sound tracks, from 0.
      known: Whether ffmpeg has a decoder for it.
      channels: 1 or 2; 0 for more.
    """

    place: int
    known: bool
    channels: int


class Light(NamedTuple):
    """How code values of a picture stand for light, in ffmpeg's words: `unknown` where the file does not say."""

    matrix: str
    primaries: str
    transfer: str

    @property
    def hdr(self) -> str:
        """PQ or HLG, high dynamic range; "" for a picture that is shown as it is."""
        return _HDR.get(self.transfer, "")


UNKNOWN_LIGHT = Light("unknown", "unknown", "unknown")


class Probe(NamedTuple):
    """What is known of a file before it is decoded.

    Attributes:
      sounds: Its sound tracks.
      light: Of its picture.
      seconds: Its length; None if the file does not say it.
      indexed: Whether ffmpeg finds the frame that a moment needs. Elsewhere it may begin after it, and lose frames.
      limit: Which limit the probe passed, in a user's words; "" if none.
    """

    sounds: Tuple[Sound, ...]
    light: Light
    seconds: Optional[float]
    indexed: bool
    limit: str


def input_arguments(path: Path) -> List[str]:
    """Arguments of ffmpeg that open a file, and no other."""
    return ["-protocol_whitelist", "file", "-format_whitelist", _CONTAINERS, "-i", f"file:{path.absolute()}"]


def probe(
    path: Path, config: IngestConfig, started: Callable[[subprocess.Popen], None] = lambda process: None
) -> Probe:
    """Looks at a file. What cannot be opened has neither sound nor light; decoding it says why.

    Args:
      path: Of the file.
      config: The limits of time and memory.
      started: Called with the process.
    """

    def arguments(_: int) -> List[str]:
        return ["-loglevel", "info", *input_arguments(path)]

    run = ffmpeg.run(arguments, (0, 0), config.decode_seconds, config.decode_memory_mb, MOST_TEXT, started)
    return parse(run.errors)._replace(limit=run.limit)


def told(run: ffmpeg.Finished) -> Tuple[Probe, ffmpeg.Finished]:
    """What a run with `TELLING` tells of its input, and the run with its complaints alone."""
    lines = [(context, level, words) for context, level, words in _LEVEL.findall(run.errors)]
    facts = "\n".join(words for context, level, words in lines if level == "info" and not context)
    complaints = "".join(f"{context}{words}\n" for context, level, words in lines if level in _COMPLAINTS)
    return parse(_OUTPUT.split(facts)[0]), run._replace(errors=complaints)


def parse(text: str) -> Probe:
    """What ffmpeg prints of an input."""
    streams = _STREAM.findall(text)
    pictures = [facts for kind, facts in streams if kind == "Video" and "(attached pic)" not in facts]
    sounds = [
        Sound(place, not facts.startswith("none"), _channels(facts))
        for place, facts in enumerate(facts for kind, facts in streams if kind == "Audio")
    ]
    length = _DURATION.search(text)
    seconds = sum(float(part) * unit for part, unit in zip(length.groups(), (3600, 60, 1))) if length else None
    container = _CONTAINER.search(text)
    indexed = container is not None and container[1].split(",")[0] in _INDEXED
    return Probe(tuple(sounds), _light(pictures[0] if pictures else ""), seconds, indexed, "")


def _channels(facts: str) -> int:
    if re.search(r", (mono|1 channels)\b", facts):
        return 1
    return 2 if re.search(r", (stereo|2 channels)\b", facts) else 0


def _light(facts: str) -> Light:
    """`yuv420p10le(tv, bt2020nc/bt2020/smpte2084, progressive)`; one word stands for three that are equal."""
    for transfer in _HDR:
        named = re.search(rf"([\w-]+)/([\w-]+)/{transfer}\b", facts)
        if named:
            return Light(named[1], named[2], transfer)
    return UNKNOWN_LIGHT


@functools.lru_cache
def can_tone_map() -> bool:
    """Whether this ffmpeg has the filters that show a picture of high dynamic range on a usual screen."""
    shown = subprocess.run(
        [ffmpeg.executable(), "-hide_banner", "-filters"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    ).stdout.decode("utf-8", "replace")
    return all(re.search(rf" {name} ", shown) for name in ("zscale", "tonemap"))
