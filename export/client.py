"""Embeds the windows of a video with a model behind TF Serving (export/serving/ starts one).

python -m export.client --rest|--grpc [--model_dir=BASE/elo_rgb] [--output=FILE.npz] VIDEO

A window is as long, as large and as fast as the clips that the tower was trained on, which its tower.json says
(--model_dir), or as the flags say. Without --output each window is printed as one line of JSON: {"start": seconds,
"embedding": [...]}. The server scales encoded frames to the size of the training and takes their centre; since the
client has done that, frames of another size can only be sent as floats.
"""

import concurrent.futures
import dataclasses
import io
import json
import pathlib
import sys
import typing
from typing import List, Sequence, Type

import numpy as np
import numpy.typing as npt

from elo_tf.config import Checked, IngestConfig, InputError, from_flags, setting
from elo_tf.data.clips import centre
from elo_tf.decoding.decode import UnusableError, check_clip_bytes
from elo_tf.decoding.stream import FrameStream
from elo_tf.embed.windows import looped
from elo_tf.runtime import command_line, storage
from export import predictor
from export.transport import Endpoint, Transport

if typing.TYPE_CHECKING:
    from elo_tf.networks import tower

PORTS = {"rest": 8501, "grpc": 8500}


@dataclasses.dataclass(frozen=True)
class ClientConfig(Checked):
    """Where the model is served, what is sent, and how patiently."""

    rest: bool = setting(False, "use HTTP and JSON")
    grpc: bool = setting(False, "use gRPC, whose messages are smaller")
    server: str = setting("", "host:port; by default 127.0.0.1 and port 8501 (REST) or 8500 (gRPC)")
    model_name: str = setting("elo_rgb", "name of the model on the server")
    model_dir: str = setting(
        "", "exported model (BASE/NAME or one of its versions), whose training sets the defaults below", path=True
    )
    frames: int = setting(0, "T, frames a window; 0: as in training", low=0, high=4096)
    size: int = setting(
        0, "H = W of a window, pixels; 0: as in training, other values need --send=float", low=0, high=1024
    )
    fps: float = setting(0.0, "frames a second after resampling; 0: as in training", low=0, high=120)
    stride: int = setting(
        0, "frames between the starts of two windows; 0: --frames, so that windows do not overlap", low=0
    )
    short_videos: str = setting(
        "loop",
        "a video of fewer frames than a window: loop repeats its frames, refuse ends with an error",
        choices=("loop", "refuse"),
    )
    max_seconds: float = setting(60.0, "greatest length embedded of the video, seconds", low=0.1)
    send: str = setting(
        "jpeg", "encoding of frames: jpeg (small), png (lossless) or float (raw, large)",
        choices=(predictor.JPEG, predictor.PNG, predictor.FLOAT),
    )  # fmt: skip
    batch_size: int = setting(4, "windows a request; at most the max_batch_size of the server", low=1)
    in_flight: int = setting(2, "requests in flight at once", low=1, high=64)
    deadline: float = setting(30.0, "longest time of one attempt at a request, seconds", low=0.001)
    retries: int = setting(4, "further attempts at a request without an answer, with growing pauses", low=0, high=20)
    max_message_mb: int = setting(256, "largest request and answer, MiB", low=1, high=2047)
    output: str = setting(
        "", "file (.npz) for embeddings [W,D], starts of windows [W] in seconds, model and version", path=True
    )


@dataclasses.dataclass(frozen=True)
class Clip:
    """What a window looks like: T frames, H = W pixels, frames a second, and the side of which it is the centre."""

    frames: int
    size: int
    fps: float
    stored_size: int


def main(video: str = "") -> None:
    """Runs the command."""
    run(video, from_flags(ClientConfig))


def run(video: str, config: ClientConfig) -> None:
    """Embeds a video; prints or writes the result.

    Raises:
      InputError: a setting or the video cannot be used, or the server does not answer; nothing is written then.
    """
    if not video:
        raise InputError("name a video: python -m export.client --rest VIDEO")
    if config.rest == config.grpc:
        raise InputError("choose one of --rest and --grpc")
    output = pathlib.Path(config.output) if config.output else None
    if output and (output.suffix != ".npz" or not output.parent.is_dir()):
        raise InputError(f"--output={output} must end in .npz and be in a folder that exists")
    clip = find_clip(config)
    frames = fill_window(read(pathlib.Path(video), clip, config.max_seconds), video, clip, config.short_videos)
    starts = place_windows(len(frames), clip.frames, config.stride or clip.frames)
    transport = connect(config)
    try:
        asked = predictor.Predictor(transport, config.send, predictor.Patience(config.retries))
        embeddings = embed(asked, frames, starts, clip.frames, config)
    finally:
        transport.close()
    seconds = np.array(starts) / clip.fps
    if output:
        write(output, embeddings=embeddings, starts=seconds, model=config.model_name, version=asked.version)
        print(f"{output}: {len(embeddings)} windows, {embeddings.shape[1]} numbers each, version {asked.version}")
        return
    for start, embedding in zip(seconds, embeddings):
        print(json.dumps({"start": round(float(start), 3), "embedding": [float(str(value)) for value in embedding]}))


