"""The cost of two million videos before the first step, and how well streaming mixes them.

    python -m experiments.benchmarks.two_million --folder=DIR [--videos=2000000 --visited=200000]
    python -m experiments.benchmarks.two_million --folder=DIR --videos=4000 --visited=4000      smoke size

No video is rendered: each record has its own id and index, and the same four frames of 16 x 16 pixels, 3.3 kB, so that
two million fit on a disk (6.6 GB) and all commands take them for what `elo_tf.prepare` wrote. What is measured does not
depend on what the frames show.

start-up    a training of two steps (--resident_gb=0) less the same on 64 videos: what the number of videos costs
memory      the most that a process had in RAM: of that training; of the search's own process, and of its worker
mixing      Spearman's correlation between the place of a video in the shards and the place at which it is visited,
            among the first --visited of an epoch, beside what chance gives where whole shards come in random order;
            and the shards that a batch of 64 comes from. In file order these are 1 and 1 or 2; well mixed they are 0
            and 64, or about as many as shards are read at a time (8)

Targets: start-up at most 15 s and 2.5 GB for the training, 1.5 GB for a further worker.
Hardware: any; nothing else should run.
Obtained on 2 cores, with other work on both of them, so that only memory and, less so, processor time say much.
Two million videos: train took 14.3 s of processor time more than with 64 (140.7 s on the clock, at a tenth of a core),
and 994 MiB (629 with 64). The search's own process had 934 MiB, its worker 1030 MiB; the whole search took 52.2 s of
processor time. As a tuple a video, in place of columns, the reader alone had 1560 MiB.
Mixing, 20 000 of 200 000 videos: correlation -.041 (by chance +-.071), batches from 8 shards. With 32 shards read at a
time -.021 and 29 shards, at the same processor time. Earlier figures, +.069 and +.125 over 100 shards and fewer, are
within chance, too. Not measured: what 32 at a time cost in memory where records are large; mixing of two million.
What to take from it: the order of videos is random as far as shards are, and `elo_tf.prepare` fills a shard with
videos in the order of a hash, so that a batch is a random sample of the folder; but videos of a shard meet often.
"""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import threading
import time
from typing import Dict, Iterator, List, NamedTuple, Tuple

import numpy as np

from elo_tf.config import Checked, DataConfig, InputError, from_flags, require, setting
from elo_tf.data import records
from elo_tf.data.tfrecord import SequenceExample, frame_record
from elo_tf.runtime import command_line
from elo_tf.runtime.progress import progress_bar
from experiments.benchmarks import process_memory


@dataclasses.dataclass(frozen=True)
class ScaleConfig(Checked):
    """The flags of this benchmark."""

    folder: str = setting("", "where the records are made, or were made before", path=True)
    videos: int = setting(2_000_000, "videos of the records", low=1000)
    visited: int = setting(200_000, "videos of the epoch, for the mixing", low=1000)
    measure: Tuple[str, ...] = setting(("training", "search", "mixing"), "what to measure: training, search, mixing")


FEW = 64  # videos of the records that start-up is compared with
A_SHARD = 100  # videos of a shard: 32 MiB of 64 pixels hold about as many
BATCH = 64
FRAMES, SIZE, SAMPLES = 4, 16, 1280
_HELD_OUT = 100  # one in so many
SETTINGS = {"size": SIZE, "fps": 12.5, "flow": "dis", "flow_bound": 20.0, "max_seconds": 30.0, "jpeg_quality": 92,
            "labels": "none", "holdout_fraction": 1 / _HELD_OUT}  # fmt: skip
CLIPS = ["--frames=3", "--crop_size=16", "--batch_size=4", "--resident_gb=0", "--tasks=rgb/shuffle", "--modalities=rgb"]


class Run(NamedTuple):
    """A command: wall and processor time, s, and the most memory, MiB, of its process and of any that it started."""

    seconds: float
    processor: float
    own: float
    child: float


