"""What is spoilt: one small whole example of every kind of file that the commands read.

    python -m tests.fuzz.seeds FOLDER [PART ...]

In a process of its own: the one that tries cases must not have used TensorFlow before it forks.
"""

import json
import os
import pathlib
import shutil
import sys
from typing import Callable, Dict, Sequence, Tuple

import numpy as np

CONTAINERS = {
    "plain.mp4": ("-c:v", "libx264", "-c:a", "aac"),
    "fragments.mp4": ("-c:v", "libx264", "-movflags", "frag_keyframe+empty_moov", "-c:a", "aac"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus"),
    "vp8.mkv": ("-c:v", "libvpx", "-c:a", "libvorbis"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-c:a", "mp3"),
    "mpeg2.ts": ("-c:v", "mpeg2video", "-c:a", "mp2"),
    "mpeg1.mpg": ("-c:v", "mpeg1video", "-r", "25", "-c:a", "mp2"),
    "flash.flv": ("-c:v", "flv", "-ar", "22050", "-c:a", "mp3"),
    "windows.wmv": ("-c:v", "wmv2", "-c:a", "wmav2"),
    "quick.mov": ("-c:v", "mjpeg", "-c:a", "pcm_s16le"),
    "raw.y4m": ("-an",),
    "picture.gif": ("-an",),
    "theora.ogv": ("-c:v", "libtheora", "-c:a", "libvorbis"),
    "phone.3gp": ("-c:v", "mpeg4", "-an"),
}
# Clips of one's own, also spoilt where the variable names their folder.
CLIPS = "ELO_TF_CLIPS"
_LARGEST = 2 << 20


def make(folder: pathlib.Path, parts: Sequence[str]) -> None:
    """Writes examples below a folder: the parts that it lacks, of `PARTS`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in parts:
        made, (_, outputs) = folder / f".{name}", PARTS[name]
        if made.exists():
            continue
        for output in outputs:  # Of one that was ended in the middle.
            shutil.rmtree(folder / output, ignore_errors=True)
        PARTS[name][0](folder)
        made.touch()


def _make_videos(folder: pathlib.Path) -> None:
    from tests import videos

    folder = folder / "videos"
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, [14, 6, 8, 3], np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    sound = random.integers(-9000, 9000, 14 * 1280).astype(np.int16)
    for name, options in CONTAINERS.items():
        try:
            videos.write(folder / name, frames, sound=None if "-an" in options else sound, options=options)
        except RuntimeError:  # The ffmpeg at hand lacks the encoder.
            (folder / name).unlink(missing_ok=True)
    own = os.environ.get(CLIPS)
    for path in sorted(pathlib.Path(own).rglob("*")) if own else ():
        if path.is_file() and path.stat().st_size < _LARGEST and path.suffix not in (".tsv", ".md"):
            shutil.copyfile(path, folder / f"own_{path.parent.name}_{path.name}")


def _make_records(folder: pathlib.Path) -> None:
    """Of six videos of two classes."""
    from elo_tf.config import IngestConfig
    from elo_tf.prepare.convert import convert
    from elo_tf.runtime.workers.local import LocalEngine
    from tests import videos

    random = np.random.default_rng(1)
    for number in range(6):
        frames = random.integers(0, 255, [14, 4, 4, 3], np.uint8).repeat(8, axis=1).repeat(8, axis=2)
        videos.write(folder / "labelled" / "ab"[number % 2] / f"v{number}.mp4", frames)
    (folder / "labelled" / "a" / "broken.mp4").write_bytes(b"no video at all" * 100)
    config = IngestConfig(size=32, labels="folders", holdout_fraction=0.5)
    convert(folder / "labelled", folder / "records", config, LocalEngine(1))


def _make_run(folder: pathlib.Path) -> None:
    """An untrained run, with all files that a training leaves, a ledger and results of an evaluation."""
    from elo_tf.config import EvaluateSettings
    from elo_tf.evaluate import api
    from elo_tf.evaluate.ledger import Ledger, Measurement
    from elo_tf.evaluate.scores import score
    from tests import towers

    towers.make_run(folder / "run")
    (folder / "run" / "run.json").write_text(json.dumps({"settings": {"seed": 0, "frames": 8}, "lambdas": {"a": 0.5}}))
    api.run(
        EvaluateSettings(
            checkpoint=folder / "run", records=folder / "records", protocol="kmeans", train_clips=1, test_clips=1,
            restarts=2, max_missing=0.5,
        )
    )  # fmt: skip
    labels = np.array([0, 1, 1])
    with Ledger(folder / "unfinished", {"a": 1}) as ledger:
        for seed in range(2):
            scores = score(labels[np.newaxis], labels, 2)
            ledger.add(Measurement("checkpoint", "kmeans", "1", None, seed, 3, 3, scores, {}, 0.5))


def _make_search(folder: pathlib.Path) -> None:
    """A journal of two generations, and a loss file."""
    from elo_tf.search.fitness.base import Fitness
    from elo_tf.search.journal.journal import Journal
    from elo_tf.search.journal.result import TrialResult

    folder = folder / "search"
    folder.mkdir()
    names = ["rgb/shuffle", "rgb/reconstruct"]
    header = {"seed": 0, "settings": {"steps": 9, "fitness": "zipf"}, "names": names, "schema": "1", "packages": {}}
    random = np.random.default_rng(2)
    with Journal.open(str(folder / "journal.jsonl"), header) as journal:
        journal.note("untrained", {"zipf": 0.5})
        for _ in range(2):
            for candidate in journal.ask(random.random([3, 2])):
                value = None if candidate == 1 else float(random.random())
                reason = "diverged" if value is None else ""
                fitness = Fitness(value, reason or None, None if value is None else 0.1, 5, {"zipf": 0.5})
                journal.tell(candidate, TrialResult(9, 0, fitness, 1.0))
    loss = {"lambdas": dict(zip(names, (0.25, 1.0))), "task": {"norm": "l2"}, "fitness": 0.5}
    (folder / "evolved_loss.json").write_text(json.dumps(loss))


def _make_lists(folder: pathlib.Path) -> None:
    """Official lists in each format, of the videos of the records."""
    folder = folder / "lists"
    for name in ("hmdb51", "ucf101", "kinetics"):
        (folder / name).mkdir(parents=True)
    for label in "ab":
        lines = [f"v{number}.avi {1 + number % 4 // 2} " for number in range(6) if "ab"[number % 2] == label]
        (folder / "hmdb51" / f"{label}_test_split1.txt").write_text("\n".join(lines))
    (folder / "ucf101" / "classInd.txt").write_text("1 a\n2 b\n")
    for part in ("train", "test"):
        lines = [f"{'ab'[n % 2]}/v{n}.avi{f' {n % 2 + 1}' if part == 'train' else ''}" for n in range(6)]
        (folder / "ucf101" / f"{part}list01.txt").write_text("\n".join(lines[:4] if part == "train" else lines[4:]))
        rows = [f"{'ab'[n % 2]},v{n},{n},{n + 10},{part}" for n in range(6)]
        listed = "\n".join(["label,youtube_id,time_start,time_end,split", *rows])
        (folder / "kinetics" / f"kinetics_{'train' if part == 'train' else 'val'}.csv").write_text(listed)


def _make_embeddings(folder: pathlib.Path) -> None:
    """A module and tables that it made, in both formats, and a part of one."""
    from elo_tf.data.tfrecord import frame_record
    from elo_tf.embed.table import Entry, Table, serialize
    from tests import modules

    modules.save_means(folder / "models" / "elo_rgb" / "1")
    random = np.random.default_rng(3)
    entries = [
        Entry(f"{name}.mp4", random.random(5, np.float32), 14, [100, 7], "", random.random([2, 5], np.float32),
              np.array([0, 4])) for name in "abc"
    ]  # fmt: skip
    settings = {"model": "0" * 16, "fps": 12.5, "frames": 4, "videos": "/videos"}
    for suffix in (".npz", ".tfrecord"):
        Table(settings, entries).save(folder / f"table{suffix}")
    (folder / "table.npz.partial").write_bytes(b"".join(frame_record(serialize(each, settings)) for each in entries))


# Name -> what makes it, and the folders that it makes; a part comes behind those that it needs.
PARTS: Dict[str, Tuple[Callable[[pathlib.Path], None], Sequence[str]]] = {
    "videos": (_make_videos, ("videos",)),
    "records": (_make_records, ("labelled", "records")),
    "run": (_make_run, ("run", "unfinished")),
    "search": (_make_search, ("search",)),
    "lists": (_make_lists, ("lists",)),
    "embeddings": (_make_embeddings, ("models",)),
}

if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]), sys.argv[2:] or tuple(PARTS))