def find_clip(config: ClientConfig) -> Clip:
    """What the flags say, and where they are 0, what the model's `tower.json` says.

    Without the model, a window shows all of the centre square.

    Raises:
      InputError: neither says it, or frames would be sent encoded that the server may scale.
    """
    about = _describe(pathlib.Path(config.model_dir)) if config.model_dir else None
    given = {name: getattr(config, name) or getattr(about, name, 0) for name in ("frames", "size", "fps")}
    for name, value in given.items():
        if not value:
            raise InputError(f"--{name} is unknown; give it, or name the exported model with --model_dir")
    size = given["size"]
    if config.send != predictor.FLOAT and (about is None or size != about.size):
        why = f"to its own size, {about.size}" if about else "to its own size, unknown without --model_dir"
        raise InputError(f"the model scales --send={config.send} of --size={size} {why}; use --send=float")
    return Clip(stored_size=about.stored_for(size) if about else size, **given)


def _describe(place: pathlib.Path) -> "tower.Description":
    """Of a version, or of the newest one in a directory.

    Raises:
      InputError: it is missing or damaged.
    """
    from elo_tf.networks import tower  # Imports TensorFlow, which a client does without otherwise.

    file = pathlib.PurePath("assets.extra", tower.FILE)
    newest = storage.newest_version(place, file) or place
    if not (newest / file).exists():
        raise InputError(f"--model_dir={place} has no {file}; name a folder that python -m export.saved_model made")
    return tower.Description.load(newest / file)


def read(video: pathlib.Path, clip: Clip, max_seconds: float) -> np.ndarray:
    """Decodes a video as records are decoded, and takes the centre; prints what is wrong with it or left out.

    Returns:
      [F,size,size,3] uint8, RGB.

    Raises:
      InputError: the video cannot be used.
    """
    ingest = IngestConfig(size=clip.stored_size, fps=clip.fps, max_seconds=max_seconds)
    check_clip_bytes(ingest)
    inner = centre(clip.stored_size, clip.size)
    stream = FrameStream(video, ingest)
    try:
        frames = np.stack([frame[inner, inner] for frame in stream])
    except UnusableError as error:
        raise InputError(f"{video}: {error}") from error
    if stream.warning:
        print(f"warning: {video}: {stream.warning}", file=sys.stderr)
    return frames


def fill_window(frames: np.ndarray, video: str, clip: Clip, short_videos: str) -> np.ndarray:
    """Frames [F,H,W,3], or [T,H,W,3] where they are fewer than T and `loop` is the word; a warning says so.

    Raises:
      InputError: there are fewer, and they are refused.
    """
    if len(frames) >= clip.frames:
        return frames
    found = f"{video} has {len(frames)} frames at {clip.fps:g} a second, less than a window of {clip.frames}"
    if short_videos != "loop":
        raise InputError(f"{found}; lower --frames or give --short_videos=loop")
    print(f"warning: {found}: looped", file=sys.stderr)
    return looped(frames, clip.frames)


def place_windows(count: int, length: int, stride: int) -> List[int]:
    """Index of the first frame of each window, as `elo_tf.embed` places them.

    Args:
      count: Frames of the video.
      length: T; a shorter video has no window.
      stride: Frames between two starts. Frames left over at the end are seen by one more window, which ends with them.
    """
    starts = list(range(0, count - length + 1, stride))
    return starts + [count - length] if starts and starts[-1] < count - length else starts


def connect(config: ClientConfig) -> Transport:
    """The transport that the flags choose.

    Raises:
      InputError: a package is missing.
    """
    kind = "rest" if config.rest else "grpc"
    server = config.server or f"127.0.0.1:{PORTS[kind]}"
    endpoint = Endpoint(server, config.model_name, config.deadline, config.max_message_mb << 20, config.in_flight)
    try:
        if config.rest:
            from export.rest import RestTransport

            chosen: Type[Transport] = RestTransport
        else:
            from export.grpc_transport import GrpcTransport

            chosen = GrpcTransport
    except ModuleNotFoundError as error:
        raise InputError(f"--{kind} needs the package {error.name}: pip install -e .[serving]") from error
    return chosen(endpoint)


def embed(
    asked: predictor.Predictor, frames: np.ndarray, starts: Sequence[int], length: int, config: ClientConfig
) -> np.ndarray:
    """Embeds the windows that begin at `starts`.

    Frames that overlapping windows share are encoded once.

    Args:
      asked: The model.
      frames: [F,H,W,3] uint8, RGB.
      starts: Index of the first frame of each window.
      length: T.
      config: `batch_size`, `in_flight` and `send` are used.

    Returns:
      [W,D] float32.
    """
    shown = frames if config.send == predictor.FLOAT else predictor.encode(frames, config.send)

    def ask(batch: Sequence[int]) -> np.ndarray:
        return asked.embed(np.stack([shown[start : start + length] for start in batch]))

    batches = [starts[i : i + config.batch_size] for i in range(0, len(starts), config.batch_size)]
    with concurrent.futures.ThreadPoolExecutor(config.in_flight) as pool:
        waiting = [pool.submit(ask, batch) for batch in batches]
        try:
            return np.concatenate([one.result() for one in waiting])
        finally:
            for one in waiting:
                one.cancel()


def write(path: pathlib.Path, **arrays: npt.ArrayLike) -> None:
    """Writes an .npz file, whole or not at all."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    storage.write_bytes(path, content.getvalue())


if __name__ == "__main__":
    command_line.run(main, __doc__, [ClientConfig], arguments=1)
