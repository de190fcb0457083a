"""The rendered world: videos with sound whose classes are the events in them, for experiments with known truth.

    (seed, split, index) -> class -> scenes.render -> frames -+
                                  -> sounds.record -> sound  -+-> ffmpeg -> DIR/<split>/<class>/<name>.mp4

No still, no histogram and no single plain statistic gives the class away, and classes share sounds and energies of
motion; `experiments/world_fairness.py` measures it. The unlabelled videos follow Zipf's law, the labelled ones are
balanced. A video depends on the seed, its split and its index alone, so that a world can grow, and be rendered by any
number of processes.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import multiprocessing
import pathlib
import subprocess
import tempfile
from typing import Dict, Iterator, List, Tuple

import cv2
import imageio_ffmpeg
import numpy as np

from elo_tf.config import InputError, WorldConfig
from elo_tf.prepare.world import motions, scenes, sounds
from elo_tf.runtime import json_text, storage
from elo_tf.runtime.progress import progress_bar
from elo_tf.runtime.provenance import check_same
from elo_tf.runtime.workers.local import follow_parent, hidden_main, starting

UNLABELLED, LABELLED = "unlabelled", "labelled"
_SPLITS = (UNLABELLED, LABELLED)
_SETTINGS_FILE = "world.json"
_RENDERER = 2  # to be raised when the same settings give other videos
_GROWING = ("world", "labelled_per_class")  # settings that only add videos
# Bytes. Files are filled up to a multiple of this, so that their sizes do not tell how much moves in them.
_FILE_BLOCK = 32768


@dataclasses.dataclass(frozen=True)
class Video:
    """One video of a world, not yet rendered.

    Attributes:
      path: Relative to the folder of the world; the name is a digest, so that the order of names tells nothing.
      label: Its class.
      seed: Of all that is random in it.
    """

    path: pathlib.PurePosixPath
    label: str
    seed: Tuple[int, ...]


def class_names(world_classes: str) -> Tuple[str, ...]:
    """The classes of a list.

    Raises:
      InputError: there is no such list.
    """
    if world_classes not in motions.CLASSES:
        raise InputError(f"--world_classes={world_classes!r} is unknown; choose from {', '.join(motions.CLASSES)}")
    return motions.CLASSES[world_classes]


def class_frequencies(config: WorldConfig) -> Dict[str, float]:
    """Probability of each class among the unlabelled videos: Zipf's law (Eq. 5) over an order drawn from the seed."""
    names = class_names(config.world_classes)
    weight = np.arange(1, len(names) + 1) ** -config.world_zipf
    order = np.random.default_rng([config.world_seed, len(_SPLITS)]).permutation(len(names))
    return {names[i]: float(share) for i, share in zip(order, weight / weight.sum())}


def list_videos(config: WorldConfig) -> Iterator[Video]:
    """All videos of a world: N unlabelled ones, then the labelled ones, their classes in turn."""
    frequencies = class_frequencies(config)
    names, steps = list(frequencies), np.cumsum(list(frequencies.values()))
    counts = (config.world, config.labelled_per_class * len(names))
    for split, (name, count) in enumerate(zip(_SPLITS, counts)):
        for index in range(count):
            seed = (config.world_seed, split, index)
            draw = np.random.default_rng(seed + (0,)).uniform()
            rank = min(int(np.searchsorted(steps, draw)), len(names) - 1)
            label = names[rank] if name == UNLABELLED else names[index % len(names)]
            digest = hashlib.blake2b(repr(seed).encode(), digest_size=8).hexdigest()
            yield Video(pathlib.PurePosixPath(name, label, f"{digest}.mp4"), label, seed + (1,))


def render(video: Video, config: WorldConfig) -> Tuple[np.ndarray, np.ndarray]:
    """Pictures and sound of a video before they are encoded.

    Returns:
      [F,H,W,3] uint8 RGB at `scenes.FPS`, and [samples] int16 at `sounds.SAMPLE_RATE`, equally long.
    """
    rng = np.random.default_rng(video.seed)
    frames = round(config.world_seconds * scenes.FPS)
    scene = scenes.render(rng, video.label, frames, config.world_size, config.world_nuisance)
    seconds = np.arange(round(frames / scenes.FPS * sounds.SAMPLE_RATE)) / sounds.SAMPLE_RATE
    of_frames = np.arange(frames) / scenes.FPS
    speed, lift = (np.interp(seconds, of_frames, course) for course in (scene.speed, scene.lift))
    family, register = motions.MOTIONS[video.label].sound, motions.register(config.world_classes, video.label)
    return scene.frames, sounds.record(rng, family, scene.moments, speed, lift, register)


