"""What ffmpeg is told of the picture of a file, and what it tells of gaps between frames.

file -> gaps -> fps -> centre square -> scale -> usual light -> RGB24
"""

import re
import sys
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

from elo_tf.config import IngestConfig
from elo_tf.decoding import ffmpeg
from elo_tf.decoding.probe import Light, Probe, can_tone_map, input_arguments

# A number that an expression of a filter prints.
_TOLD = re.compile(r"^\[Eval @ [^\]]*\] (-?[\d.]+)\n?", re.MULTILINE)
# From high dynamic range to what a usual screen shows: what is as bright as paper (203 cd/m2, ITU-R BT.2408) becomes
# nearly white, what is darker than 0.6 of that stays as it is, and what is up to five times brighter is squeezed in
# between.
_PAPER_WHITE = 203
_TONE_MAP = "tonemap=mobius:param=0.6:peak=5:desat=0"


class Gap(NamedTuple):
    """A time without frames, in seconds.

    Attributes:
      last: Time of the frame before it; -1 if there is none.
      next: Time of the frame after it.
    """

    last: float
    next: float

    def frames(self, fps: float) -> int:
        """Frames up to its start. A video that starts late repeats its first frame until then: all of them."""
        return sys.maxsize if self.last < 0 else int(self.last * fps + 1e-6) + 1

    @property
    def warning(self) -> str:
        if self.last < 0:
            return f"its first frame comes after {self.next:.4g} s, and is shown from the start"
        return f"cut at {self.last:.4g} s, after which no frame comes for {self.next - self.last:.4g} s"


def find_gap(run: ffmpeg.Finished, start: float = 0.0, passed: float = 0.0) -> Tuple[ffmpeg.Finished, Optional[Gap]]:
    """A run without the lines with which `picture_arguments` tells of gaps, and the first gap between frames.

    Where there is none, it is the time before the first frame, if that is long. From a later start on, that time counts
    first.

    Args:
      run: What ffmpeg gave.
      start: Seconds that were passed over.
      passed: Those of them that ffmpeg decoded and dropped, so that it counts them.
    """
    times = [float(time) for time in _TOLD.findall(run.errors)]
    gaps = [Gap(last - passed, after - passed) for last, after in zip(times[::2], times[1::2]) if after > passed]
    if not times:
        return run, None
    between = [gap for gap in gaps if gap.last >= 0]
    return run._replace(errors=_TOLD.sub("", run.errors)), next(iter(gaps if start else between or gaps), None)


def passed_over(about: Probe, start: float) -> float:
    """Seconds before a start that have to be decoded and dropped, since there is no index to find it by."""
    return 0.0 if about.indexed else start


def picture_arguments(path: Path, config: IngestConfig, about: Probe, start: float = 0.0) -> List[str]:
    """Arguments of ffmpeg that give the frames of a file as RGB24, [size,size,3] each, on standard output.

    Args:
      path: Of the file.
      config: Settings.
      about: What is known of the file.
      start: Seconds that are passed over.
    """
    fps = f"{config.fps:.9g}"
    picture = [f"fps={fps}:start_time=0"]
    if config.max_gap_seconds:
        # All frames pass; one after a gap prints the times before and after it, as errors are printed (level 16). The
        # time before the first frame counts as -1. Frames may come without a time, which must not drop them.
        most = f"{config.max_gap_seconds:.9g}"
        before = f"st(0,if(isnan(prev_t),if(gt(t,{most}),-1,t),prev_t))"
        told = f"if(gt(t-ld(0),{most}),1+0*print(ld(0),16)*print(t,16),1)"
        picture.insert(0, f"select='if(isnan({before}),1,{told})'")
    picture += [
        "crop=w='max(1,min(iw,ih/sar))':h='max(1,min(ih,iw*sar))':exact=1",
        f"scale={config.size}:{config.size}:flags=bilinear",
    ]
    if about.light.hdr and can_tone_map():
        picture += _to_usual_range(about.light)
    command = ["-filter_threads", "1", "-threads", "1"]
    passed = passed_over(about, start)
    if start > passed:
        command += ["-ss", f"{start:.9g}"]
    command += input_arguments(path)
    # `V` leaves cover pictures of sound files aside. `-r` beside the fps filter keeps one clock when the picture
    # changes its size within a file, which restarts the filters.
    command += ["-map", "0:V:0", "-vf", ",".join([*picture, "format=rgb24"]), "-r", fps]
    command += span(passed, config)
    return [*command, "-threads", "1", "-f", "rawvideo", "pipe:1"]


def span(passed: float, config: IngestConfig) -> List[str]:
    """Arguments of ffmpeg for what is kept of an output."""
    return (
        ["-ss", f"{passed:.9g}", "-t", f"{config.max_seconds:.9g}"] if passed else ["-t", f"{config.max_seconds:.9g}"]
    )


def _to_usual_range(light: Light) -> List[str]:
    """Filters from PQ or HLG to BT.709."""
    primaries = "bt2020" if light.primaries == "unknown" else light.primaries
    matrix = "bt2020nc" if light.matrix == "unknown" else light.matrix
    return [
        f"zscale=tin={light.transfer}:pin={primaries}:min={matrix}:t=linear:npl={_PAPER_WHITE}",
        "format=gbrpf32le",
        "zscale=p=bt709",
        _TONE_MAP,
        "zscale=t=bt709:m=bt709:r=tv",
        "format=yuv444p",
    ]


def light_warnings(about: Probe) -> List[str]:
    """What the user should know of the light in the picture."""
    if not about.light.hdr or can_tone_map():
        return []
    return [
        f"high dynamic range ({about.light.hdr}) that this ffmpeg cannot map: colours are pale; update imageio-ffmpeg"
    ]
