"""Memory and start-up of workers that share decoded records, and of workers that each decode their own.

    python -m experiments.benchmarks.shared_records --records=runs/demo/records/unlabelled --crop_size=32 \\
        [--counts=1,2,4] [--split=train]
    ... --counts=2 --split=holdout                      smoke size, about a minute

A worker opens the records as one of a search does, and reads each frame at least once. Memory is the proportional set
size (`Pss` of /proc/PID/smaps_rollup): a page that n processes have counts 1/n in each, so that the sum over workers is
what they take of the machine. About 480 MiB of a worker are TensorFlow. Seconds are from the start of all workers, at
the same time, until the last has opened the records; where they share, the first decodes and the others wait.

Hardware: CPU cores, Linux. Expected: a few minutes.
Obtained (the demo's records, 261 MiB decoded, beside other programs, so that seconds vary; four were not measured):

    workers   each its own        shared
    1         739 MiB, 24.3 s     727 MiB, 24.4 s
    2         1511 MiB, 40.4 s    1224 MiB, 46.2 s
"""

import math
import time
import typing
from typing import Optional, Tuple

from absl import flags

from elo_tf import config
from elo_tf.config import DataConfig, InputError, define_path
from elo_tf.runtime import command_line
from elo_tf.runtime.workers.local import LocalEngine
from experiments.benchmarks.process_memory import proportional_mebibytes

if typing.TYPE_CHECKING:
    from elo_tf.data.frame_memory import SharedFrames

_RECORDS = define_path("records", "", "records to read")
_COUNTS = flags.DEFINE_list("counts", ["1", "2", "4"], "numbers of workers")
_SPLIT = flags.DEFINE_enum("split", "train", ["train", "holdout"], "part of the records to read")

NEEDS = frozenset(("now", modality) for modality in ("rgb", "flow", "audio"))


class ReadingWorker:
    """Opens records, then answers "read", having read all of them, and "weigh", what it takes of memory, MiB."""

    def __init__(self, records: str, split: str, data: DataConfig, shared: Optional["SharedFrames"]):
        from elo_tf.data.reader import Reader
        from elo_tf.data.records import Manifest

        self._reader = Reader.of(Manifest.load(records), split, NEEDS, data, shared=shared)
        longest = max(video.frames for video in self._reader.manifest.of_split(split))
        self._windows = math.ceil(longest / data.frames)

    def __call__(self, message: str) -> Optional[float]:
        if message == "weigh":
            return proportional_mebibytes()
        for _ in self._reader.windows(self._windows):
            pass
        return None


def main() -> None:
    from elo_tf.data import frame_memory

    if not _RECORDS.value:
        raise InputError("--records is not given")
    data = config.from_flags(DataConfig)
    print("| workers | each its own: MiB | seconds | shared: MiB | seconds |\n| --- | --- | --- | --- | --- |")
    for count in map(int, _COUNTS.value):
        own = _measure(count, data, None)
        with frame_memory.allocated([_SPLIT.value]) as shared:
            together = _measure(count, data, shared[_SPLIT.value])
        print(f"| {count} | {own[0]:.0f} | {own[1]:.1f} | {together[0]:.0f} | {together[1]:.1f} |", flush=True)


def _measure(count: int, data: DataConfig, shared: Optional["SharedFrames"]) -> Tuple[float, float]:
    """MiB that so many workers take together, and seconds until all have opened the records."""
    with LocalEngine(count) as engine:
        begun = time.perf_counter()
        workers = [engine.start(ReadingWorker, (_RECORDS.value, _SPLIT.value, data, shared)) for _ in range(count)]
        for worker in workers:
            worker.receive()
        seconds = time.perf_counter() - begun
        for message in ("read", "weigh"):
            for worker in workers:
                worker.send(message)
            answers = [worker.receive() for worker in workers]
    return sum(answers), seconds


if __name__ == "__main__":
    command_line.run(main, __doc__, [DataConfig])
