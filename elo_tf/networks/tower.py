"""The RGB tower, which is kept after training, and the facts needed to use it (Sec. 3.1, last paragraph).

    RUN_DIR/checkpoints/ckpt-1000 ─┬─> RGB tower      (other towers, heads, decoders, adapters are not read)
    RUN_DIR/tower.json ────────────┘   its description

`train` writes both; `evaluate` and the export read them.
"""

import dataclasses
import json
import pathlib
from typing import Any, Dict, Optional, Tuple, Union

import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.networks.backbone import VARIANTS, Backbone
from elo_tf.runtime import json_text, text
from elo_tf.runtime.json_text import NUMBER, Kind
from elo_tf.runtime.storage import write_text

# In the run directory.
FILE = "tower.json"
CHECKPOINTS = "checkpoints"
PREFIX = "ckpt"
VERSION = 2


_KINDS: Dict[str, Kind] = {
    "backbone": str, "precision": str, "frames": int, "size": int, "fps": NUMBER, "stored_size": int, "loss": dict,
    "training": dict, "data": dict, "version": int,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Description:
    """What a tower is and where it comes from.

    Attributes:
      backbone: Name of its variant.
      precision: Arithmetic that it was trained in.
      frames: T of the clips that it was trained on.
      size: H = W of them, pixels.
      fps: Frames a second of them.
      stored_size: Side of the square frames of which they are crops, pixels.
      loss: The loss that has trained it, as its file says (`elo_tf.model.objective.save_loss`); empty if nothing has.
      training: Flags of the training by name.
      data: What it was trained on: `fingerprint` of the records, and numbers of videos.
      version: Of this description; 1, in files that do not say it, called `tiny_0` `tiny`.
    """

    backbone: str
    precision: str
    frames: int
    size: int
    fps: float
    stored_size: int
    loss: Dict[str, Any]
    training: Dict[str, Any]
    data: Dict[str, Any]
    version: int = VERSION

    def save(self, run_dir: Union[str, pathlib.Path]) -> None:
        """Writes `tower.json` of a run."""
        write_text(pathlib.Path(run_dir) / FILE, json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    def stored_for(self, size: int) -> int:
        """Side to scale frames to, so that their centre crop of `size` pixels shows as much as a crop of training."""
        return max(size, round(size * self.stored_size / self.size))

    @classmethod
    def load(cls, path: Union[str, pathlib.Path]) -> "Description":
        """Reads a `tower.json`.

        Raises:
          InputError: it is missing, damaged, or of a backbone that this program does not know.
        """
        try:
            content = {"version": 1, **json_text.parse(text.read(path))}
            json_text.check(content, _KINDS)
            if min(content[name] for name in ("frames", "size", "stored_size", "fps")) <= 0:
                raise ValueError("a size or a rate is not above 0")
            if content["version"] == 1 and content["backbone"] == "tiny":
                content["backbone"] = "tiny_0"
            description = cls(**{field.name: content[field.name] for field in dataclasses.fields(cls)})
        except FileNotFoundError:
            raise InputError(f"{path} does not exist; name the run directory of python -m elo_tf.train") from None
        except (ValueError, LookupError, TypeError) as error:
            raise InputError(f"{path} is damaged ({type(error).__name__}: {error}); train again") from None
        if description.backbone not in VARIANTS:
            raise InputError(f"{path}: backbone {description.backbone!r} is unknown; choose from {', '.join(VARIANTS)}")
        return description


@dataclasses.dataclass(frozen=True)
class Tower:
    """A trained RGB tower.

    Attributes:
      network: [B,T,H,W,3] float32 in [0,1] -> endpoints by name; built.
      about: Its description.
      step: Training steps that it has seen.
      checkpoint: Prefix of the files that it was read from.
    """

    network: Backbone
    about: Description
    step: int
    checkpoint: str

    @classmethod
    def load(cls, place: Union[str, pathlib.Path]) -> "Tower":
        """Reads the RGB tower of a checkpoint.

        Args:
          place: A run directory, whose last checkpoint is meant, or the prefix of a checkpoint in
            RUN_DIR/checkpoints, such as `RUN_DIR/checkpoints/ckpt-1000`.

        Raises:
          InputError: there is no checkpoint, it is damaged, or it lacks a variable of the tower.
        """
        run_dir, prefix = _find(pathlib.Path(place))
        about = Description.load(run_dir / FILE)
        network = make_network(about.backbone)
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
        # The same path to the tower as in a checkpoint of an `EloModel`.
        model = tf.train.Checkpoint(towers={"rgb": network})
        try:
            # Silenced first: after a failed check its complaint would follow when the program ends.
            status = tf.train.Checkpoint(model=model, step=step).restore(prefix).expect_partial()
            status.assert_existing_objects_matched()
        except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise InputError(f"{prefix} cannot be read as a {about.backbone} tower ({reason}); use another") from None
        return cls(network, about, int(step), prefix)


def make_network(backbone: str, weight_decay: float = 0.0) -> Backbone:
    """An RGB tower with all its variables, at random weights."""
    network = Backbone(backbone, "rgb", weight_decay)
    network(tf.zeros([1, 2, 16, 16, 3]))
    return network


def latest_checkpoint(directory: pathlib.Path) -> Optional[str]:
    """Prefix of the last checkpoint that a folder lists and holds; None where there is none, or its list is damaged."""
    try:
        prefix = tf.train.latest_checkpoint(str(directory))
    except (ValueError, tf.errors.OpError):  # It is no text.
        return None
    return prefix if prefix and pathlib.Path(prefix).parent == directory else None


def _find(place: pathlib.Path) -> Tuple[pathlib.Path, str]:
    """The run directory and the prefix of a checkpoint."""
    if (place / FILE).exists() or (place / CHECKPOINTS).is_dir():
        prefix = latest_checkpoint(place / CHECKPOINTS)
        if prefix is None:
            raise InputError(f"{place / CHECKPOINTS} has no checkpoint yet; train first, or longer")
        return place, prefix
    if not place.with_name(f"{place.name}.index").exists():
        raise InputError(f"{place} is neither the run directory of a training nor a checkpoint of one")
    return place.parent.parent, str(place)