def main() -> None:
    config = from_flags(ScaleConfig)
    require(config, "folder")
    folder = pathlib.Path(config.folder)
    many, few = (make_records(folder / str(count), count) for count in (config.videos, FEW))
    if "training" in config.measure:
        whole, base = (_run("train", path, folder, "--loss=random:0", "--drop_below=0") for path in (many, few))
        print(_described("train", whole, base), flush=True)
    if "search" in config.measure:
        # Without the health gate and by a score of the features alone: all videos show the same.
        flags_of_search = ("--generations=1", "--population=3", "--rescore=0", "--clusters=4", "--scoring_clips=16",
                           "--nohealth_gate", "--fitness=zipf")  # fmt: skip
        whole, base = (
            _run("search", path, folder, *flags_of_search, "--workers=local:1", "--restarts=2") for path in (many, few)
        )
        print(f"{_described('search', whole, base)}; a worker {whole.child:.0f} MiB ({base.child:.0f})", flush=True)
    if "mixing" in config.measure:
        print(mixing(many, min(config.visited, config.videos // 2)))


def _described(verb: str, whole: Run, base: Run) -> str:
    return (
        f"start-up of {verb}: {whole.seconds - base.seconds:.1f} s more than with {FEW} videos ({base.seconds:.1f} s), "
        f"{whole.processor - base.processor:.1f} s of processor time; {whole.own:.0f} MiB (with {FEW}: {base.own:.0f})"
    )


def make_records(folder: pathlib.Path, count: int) -> pathlib.Path:
    """A folder of records of so many videos, made where it does not exist.

    Args:
      folder: Of the records.
      count: Videos; one in a hundred, or a quarter of fewer than a thousand, is held out.
    """
    if (folder / records.MANIFEST).exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{records.MANIFEST}.part"
    counts: Dict[str, int] = dict.fromkeys(records.SPLITS, 0)
    open_shards: Dict[str, List[bytes]] = {split: [] for split in records.SPLITS}
    with progress_bar(count, "video", what="writing") as bar, open(part, "w", encoding="ascii") as manifest:
        manifest.write(_head())
        for number in range(count):
            split = "holdout" if number % (_HELD_OUT if count >= 1000 else 4) == 0 else "train"
            name, video = f"{split}-{counts[split] // A_SHARD:05d}.tfrecord", f"{number:09d}.mp4"
            counts[split] += 1
            shard = open_shards[split]
            shard.append(frame_record(_record(video)))
            if len(shard) == A_SHARD:
                _write_shard(folder / name, shard)
            line = {"id": video, "ok": True, "split": split, "label": "", "frames": FRAMES, "sound": False,
                    "mark": records.identity(video)[0], "file": [123456, 1700000000000000000 + number],
                    "shard": name}  # fmt: skip
            manifest.write(f"{json.dumps(line)}{',' if number + 1 < count else ''}\n")
            bar.update()
        for split, shard in open_shards.items():
            if shard:
                _write_shard(folder / f"{split}-{counts[split] // A_SHARD:05d}.tfrecord", shard)
        manifest.write("]\n}\n")
    os.replace(part, folder / records.MANIFEST)
    return folder


def _write_shard(path: pathlib.Path, shard: List[bytes]) -> None:
    """Writes records and forgets them; not synchronised, since 20 000 waits for the disk take minutes."""
    path.write_bytes(b"".join(shard))
    shard.clear()


def _head() -> str:
    head = {
        "schema": records.SCHEMA,
        "complete": True,
        "settings": SETTINGS,
        "sample_rate": 16000,
        "samples_per_frame": SAMPLES,
        "labels": [],
        "set_aside": {},
    }
    lines = "".join(f"{json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    return f'{{\n{lines}"videos": [\n'


@functools.cache
def _common() -> bytes:
    """What all records have in common, serialised: without id and index."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, [FRAMES, 2, 2, 3], np.uint8).repeat(SIZE // 2, axis=1).repeat(SIZE // 2, axis=2)
    flow = np.full([FRAMES, SIZE, SIZE, 2], 128, np.uint8)
    example = SequenceExample.FromString(records.serialize("", "", frames, flow, None, jpeg_quality=50))
    for name in (records.ID, records.INDEX):
        del example.context.feature[name]
    return example.SerializeToString(deterministic=True)


def _record(video: str) -> bytes:
    """A record: messages that stand one behind the other are read as one."""
    own = SequenceExample()
    own.context.feature[records.ID].bytes_list.value.append(video.encode())
    own.context.feature[records.INDEX].int64_list.value.append(records.identity(video)[0])
    return own.SerializeToString() + _common()


def _run(verb: str, path: pathlib.Path, folder: pathlib.Path, *given: str) -> Run:
    """Runs `elo_tf.VERB` for two steps on records, in a run directory of its own."""
    run_dir = folder / f"{verb}-{path.name}-{time.time_ns()}"
    command = [sys.executable, "-m", f"elo_tf.{verb}", f"--records={path}", f"--run_dir={run_dir}", "--steps=2",
               "--warmup_steps=1", *CLIPS, *given]  # fmt: skip
    begun, before = time.perf_counter(), _processor()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        with _watching(process.pid) as peaks:
            status = process.wait()
    if status:
        raise InputError(f"{' '.join(command)} ended with exit status {status}; its message is above")
    children = [peak for number, peak in peaks.items() if number != process.pid]
    seconds, processor = time.perf_counter() - begun, _processor() - before
    return Run(seconds, processor, peaks.get(process.pid, 0.0), max(children, default=0.0))


def _processor() -> float:
    """Processor time of all processes that this one has started and that have ended, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _watching(process: int) -> Iterator[Dict[int, float]]:
    """The most memory, MiB, of a process and of all that it starts; filled while it lives."""
    peaks: Dict[int, float] = {}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            for number in process_memory.family(process):
                with contextlib.suppress(OSError, StopIteration):  # It has ended meanwhile.
                    peaks[number] = process_memory.mebibytes("VmHWM", number)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def mixing(path: pathlib.Path, visited: int) -> str:
    """One line on how the first videos of an epoch of streamed records are mixed."""
    from elo_tf.data.reader import Reader

    data = DataConfig(frames=2, crop_size=SIZE, batch_size=BATCH, resident_gb=0)
    begun = time.perf_counter()
    reader = Reader.open(str(path), "train", frozenset({("now", "rgb")}), data)
    opened = time.perf_counter() - begun
    ids = [video["id"] for video in reader.videos.shuffled(0, BATCH).take(visited).as_numpy_iterator()]
    rate, memory = visited / (time.perf_counter() - begun - opened), process_memory.mebibytes("VmHWM")
    places = [int(video[:-4]) for video in ids]
    order = np.argsort(np.argsort(places))
    correlation = np.corrcoef(order, np.arange(visited))[0, 1]
    chance = max(1, visited / A_SHARD - 1) ** -0.5  # Spread of the correlation of so many shards in random order.
    train = reader.manifest.of_split("train")
    numbers = {name: number for number, name in enumerate(train.counts("shard"))}
    shard_of = dict(zip(train.ids, train.values("shard", numbers, -1).tolist()))
    batches = [ids[first : first + BATCH] for first in range(0, visited, BATCH)]
    shards = [len({shard_of[video.decode()] for video in batch}) for batch in batches]
    return (
        f"mixing: rank correlation of file order and visiting order {correlation:+.4f} (by chance +-{chance:.4f}) "
        f"over {visited} videos, {len(set(places))} of them different; "
        f"a batch of {BATCH} comes from {statistics.median(shards):g} shards; "
        f"opened in {opened:.1f} s, {rate:.0f} videos/s, {memory:.0f} MiB"
    )


if __name__ == "__main__":
    command_line.run(main, __doc__, [ScaleConfig])
