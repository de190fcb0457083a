"""Exports the RGB tower of a training as a SavedModel, for hub.KerasLayer, hub.load, TFSMLayer and TF Serving.

    python -m export.saved_model --checkpoint=RUN_DIR --output=BASE/elo_rgb [--evaluation=DIR/results.json]

    BASE/elo_rgb/1/   saved_model.pb, variables/   the tower and its pieces (export/module.py)
                      assets.extra/tower.json      what it is, what it takes; python -m elo_tf.embed reads it
                      assets.extra/tf_serving_warmup_requests
                      README.md                    model card

Signatures: `serving_default`, `video` float32 [B,T,H,W,3] in [0,1] -> `embedding` float32 [B,D]; `encoded_frames`,
`frames` string [B,T] of JPEG or PNG images -> the same. There is none for encoded videos: TensorFlow itself has no
operation that decodes one, and those of tensorflow-io are not in TF Serving. The next export becomes version 2.

`run(Settings(checkpoint=..., output=...))` is what the command does.
"""

from elo_tf.runtime import command_line, interruption

interruption.guard(__name__)  # Before other imports: a signal may come while they run.

import contextlib
import dataclasses
import errno
import json
import logging
import pathlib
import re
import typing
from typing import Any, Dict, Iterator, Optional, Tuple

from elo_tf import config
from elo_tf.config import Checked, InputError, part, setting
from export import versions

if typing.TYPE_CHECKING:
    from elo_tf.networks import tower

EXTRA = "assets.extra"
CARD = "README.md"


@dataclasses.dataclass(frozen=True)
class PlacesConfig(Checked):
    """What is read, as what, and where the export goes."""

    checkpoint: str = setting("", "run directory of a training, or prefix of one of its checkpoints", path=True)
    output: str = setting("", "directory of the model; each version is a numbered directory in it", path=True)
    evaluation: str = setting(
        "",
        "results.json of python -m elo_tf.evaluate, for the model card; default: that of the run directory",
        path=True,
    )
    precision: str = setting(
        "float32",
        "arithmetic of the exported tower: float32 or mixed_bfloat16; inputs, outputs and variables are always float32",
        choices=("float32", "mixed_bfloat16"),
    )


@dataclasses.dataclass(frozen=True)
class ExportConfig(Checked):
    """What is exported."""

    version: int = setting(0, "number of the version; 0: the one after the last")
    weight_decay: float = setting(1e-4, "L2 penalty on kernels in regularization_losses; 0: none", low=0)
    warmup_batch_sizes: Tuple[str, ...] = setting(
        ("1",), "batch sizes of the warm-up requests for TF Serving; empty: no requests"
    )
    archive: bool = setting(False, "also write OUTPUT-VERSION.tar.gz, which hub.load can download")

    def batch_sizes(self) -> Tuple[int, ...]:
        """B of the warm-up requests.

        Raises:
          InputError: one is no positive integer, or there are too many.
        """
        from export import warmup
        from export.module import ENCODED_FRAMES, SERVING_DEFAULT

        most = warmup.MOST // len((SERVING_DEFAULT, ENCODED_FRAMES))
        sizes = [size for size in self.warmup_batch_sizes if size]
        for size in sizes:
            if not (size.isdecimal() and int(size)):
                raise InputError(f"--warmup_batch_sizes: {size!r} is not a positive integer")
        if len(sizes) > most:
            raise InputError(f"--warmup_batch_sizes has {len(sizes)} entries, more than the {most} that a server takes")
        return tuple(int(size) for size in sizes)


DEFAULTS = ExportConfig()


@dataclasses.dataclass(frozen=True)
class Settings(ExportConfig, PlacesConfig):
    """The export of an RGB tower. `checkpoint` and `output` have no default."""


def run(settings: Settings) -> pathlib.Path:
    """Writes the next version of a model.

    Returns:
      The directory of the version, OUTPUT/<integer>.

    Raises:
      InputError: a setting, a file or a folder cannot be used; nothing remains of the version then.
    """
    if not settings.checkpoint:
        raise InputError("--checkpoint is missing; name the run directory of python -m elo_tf.train")
    if not settings.output:
        raise InputError("--output is missing; name a directory for the model, such as models/elo_rgb")
    base = pathlib.Path(settings.output)
    versions.choose(base, settings.version)  # Refused before anything is read.
    # TensorFlow is imported only now, so that --help and missing flags answer at once.
    from elo_tf.networks import tower
    from elo_tf.runtime import devices

    evaluation = pathlib.Path(settings.evaluation) if settings.evaluation else None
    with devices.precision(settings.precision):
        return write(tower.Tower.load(settings.checkpoint), base, part(settings, ExportConfig), evaluation)