def encode(frames: np.ndarray, sound: np.ndarray) -> bytes:
    """An mp4 file of H.264 and AAC; the same bytes for the same input.

    Args:
      frames: [F,H,W,3] uint8 RGB, H and W even, at `scenes.FPS`.
      sound: [samples] int16 at `sounds.SAMPLE_RATE`.

    Raises:
      OSError: ffmpeg failed; the message holds its last line.
    """
    with tempfile.TemporaryDirectory() as folder:
        pcm, mp4 = pathlib.Path(folder, "sound.pcm"), pathlib.Path(folder, "video.mp4")
        pcm.write_bytes(sound.astype("<i2").tobytes())
        height, width = frames.shape[1:3]
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error", "-filter_threads", "1",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(scenes.FPS), "-i", "pipe:0",
            "-f", "s16le", "-ar", str(sounds.SAMPLE_RATE), "-ac", "1", "-i", str(pcm),
            "-map", "0:v", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p",
            "-threads", "1", "-map", "1:a", "-c:a", "aac", "-aac_coder", "fast", "-b:a", "48k",
            "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-f", "mp4", str(mp4),
        ]  # fmt: skip
        done = subprocess.run(command, input=frames.tobytes(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
            raise OSError(f"ffmpeg could not encode a video of the rendered world: {lines[-1]}")
        content = mp4.read_bytes()
    # A box of type `free`, which players skip: 4 bytes of size, 4 of type.
    filling = -(len(content) + 8) % _FILE_BLOCK
    return content + (filling + 8).to_bytes(4, "big") + b"free" + bytes(filling)


def render_world(config: WorldConfig, directory: pathlib.Path, workers: int) -> None:
    """Renders the videos that the folder does not hold yet: DIR/unlabelled/<class>/*.mp4, DIR/labelled/<class>/*.mp4.

    Files appear whole, so that a killed run can be repeated. `world.json` records the settings.

    Args:
      config: The world; `world` and `labelled_per_class` may be raised later in the same folder.
      directory: Made if missing.
      workers: Processes; 1 renders in this one.

    Raises:
      InputError: the folder holds another world or other files, or a setting cannot be used.
      OSError: a file cannot be written.
    """
    if config.world_size % 2:
        raise InputError(f"--world_size={config.world_size} is odd, which H.264 cannot store; add 1")
    directory = pathlib.Path(directory)
    _claim(config, directory)
    missing = [video for video in list_videos(config) if not (directory / video.path).exists()]
    for folder in {(directory / video.path).parent for video in missing}:
        folder.mkdir(parents=True, exist_ok=True)
    with progress_bar(len(missing), "video", what="rendering") as bar:
        for _ in _written(missing, config, directory, workers):
            bar.update()


def _written(videos: List[Video], config: WorldConfig, directory: pathlib.Path, workers: int) -> Iterator[None]:
    """Writes the videos, and yields after each."""
    if workers == 1:
        for video in videos:
            _write(video, config, directory)
            yield
        return
    # Not forked: the caller may run threads (TensorFlow), which a fork would leave dead with their locks held.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context, initializer=_enter_worker) as pool:
        count = len(videos)
        try:
            with starting(), hidden_main():  # All processes are started here.
                written = pool.map(_write, videos, [config] * count, [directory] * count, chunksize=8)
            yield from written
        except concurrent.futures.process.BrokenProcessPool:
            raise InputError(
                f"one of {workers} rendering processes died, perhaps because memory ran out; rendered videos are kept: "
                "rerun the command with fewer --workers"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _enter_worker() -> None:
    cv2.setNumThreads(1)
    follow_parent()


def _write(video: Video, config: WorldConfig, directory: pathlib.Path) -> None:
    storage.write_bytes(directory / video.path, encode(*render(video, config)))


def _claim(config: WorldConfig, directory: pathlib.Path) -> None:
    """Writes `world.json`, or checks that the folder holds this world or a part of it."""
    ours = dict(dataclasses.asdict(config), renderer=_RENDERER)
    class_names(config.world_classes)
    path = directory / _SETTINGS_FILE
    if path.exists():
        try:
            theirs = dict(json_text.parse(path.read_text()))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path} is not the settings file of a rendered world ({error}); delete the folder"
            ) from error
        sizes = {name: theirs.get(name) for name in _GROWING}
        grown = [name for name, size in sizes.items() if isinstance(size, int) and ours[name] >= size]
        theirs = {name: theirs[name] for name in ours if name in theirs}
        check_same(directory, theirs, ours, "choose another folder or delete this one", grown)
    elif directory.is_dir() and any(directory.iterdir()):
        raise InputError(f"{directory} is not empty and is not a rendered world; choose another folder")
    directory.mkdir(parents=True, exist_ok=True)
    storage.write_text(path, json.dumps(ours, indent=1) + "\n")
