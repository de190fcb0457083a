"""Whether `elo_tf.prepare` keeps its pace and its memory to the end of a folder of very many small videos.

    python -m experiments.benchmarks.prepare_many [--videos=8000 --workers=local:2]
    python -m experiments.benchmarks.prepare_many --videos=100                         smoke size

The videos are hard links of eight test patterns of 1 s with sound, 64 x 48 pixels: names count, contents do not. Shards
are of 1 MiB, so that as many are put in place as of videos twenty times as large. Printed by tenths of the run:

videos/s            on the clock
ms of the parent    its processor time a video; if something in it grew with the number of videos, so would this
MiB of the parent   what it has in RAM; that of the workers does not depend on the number of videos

Hardware: any; where other work runs beside it, the processor time is what counts.
Obtained with 300 videos, one worker, other work on both of 2 cores: 2.8 to 7.7 videos/s; the parent took .61 ms a video
in the first tenth and .27 to .33 in all others, and 67.5 to 67.6 MiB; 15 shards. What grows only with thousands of
videos would not show in so short a run: thousands have not been run.
"""

import dataclasses
import os
import pathlib
import subprocess
import tempfile
import time
from typing import List, Tuple

import imageio_ffmpeg

from elo_tf.config import Checked, IngestConfig, from_flags, setting
from elo_tf.data.records import SPLITS
from elo_tf.prepare.convert import convert
from elo_tf.runtime import command_line
from elo_tf.runtime.workers.base import Engine
from elo_tf.runtime.workers.select import parse
from experiments.benchmarks import process_memory


@dataclasses.dataclass(frozen=True)
class ManyConfig(Checked):
    """The flags of this benchmark."""

    folder: str = setting(
        "", "where videos and records are made for the time of the run; none: the usual place", path=True
    )
    videos: int = setting(8000, "videos to convert", low=10)
    workers: str = setting("local:2", "as of elo_tf.prepare")


PATTERNS = 8
TENTHS = 10


def main() -> None:
    config = from_flags(ManyConfig)
    with tempfile.TemporaryDirectory(dir=config.folder or None) as scratch:
        print(measure(pathlib.Path(scratch), config.videos, parse(config.workers)))


def measure(folder: pathlib.Path, count: int, engine: Engine) -> str:
    """Makes and converts so many videos in a folder; the table of how it went."""
    make_videos(folder, count)
    course = Course()
    made = convert(folder / "videos", folder / "records", IngestConfig(size=32, shard_mb=1), engine, course)
    shards = sum(len(made.manifest.shards(split)) for split in SPLITS)
    return f"{made.converted} videos in {shards} shards; by tenths of the run:\n{course.table()}"


def make_videos(folder: pathlib.Path, count: int) -> None:
    """Renders the patterns, and links them under so many names in folder/videos, a thousand a folder."""
    patterns = [folder / f"{number}.mp4" for number in range(PATTERNS)]
    for number, path in enumerate(patterns):
        sources = ["-f", "lavfi", "-i", f"testsrc2=s=64x48:r=12.5:d=1,hue=h={45 * number}"]
        sources += ["-f", "lavfi", "-i", f"sine=frequency={200 + 50 * number}:duration=1"]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *sources, "-pix_fmt", "yuv420p", str(path)]
        subprocess.run(command, check=True)
    for number in range(count):
        below = folder / "videos" / f"{number // 1000:04d}"
        below.mkdir(parents=True, exist_ok=True)
        os.link(patterns[number % PATTERNS], below / f"{number:07d}.mp4")


class Course:
    """What a conversion has taken by each tenth of it: seconds, processor seconds of this process, and its MiB."""

    def __init__(self) -> None:
        self.rows: List[Tuple[int, float, float, float]] = [(0, *self._now())]

    def __call__(self, done: int, count: int) -> None:
        if done * TENTHS // count >= len(self.rows):
            self.rows.append((done, *self._now()))

    @staticmethod
    def _now() -> Tuple[float, float, float]:
        return time.monotonic(), time.process_time(), process_memory.mebibytes("VmRSS")

    def table(self) -> str:
        """A line a tenth; the first has the start of the workers, too."""
        lines = ["videos  videos/s  ms of the parent  MiB of the parent"]
        for (before, begun, used, _), (done, ended, now, memory) in zip(self.rows, self.rows[1:]):
            count = done - before
            lines.append(f"{done:6d}{count / (ended - begun):10.1f}{1000 * (now - used) / count:18.2f}{memory:19.1f}")
        return "\n".join(lines)


if __name__ == "__main__":
    command_line.run(main, __doc__, [ManyConfig])
