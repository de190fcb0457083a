"""What is tried: for each kind of file, a spoilt copy, and the command or the reader that meets it.

A target takes (random numbers, folder of the seeds, folder of the case) and gives the case. Readers are called as their
commands call them; where a command does more before it reads, calling it would only cost time.
"""

import json
import pathlib
import random
import shutil
from typing import Callable, Dict, List, Sequence

from tests.fuzz import flags_at_random, server
from tests.fuzz.mutations import spoil_bytes, spoil_json, spoil_text
from tests.fuzz.sandbox import Case, command, files_below, function

Target = Callable[[random.Random, pathlib.Path, pathlib.Path], Case]
TARGETS: Dict[str, Target] = {}
# Name of a target -> the parts of the seeds that it needs, in the order in which they are made.
NEEDS: Dict[str, Sequence[str]] = {}


def target(*parts: str) -> Callable[[Target], Target]:
    """Registers a target by the name of its function, with the parts of the seeds that it needs."""

    def register(make: Target) -> Target:
        TARGETS[make.__name__], NEEDS[make.__name__] = make, parts
        return make

    return register


def _spoil(random: random.Random, path: pathlib.Path) -> str:
    """Spoils a file in place, as its kind is spoilt; says which."""
    content = path.read_bytes()
    if path.suffix in (".json", ".jsonl") and random.random() < 0.8:
        lines = [content.decode()] if path.suffix == ".json" else content.decode().splitlines()
        place = random.randrange(len(lines))
        lines[place] = spoil_json(random, json.loads(lines[place]))
        path.write_bytes("\n".join([*lines, ""]).encode(errors="surrogateescape"))
    elif path.suffix in (".txt", ".csv"):
        path.write_bytes(spoil_text(random, content.decode()))
    else:
        path.write_bytes(spoil_bytes(random, content))
    return path.name


def _copy(seeds: pathlib.Path, folder: pathlib.Path, *names: str) -> pathlib.Path:
    """Copies files or folders of the seeds into `in`, and gives that."""
    for name in names:
        source, copy = seeds / name, folder / "in" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy) if source.is_dir() else shutil.copyfile(source, copy)
    return folder / "in"


