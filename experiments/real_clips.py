"""The clips of `real_videos`: training and test sets, their records, and features that need no network.

CLIPS/labelled/SET/CLASS/*, CLIPS/labelled/SET_splits ---> lists (what trains, what tests)
unlabelled folders + training list, as links ------------> records `unlabelled`   towers learn from these
training list, as links, by class -----------------------> records `labels`       the row of labels
all of SET, by class ------------------------------------> records `labelled`     what is measured
"""

import collections
import dataclasses
import pathlib
import typing
from typing import Dict, List, Sequence, Tuple

from elo_tf.config import IngestConfig, InputError
from elo_tf.data.records import Manifest
from elo_tf.runtime import storage
from experiments.towers import Job, Places

if typing.TYPE_CHECKING:
    from experiments.real_videos import RealConfig

PLAIN = {"pixels": "rgb", "flow": "flow"}  # Descriptor -> modality that it is of.
_HELD_BACK = 4  # One in so many training videos of a class judges where settings are chosen.
_LISTS = ("classInd.txt", "trainlist01.txt", "testlist01.txt")


@dataclasses.dataclass(frozen=True)
class Clips:
    """Records of real clips.

    Attributes:
      places: Of the records and the lists.
      world: Name of the records.
      unlabelled: Videos that towers learn from.
      labelled: Labelled videos that train, which are among them.
      test_videos: Labelled videos that judge.
      classes: K.
    """

    places: Places
    world: str
    unlabelled: int
    labelled: int
    test_videos: int
    classes: int


def read_lists(folder: pathlib.Path) -> Tuple[List[str], List[str], List[str]]:
    """Classes, and paths CLASS/FILE of the videos that train and that test.

    Raises:
      InputError: a list is missing.
    """
    try:
        texts = [(folder / name).read_text().splitlines() for name in _LISTS]
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename} does not exist; lists have the form of UCF101's, {', '.join(_LISTS)}"
        ) from None
    classes, train, test = ([line.strip() for line in lines if line.strip()] for lines in texts)
    return [line.split(None, 1)[1] for line in classes], [line.rsplit(None, 1)[0] for line in train], test


