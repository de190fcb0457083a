"""The representations that are evaluated: towers of checkpoints, and baselines (Table 1).

checkpoint   the RGB tower as it was trained, one row for each that is given
scratch      the same tower at random weights, other ones for each seed
supervised   that, trained by the labels of the training videos (`protocols/finetune.py`); other ones for each seed
pixels       no network: mean colour over time of 8 x 8 cells
"""

import dataclasses
import hashlib
import pathlib
from typing import Callable, Dict, List, Sequence, Tuple, Type

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError, ProtocolConfig
from elo_tf.data.descriptors import describe
from elo_tf.evaluate.protocols import finetune
from elo_tf.evaluate.protocols.base import Case
from elo_tf.networks.backbone import Backbone
from elo_tf.networks.tower import Description, Tower, make_network

CHECKPOINT = "checkpoint"


class Embedder:
    """The embedding of a network in inference mode, as a graph that is traced once whatever the weights.

    Args:
      about: The tower whose kind of network and clips are meant.
    """

    def __init__(self, about: Description):
        self.network = make_network(about.backbone)
        shape = [None, about.frames, about.size, about.size, 3]
        self.graph = tf.function(
            lambda video: self.network(video, training=False)["embedding"], input_signature=[tf.TensorSpec(shape)]
        )

    def with_weights(self, weights: Sequence[np.ndarray]) -> Callable:
        """[B,T,H,W,3] -> [B,D]; holds until the next call."""
        self.network.set_weights(weights)
        return self.graph


class Entrant:
    """One row of the table.

    Attributes:
      name: As in `--baselines`.
      depends_on: What of a case its features depend on: any of `seed`, `split`, `budget`.
      trainable: Whether there is a network to be fine-tuned.
    """

    name: str
    depends_on: Tuple[str, ...] = ()
    trainable = True

    def __init__(self, tower: Tower, embedder: Embedder, config: ProtocolConfig):
        self.tower = tower
        self.embedder = embedder
        self.config = config

    def weights(self, case: Case) -> List[np.ndarray]:
        """The variables of its network, as `get_weights` gives them."""
        raise NotImplementedError

    def embed(self, case: Case) -> Callable:
        """[B,T,H,W,3] -> [B,D]; of the case only what `depends_on` names is looked at. Holds until the next call."""
        return self.embedder.with_weights(self.weights(case))


class Checkpoint(Entrant):
    """A tower as it was trained; the row has the name of its run, where several are compared."""

    name = CHECKPOINT

    def __init__(self, tower: Tower, embedder: Embedder, config: ProtocolConfig, name: str = CHECKPOINT):
        super().__init__(tower, embedder, config)
        self.name = name

    def weights(self, case: Case) -> List[np.ndarray]:
        del case
        return self.tower.network.get_weights()


class Scratch(Entrant):
    """Random weights."""

    name = "scratch"
    depends_on: Tuple[str, ...] = ("seed",)

    def weights(self, case: Case) -> List[np.ndarray]:
        tf.keras.utils.set_random_seed(case.seed)
        return make_network(self.tower.about.backbone).get_weights()


class Supervised(Scratch):
    """Random weights, then the labels of the training videos. To fine-tune it by them again is what `scratch` does."""

    name = "supervised"
    depends_on = ("seed", "split", "budget")
    trainable = False

    def embed(self, case: Case) -> Callable:
        case = dataclasses.replace(case, weights=lambda: self.weights(case))
        trainer = finetune.trainer(case.backbone, len(case.split.classes), self.config)
        trainer.train(case)
        return self.embedder.with_weights(trainer.network.get_weights())


class Pixels(Entrant):
    """No network at all."""

    name = "pixels"
    trainable = False

    def embed(self, case: Case) -> Callable:
        del case
        return lambda video: describe("pixels", video.numpy())


BASELINES: Dict[str, Type[Entrant]] = {entrant.name: entrant for entrant in (Scratch, Supervised, Pixels)}


def select(names: Sequence[str], towers: Sequence[Tower], config: ProtocolConfig) -> List[Entrant]:
    """The towers of the checkpoints, then the baselines of these names, which are like the first tower.

    Raises:
      InputError: a name is unknown, or the towers want different clips.
    """
    first = towers[0].about
    for tower in towers:
        for fact in ("frames", "size", "fps", "stored_size"):
            own, other = getattr(tower.about, fact), getattr(first, fact)
            if own != other:
                raise InputError(
                    f"--checkpoint: {tower.checkpoint} was trained with {fact} {own}, {towers[0].checkpoint} with "
                    f"{other}; evaluate them in separate commands"
                )
    for name in names:
        if name not in BASELINES:
            raise InputError(f"--baselines: {name!r} is unknown; choose from {', '.join(BASELINES)}")
    embedders = {tower.about.backbone: Embedder(tower.about) for tower in towers}
    trained = [
        Checkpoint(tower, embedders[tower.about.backbone], config, name)
        for tower, name in zip(towers, _names_of(towers, names))
    ]
    baselines = [BASELINES[name](towers[0], embedders[first.backbone], config) for name in dict.fromkeys(names)]
    return [*trained, *baselines]


def _names_of(towers: Sequence[Tower], taken: Sequence[str]) -> List[str]:
    """`checkpoint` for a single one; for several the names of their run directories, or more where these are alike."""
    if len(towers) == 1:
        return [CHECKPOINT]
    places = [pathlib.Path(tower.checkpoint) for tower in towers]
    names = [place.parent.parent.name for place in places]
    if len({*names, *taken}) < len(names) + len(set(taken)):
        names = [f"{place.parent.parent.name}-{place.name}" for place in places]
    if len(set(names)) < len(names):
        names = [f"{name}-{number}" for number, name in enumerate(names, 1)]
    return names


def weights_digest(network: Backbone) -> str:
    """16 hexadecimal digits that stand for all variables of a network."""
    digest = hashlib.sha256()
    for variable in network.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()[:16]