@target("videos")
def video(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """A spoilt video, decoded as for a record."""
    path = _video(random, seeds, folder)

    def call() -> None:
        from elo_tf.config import IngestConfig
        from elo_tf.decoding.decode import decode

        start = random.choice((0.0, 0.0, 0.5))
        found = decode(path, IngestConfig(size=32, max_seconds=2, decode_seconds=20), start)
        assert found.frames.shape[1:] == (32, 32, 3) and 1 <= len(found.frames) <= 26, found.frames.shape

    return Case(f"video {path.name}", function(call))


@target("videos")
def stream(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """A spoilt video, read frame by frame as for embedding."""
    path = _video(random, seeds, folder)

    def call() -> None:
        from elo_tf.config import IngestConfig
        from export.client import Clip, read

        frames = read(path, Clip(4, 32, 12.5, 32), IngestConfig(max_seconds=2).max_seconds)
        assert frames.ndim == 4 and frames.shape[1:] == (32, 32, 3), frames.shape

    return Case(f"stream {path.name}", function(call))


def _video(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    chosen = random.choice(files_below(seeds / "videos"))
    path = folder / "in" / chosen.name
    path.write_bytes(spoil_bytes(random, chosen.read_bytes()))
    return path


@target("records")
def prepare_again(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """`prepare` over records of which a file is spoilt: what is damaged is made again, or named."""
    given = _copy(seeds, folder, "records", "labelled")
    name = _spoil(random, random.choice(files_below(given / "records")))
    run = command(
        "elo_tf.prepare", f"--videos={given / 'labelled'}", f"--records={given / 'records'}", "--labels=folders",
        "--size=32", "--holdout_fraction=0.5", "--workers=local:1", "--max_bad_fraction=1",
    )  # fmt: skip
    return Case(f"prepare over {name}", run, writes=["in/records"])


@target("records")
def validate(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """`prepare --validate` of spoilt records."""
    given = _copy(seeds, folder, "records")
    name = _spoil(random, random.choice(files_below(given / "records")))
    return Case(f"validate {name}", command("elo_tf.prepare", "--validate", f"--records={given / 'records'}"))


@target("records")
def manifest(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """A spoilt manifest, looked at as trainings and evaluations do before they begin."""
    given = _copy(seeds, folder, "records")
    _spoil(random, given / "records" / "manifest.json")

    def call() -> None:
        from elo_tf.config import DataConfig, ProtocolConfig
        from elo_tf.data.reader import clip_sizes
        from elo_tf.data.records import Manifest
        from elo_tf.evaluate.videos.material import Material
        from elo_tf.evaluate.videos.split import of_folders
        from tests import towers

        found = Manifest.load(str(given / "records"))
        found.require_complete()
        clip_sizes(found, DataConfig())
        assert found.counts and found.fingerprint and found.sounding("train") >= 0 and found.shards("train") is not None
        Material.open(str(given / "records"), towers.describe(stored_size=32), ProtocolConfig())
        of_folders(found).with_short(found, 8, loop=True).check(8, 0.0)

    return Case("manifest", function(call))


@target("records", "run")
def evaluate(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """An evaluation of spoilt records or a spoilt run."""
    given = _copy(seeds, folder, "records", "run")
    name = _spoil(random, random.choice(files_below(given / random.choice(("records", "run")))))
    run = command(
        "elo_tf.evaluate", f"--checkpoint={given / 'run'}", f"--records={given / 'records'}", "--protocol=kmeans",
        f"--output={folder / 'out' / 'evaluation'}", "--train_clips=1", "--test_clips=1", "--restarts=1", "--threads=1",
    )  # fmt: skip
    return Case(f"evaluate with {name}", run)


@target("records", "lists")
def lists(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """Spoilt official lists, found in whole records."""
    kind = random.choice(("hmdb51", "ucf101", "kinetics"))
    given = _copy(seeds, folder, f"lists/{kind}")
    name = _spoil(random, random.choice(files_below(given / "lists" / kind)))

    def call() -> None:
        from elo_tf.data.records import Manifest
        from elo_tf.evaluate.videos.official import FORMATS
        from elo_tf.evaluate.videos.splits import in_records

        records = Manifest.load(str(seeds / "records"))
        split = in_records("1", FORMATS[kind](given / "lists" / kind, 1), records)
        split.with_short(records, 8, loop=True).check(8, 0.5)

    return Case(f"{kind} {name}", function(call))


@target("search")
def loss(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """A spoilt loss file, given to a training."""
    given = _copy(seeds, folder, "search")
    _spoil(random, given / "search" / "evolved_loss.json")
    (folder / "in" / "none").mkdir()
    run = command(
        "elo_tf.train", f"--loss={given / 'search' / 'evolved_loss.json'}", f"--records={folder / 'in' / 'none'}",
        f"--run_dir={folder / 'out' / 'run'}",
    )  # fmt: skip
    return Case("loss file", run)


@target("search")
def journal(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """A spoilt journal, opened to go on, and read."""
    given = _copy(seeds, folder, "search")
    path = given / "search" / "journal.jsonl"
    _spoil(random, path)

    def call() -> None:
        from elo_tf.search.journal.journal import Journal
        from elo_tf.search.reporting.findings import winner

        found = Journal.read(str(path))
        assert all(len(each.candidates) == len(each.lambdas) for each in found.generations())
        winner(found)
        Journal.open(str(path), found.header).close()

    return Case("journal", function(call), writes=["in/search/journal.jsonl"])


@target("search")
def report(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """The report of a spoilt journal."""
    given = _copy(seeds, folder, "search")
    _spoil(random, given / "search" / "journal.jsonl")
    return Case("report", command("elo_tf.search", f"--report={given / 'search'}"), writes=["in/search"])


@target("records", "run", "embeddings")
def small_files(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """A spoilt ledger, results, description of a tower, facts of a run, or table of embeddings."""
    given = _copy(seeds, folder, "unfinished", "run", "table.npz", "table.tfrecord", "table.npz.partial")
    name = random.choice(sorted(_READERS))
    _spoil(random, given / name)
    return Case(name, function(lambda: _READERS[name](given / name)), writes=["in/table.npz.partial", "in/unfinished"])


def _read_ledger(path: pathlib.Path) -> None:
    from elo_tf.evaluate.ledger import Ledger

    with Ledger(path.parent, {"a": 1}):
        pass


def _read_results(path: pathlib.Path) -> None:
    from elo_tf.evaluate import results
    from elo_tf.networks.tower import make_network
    from export import accuracies

    results.earlier(path.parent, {"a": 1})
    accuracies.read(path, make_network("tiny"))


def _read_description(path: pathlib.Path) -> None:
    from elo_tf.networks.tower import Description

    Description.load(path).stored_for(24)


def _read_run(path: pathlib.Path) -> None:
    from elo_tf.train import run_file

    run_file.check_run(path.parent, {"settings": {"seed": 0, "frames": 8}, "lambdas": {"a": 0.5}})


def _read_table(path: pathlib.Path) -> None:
    from elo_tf.embed.table import Table

    assert len(Table.load(path).embeddings)


def _read_partial(path: pathlib.Path) -> None:
    from elo_tf.embed.partial import Partial

    with Partial(path, {"model": "0" * 16, "fps": 12.5}):
        pass


_READERS: Dict[str, Callable[[pathlib.Path], None]] = {
    "unfinished/unfinished.jsonl": _read_ledger,
    "run/evaluation/results.json": _read_results,
    "run/tower.json": _read_description,
    "run/run.json": _read_run,
    "table.npz": _read_table,
    "table.tfrecord": _read_table,
    "table.npz.partial": _read_partial,
}


@target("records", "run")
def checkpoint(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """A spoilt file of a run, from which the tower is read."""
    given = _copy(seeds, folder, "run")
    name = _spoil(random, random.choice(files_below(given / "run" / "checkpoints")))

    def call() -> None:
        from elo_tf.networks.tower import Tower

        Tower.load(given / "run")

    return Case(f"checkpoint {name}", function(call))


@target("embeddings")
def exported(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """A spoilt export, or clips of odd shapes and types for a whole one."""
    given = _copy(seeds, folder, "models")
    name = _spoil(random, random.choice(files_below(given / "models")))

    def call() -> None:
        from elo_tf.config import EmbedConfig
        from elo_tf.embed import module

        directory = module.version_directory(given / "models" / "elo_rgb")
        config = EmbedConfig(frames=random.choice((0, 1, 5)), size=random.choice((0, 1, 17)))
        clips = module.choose_clips(config, module.describe(directory), directory)
        module.Module(directory, clips, 2)

    return Case(f"export with {name}", function(call))


@target("videos")
def client(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """The client, asking a server whose answers are spoilt."""
    answers = server.spoilt_answers(random)
    path = folder / "in" / "video.mp4"
    shutil.copyfile(seeds / "videos" / "plain.mp4", path)
    arguments: List[str] = ["--rest", "--frames=4", "--size=16", "--fps=12.5", "--send=float", "--retries=1",
                            "--deadline=5", f"--output={folder / 'out' / 'windows.npz'}", str(path)]  # fmt: skip

    def run() -> None:
        with server.serving(answers) as address:
            command("export.client", *arguments, f"--server={address}")()

    return Case(f"client with {answers}"[:300], run)


@target()
def flags(random: random.Random, seeds: pathlib.Path, folder: pathlib.Path) -> Case:
    """A command with flags at random."""
    module, arguments = flags_at_random.draw(random, folder)
    return Case(f"{module} {arguments}"[:2000], command(module, *arguments), writes=flags_at_random.NAMED)