def write(
    found: "tower.Tower",
    base: pathlib.Path,
    settings: ExportConfig = DEFAULTS,
    evaluation: Optional[pathlib.Path] = None,
) -> pathlib.Path:
    """Writes a version.

    Args:
      found: The tower; its arithmetic is that of the export.
      base: Directory of the model; its name is that of the model.
      settings: What to write.
      evaluation: File of results for the card; that of the run directory, if it has one, where none is named.

    Returns:
      The directory of the version, BASE/<integer>.

    Raises:
      InputError: the version or its archive exists, or cannot be written, or the file of results that was named has
        none of this tower; nothing remains of it then.
    """
    import tensorflow as tf

    from export import warmup

    measured = _measured(found, evaluation)
    target = versions.choose(base, settings.version)
    place = base.resolve()
    packed = place.with_name(f"{place.name}-{target.name}.tar.gz")
    if settings.archive and packed.exists():
        raise InputError(f"{packed} exists, and an archive is never overwritten; move it away or choose --version")
    sizes = settings.batch_sizes()
    if sizes:
        warmup.message()  # A missing package shows before the work, not after it.
    try:
        with versions.writing(target, packed if settings.archive else None) as folder:
            _fill(folder, found, f"{place.name}/{target.name}", measured, settings.weight_decay, sizes)
    except (OSError, tf.errors.OpError) as error:
        reason = re.sub(r"{{.*?}}|\s+", " ", str(error)).strip()[:300]  # Less the names of nodes in a graph.
        full = getattr(error, "errno", None) in (None, errno.ENOSPC, errno.EDQUOT)  # TensorFlow's have no number.
        remedy = "free space there or name another --output" if full else "name another --output"
        raise InputError(f"{target} cannot be written ({reason}); {remedy}") from error
    return target


def _measured(found: "tower.Tower", evaluation: Optional[pathlib.Path]) -> str:
    """What the card says of accuracy."""
    from elo_tf.evaluate import results
    from export import accuracies

    if evaluation:
        return accuracies.read(evaluation, found.network)
    own = pathlib.Path(found.checkpoint).parent.parent / results.FOLDER / results.FILE
    try:
        return accuracies.read(own, found.network)
    except InputError:  # Nobody has asked for that file.
        return "None of this checkpoint was found (`python -m elo_tf.evaluate --checkpoint=RUN_DIR`)."


def _fill(
    folder: pathlib.Path, found: "tower.Tower", name: str, measured: str, weight_decay: float, sizes: Tuple[int, ...]
) -> None:
    """Writes all files of the version NAME/NUMBER."""
    import tensorflow as tf

    from elo_tf.networks import tower
    from export import model_card, warmup
    from export.module import RgbModule

    about = found.about
    module = RgbModule(found.network, about.size, about.stored_size, weight_decay)
    module.trace()
    with _without_notices():
        tf.saved_model.save(module, str(folder), signatures=module.signatures())
    facts = describe(found, weight_decay)
    extra = folder / EXTRA
    extra.mkdir()
    (extra / tower.FILE).write_text(json.dumps(facts, indent=2) + "\n")
    (folder / CARD).write_text(model_card.write(facts, name, measured))
    if sizes:
        warmup.write(extra / warmup.FILE, name.split("/")[0], sizes, about.frames, about.size)


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """Within it TensorFlow does not tell, in a program's own output, of files that are about to be renamed."""
    # Not absl's: where it runs in a notebook, TensorFlow has a logger of its own that writes to stdout.
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def describe(found: "tower.Tower", weight_decay: float) -> Dict[str, Any]:
    """Content of assets.extra/tower.json: the fields of `tower.Description`, and `export`, the input contract."""
    from export.module import DTYPES, ENCODED_FRAMES, SERVING_DEFAULT

    channels = found.network.channels
    return {
        **dataclasses.asdict(found.about),
        "export": {
            "step": found.step,
            "precision": found.network.dtype_policy.name,
            "weight_decay": weight_decay,
            "input": {
                "dtype": "float32",
                "also": [dtype.name for dtype in DTYPES if dtype.name != "float32"],
                "shape": "[B,T,H,W,3]",
                "colour": "RGB",
                "range": [0.0, 1.0],
                "fps": found.about.fps,
                "frames": found.about.frames,
                "size": found.about.size,
            },
            "output": {"dtype": "float32", "shape": "[B,D]", "width": channels["embedding"]},
            "stages": {name: width for name, width in channels.items() if name != "embedding"},
            "signatures": {SERVING_DEFAULT: {"video": "float32"}, ENCODED_FRAMES: {"frames": "string"}},
        },
    }


def main() -> None:
    print(run(config.from_flags(Settings)))


if __name__ == "__main__":
    command_line.run(main, __doc__, [Settings])
