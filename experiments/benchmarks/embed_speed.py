"""Speed and memory of `elo_tf.embed`: the whole command from start to end, with an export of an untrained tower.

    python -m experiments.benchmarks.embed_speed --videos=DIR [--backbone=tiny] [--stride=8]
    python -m experiments.benchmarks.embed_speed         on 12 test patterns of 10 s, made first
    python -m experiments.benchmarks.embed_speed --smoke

Windows are 8 frames of 56 x 56 pixels at 12.5 frames a second. Prints, for each run, seconds on the clock, processor
time, video embedded against real time (of the whole command, and without its start: loading TensorFlow and the module),
and the peak memory of the program; then the peak memory for one video of 10 s and for one of --long_seconds.

Goals: 20 x real time with `tiny` on two cores; memory that does not grow with the length of a video.
Obtained on the 12 patterns, 120 s of video in all: 17 x real time, 7.0 s of which 6 s are the start of the program;
138 x once started. On 81 real clips of 640 s in all: 77 x (8.3 s), 232 x once started. Peak 693 MiB for a video of
10 s, 697 MiB for one of 1200 s.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Tuple

import imageio_ffmpeg
from absl import flags

from elo_tf.config import define_path
from elo_tf.runtime import command_line

_VIDEOS = define_path("videos", None, "folder of videos; none makes test patterns")
_BACKBONE = flags.DEFINE_enum("backbone", "tiny", ["tiny", "r18", "r50"], "tower to embed with")
_STRIDE = flags.DEFINE_integer("stride", 8, "as of elo_tf.embed", lower_bound=1)
_DECODERS = flags.DEFINE_integer("decoders", 0, "as of elo_tf.embed", lower_bound=0)
_REPEATS = flags.DEFINE_integer("repeats", 3, "runs", lower_bound=1)
_LONG_SECONDS = flags.DEFINE_integer("long_seconds", 1200, "length of the long video", lower_bound=20)
_SMOKE = flags.DEFINE_bool("smoke", False, "one run on two short patterns, and 40 s as a long video")

FPS = 12.5


def make_pattern(path: Path, seconds: int, number: int = 0) -> None:
    """Writes a video of 228 x 128 pixels at 25 frames a second."""
    picture = f"testsrc2=s=228x128:r=25:d={seconds},hue=h={15 * number}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-f", "lavfi", "-i", picture]
    subprocess.run([*command, "-preset", "ultrafast", str(path)], check=True)


def run(model: Path, videos: Path, output: Path) -> Tuple[str, float, float, float]:
    """What the command prints, and its seconds on the clock, of processors, and its peak memory, MiB."""
    begun = time.monotonic()
    arguments = [f"--model={model}", f"--videos={videos}", f"--output={output}"]
    arguments += [f"--stride={_STRIDE.value}", f"--decoders={_DECODERS.value}"]
    process = subprocess.Popen([sys.executable, "-m", "elo_tf.embed", *arguments], stdout=subprocess.PIPE, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # Also of the decoders that it has waited for.
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    return text, time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure_speed(model: Path, videos: Path, scratch: Path, repeats: int) -> None:
    """Embeds a folder several times."""
    from elo_tf.embed.table import Table

    for number in range(repeats):
        text, elapsed, processor, peak = run(model, videos, scratch / f"{number}.npz")
        table = Table.load(scratch / f"{number}.npz")
        seconds = sum(entry.frames for entry in table.entries) / FPS
        windows = sum(len(entry.offsets) for entry in table.entries)
        started = re.search(r"in [\d.]+ s, \d+ x real time", text)[0]
        print(
            f"{len(table.entries)} videos, {seconds:.0f} s, {windows} windows: {elapsed:.1f} s on the clock, "
            f"{processor:.1f} s of processors, {seconds / elapsed:.0f} x real time ({started} once started), "
            f"{peak:.0f} MiB"
        )


def measure_memory(model: Path, scratch: Path, long_seconds: int) -> None:
    """Embeds a short and a long video."""
    for seconds in (10, long_seconds):
        make_pattern(scratch / f"{seconds}.mp4", seconds)
        peak = run(model, scratch / f"{seconds}.mp4", scratch / f"{seconds}.npz")[-1]
        print(f"one video of {seconds} s: {peak:.0f} MiB")


def main() -> None:
    from elo_tf.networks.tower import Description, Tower, make_network
    from export import saved_model

    if _SMOKE.value:
        count, length, repeats, long_seconds = 2, 4, 1, 40
    else:
        count, length, repeats, long_seconds = 12, 10, _REPEATS.value, _LONG_SECONDS.value
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        about = Description(
            backbone=_BACKBONE.value, precision="float32", frames=8, size=56, fps=FPS, stored_size=64, loss={},
            training={}, data={},
        )  # fmt: skip
        found = Tower(make_network(_BACKBONE.value), about, 0, "untrained")
        saved_model.write(found, scratch / "elo_rgb", saved_model.ExportConfig(warmup_batch_sizes=()))
        videos = Path(_VIDEOS.value) if _VIDEOS.value else scratch / "videos"
        if not _VIDEOS.value:
            videos.mkdir()
            for number in range(count):
                make_pattern(videos / f"{number}.mp4", length, number)
        measure_speed(scratch / "elo_rgb", videos, scratch, repeats)
        measure_memory(scratch / "elo_rgb", scratch, long_seconds)


if __name__ == "__main__":
    command_line.run(main, __doc__, [])