def hold_back(train: Sequence[str]) -> Tuple[List[str], List[str]]:
    """The training list cut into a part that trains and one that judges: the last quarter of each class."""
    by_class: Dict[str, List[str]] = collections.defaultdict(list)
    for path in train:
        by_class[path.split("/")[0]].append(path)
    kept, held_back = [], []
    for own in by_class.values():
        count = len(own) - max(1, len(own) // _HELD_BACK)
        kept += own[:count]
        held_back += own[count:]
    return kept, held_back


def prepare(source: pathlib.Path, config: "RealConfig", folder: pathlib.Path) -> Clips:
    """Links, lists and records of a labelled set; makes what the folder lacks.

    Args:
      source: Folder of clips.
      config: The set, the unlabelled folders, and how videos become records.
      folder: Of the records.

    Raises:
      InputError: a folder or a list is missing.
    """
    labelled = source / "labelled" / config.set
    classes, train, test = read_lists(source / "labelled" / f"{config.set}_splits")
    if config.part == "choose":
        train, test = hold_back(train)
    lists = folder / "lists"
    _write_lists(lists, classes, train, test)
    others = {name: _below(source, name) for name in config.unlabelled}
    _link({f"training/{path}": labelled / path for path in train}, folder / "videos" / "labels")
    _link({name.replace("/", "-"): path for name, path in others.items()}, folder / "videos" / "unlabelled")
    _link({"training": folder / "videos" / "labels" / "training"}, folder / "videos" / "unlabelled")
    plain = IngestConfig(size=config.size, fps=config.fps, max_seconds=config.max_seconds, holdout_fraction=0.0)
    by_class = dataclasses.replace(plain, labels="folders")
    records = {
        "unlabelled": _convert(folder / "videos" / "unlabelled", folder / "records" / "unlabelled", plain, config),
        "labels": _convert(folder / "videos" / "labels", folder / "records" / "labels", by_class, config),
        "labelled": _convert(labelled, folder / "records" / "labelled", by_class, config),
    }
    world, videos = config.world, config.tables.videos
    places = Places(
        folder, {(world, videos): records["unlabelled"]}, {world: records["labelled"]}, {world: records["labels"]},
        {world: lists},
    )  # fmt: skip
    count = Manifest.load(str(records["unlabelled"])).counts["train"]
    return Clips(places, world, count, len(train), len(test), len(classes))


def _below(source: pathlib.Path, name: str) -> pathlib.Path:
    path = source / name
    if not path.is_dir():
        raise InputError(f"--unlabelled: {path} is not a folder; name folders of clips below --clips")
    return path


def _link(links: Dict[str, pathlib.Path], folder: pathlib.Path) -> None:
    """Makes links of these names where there are none."""
    for name, target in links.items():
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(target.resolve())


def _write_lists(folder: pathlib.Path, classes: Sequence[str], train: Sequence[str], test: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    places = {name: place for place, name in enumerate(classes, 1)}
    content = {
        "classInd.txt": [f"{place} {name}" for name, place in places.items()],
        "trainlist01.txt": [f"{path} {places[path.split('/')[0]]}" for path in train],
        "testlist01.txt": test,
    }
    for name, lines in content.items():
        storage.write_text(folder / name, "\n".join(lines) + "\n")


def _convert(videos: pathlib.Path, records: pathlib.Path, config: IngestConfig, own: "RealConfig") -> pathlib.Path:
    from elo_tf.prepare.convert import convert
    from elo_tf.runtime.workers.local import LocalEngine

    convert(videos, records, config, LocalEngine(own.processes))
    return records


def plain(clips: Clips, job: Job) -> Dict[str, Dict[str, float]]:
    """Descriptor -> protocol -> accuracy of plain features, of the clips that towers see and by the same protocols."""
    import numpy as np

    from elo_tf.data.descriptors import describe
    from elo_tf.data.reader import Reader
    from elo_tf.data.records import identity
    from elo_tf.evaluate import protocols
    from elo_tf.evaluate.protocols.base import Case, Features
    from elo_tf.evaluate.videos.official import FORMATS
    from elo_tf.evaluate.videos.splits import in_records

    records = str(clips.places.labelled[clips.world])
    manifest = Manifest.load(records)
    split = in_records("1", FORMATS["ucf101"](clips.places.lists[clips.world], 1), manifest)
    windows = {"train": job.how.train_clips, "test": job.how.test_clips}
    found: Dict[str, Dict[str, float]] = {}
    for name, modality in PLAIN.items():
        features = {}
        for part, count in windows.items():
            videos = getattr(split, part)
            wanted = {video.id: video.label for video in videos}
            reader = Reader.open(records, part, frozenset({("now", modality)}), job.data, wanted, loop=True)
            own: Dict[int, List[np.ndarray]] = collections.defaultdict(list)
            for batch in reader.windows(count):
                described = describe(name, batch["now"][modality].numpy())
                for index, values in zip(batch["video"].numpy().tolist(), described):
                    own[index].append(values)
            clips_of = np.stack([np.stack(own[identity(video.id)[0]]) for video in videos])
            features[part] = Features(clips_of, split.labels(part))
        case = Case(split, job.seed, None, features.__getitem__, job.backbone, None)
        for protocol in protocols.select(job.protocols, job.how):
            labels = protocol.predict(case).labels
            found.setdefault(name, {})[protocol.name] = float((labels == split.labels("test")).mean())
    return found


def write_small(folder: pathlib.Path) -> pathlib.Path:
    """Clips for --smoke: a labelled set of three classes that differ in colour, and unlabelled noise; its folder."""
    import imageio_ffmpeg
    import numpy as np

    random = np.random.default_rng(0)
    names = {f"labelled/grey/{name}/{place}.mp4": channel
             for channel, name in enumerate(("red", "green", "blue")) for place in range(8)}  # fmt: skip
    names.update({f"unlabelled/{place}.mp4": 0 for place in range(70)})
    for name, channel in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shown = random.integers(0, 90, [16, 24, 24, 3], np.uint8)
        shown[..., channel] += 120
        writer = imageio_ffmpeg.write_frames(str(path), (24, 24), fps=12.5, macro_block_size=1, codec="libx264")
        writer.send(None)
        for frame in shown:
            writer.send(frame.tobytes())
        writer.close()
    listed = [name[len("labelled/grey/") :] for name in names if name.startswith("labelled/")]
    test = [path for path in listed if path.endswith(("6.mp4", "7.mp4"))]
    train = [path for path in listed if path not in test]
    _write_lists(folder / "labelled" / "grey_splits", ["red", "green", "blue"], train, test)
    return folder
