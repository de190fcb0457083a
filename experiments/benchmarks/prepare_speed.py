"""Speed of `elo_tf.prepare`: the whole command from start to end, on a folder of short videos.

    python experiments/benchmarks/prepare_speed.py --videos=DIR [--workers=local:2]
    python experiments/benchmarks/prepare_speed.py           on 24 test patterns of 10 s with sound, made first

Goal: 60 x real time at --size=64 --fps=12.5 with DIS flow on two cores.

81 clips of at most 10 s, H.264, short side 128 pixels, 640 s in all, on 2 cores (AVX-512): 5.0 and 5.2 s on the clock,
122 to 129 x real time; with other programs on both cores (load 5) 11.0 s, 58 x.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import imageio_ffmpeg
from absl import app, flags

from elo_tf.config import define_path
from elo_tf.data.records import Manifest

_VIDEOS = define_path("videos", None, "folder of videos; none makes test patterns")
_WORKERS = flags.DEFINE_string("workers", "local:2", "as of elo_tf.prepare")
_REPEATS = flags.DEFINE_integer("repeats", 3, "runs, of which the fastest counts", lower_bound=1)


def make_patterns(folder: Path, count: int = 24) -> None:
    """Writes `count` videos of 10 s, 228 x 128 pixels at 25 fps, with a tone."""
    for number in range(count):
        picture = f"testsrc2=s=228x128:r=25:d=10,hue=h={15 * number}"
        sources = ["-f", "lavfi", "-i", picture]
        sources += ["-f", "lavfi", "-i", f"sine=frequency={200 + 20 * number}:duration=10"]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *sources, str(folder / f"{number}.mp4")]
        subprocess.run(command, check=True)


def measure(videos: Path, records: Path) -> None:
    """Runs the command once and prints its time on the clock and its processor time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "elo_tf.prepare", f"--videos={videos}", f"--records={records}"]
    subprocess.run([*command, f"--workers={_WORKERS.value}"], check=True, stdout=subprocess.DEVNULL)
    elapsed, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    manifest = Manifest.load(str(records))
    seconds = manifest.usable.frames.sum() / manifest.settings["fps"]
    print(
        f"{len(manifest.usable)} videos, {seconds:.0f} s: {elapsed:.1f} s on the clock, "
        f"{processor:.1f} s of processor time, {seconds / elapsed:.0f} x real time"
    )


def main(_) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        videos = Path(_VIDEOS.value) if _VIDEOS.value else Path(scratch) / "videos"
        if not _VIDEOS.value:
            videos.mkdir()
            make_patterns(videos)
        for number in range(_REPEATS.value):
            measure(videos, Path(scratch) / f"records{number}")


if __name__ == "__main__":
    app.run(main)
