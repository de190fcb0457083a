"""Whose representation is measured: the tower of a checkpoint, and what it is compared with (Table 1).

checkpoint   the RGB tower as it was trained
scratch      the same tower at random weights, other ones for each seed
supervised   that, trained by the labels of the training videos (`protocols/finetune.py`); other ones for each seed
pixels       no network: mean colour over time of 8 x 8 cells
"""

import dataclasses
import hashlib
from typing import Callable, Dict, List, Sequence, Tuple, Type

import numpy as np
import tensorflow as tf

from elo_tf.backbone import Backbone
from elo_tf.config import InputError, ProtocolConfig
from elo_tf.evaluation.base import Case
from elo_tf.evaluation.protocols import finetune
from elo_tf.fitness.descriptors import describe
from elo_tf.tower import Description, Tower, make_network

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
    """The tower as it was trained."""

    name = CHECKPOINT

    def weights(self, case: Case) -> List[np.ndarray]:
        del case
        return self.tower.network.get_weights()


class Scratch(Entrant):
    """Random weights."""

    name = "scratch"
    depends_on = ("seed",)

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


def select(names: Sequence[str], tower: Tower, config: ProtocolConfig) -> List[Entrant]:
    """The tower of the checkpoint, then the baselines of these names.

    Raises:
      InputError: a name is unknown.
    """
    for name in names:
        if name not in BASELINES:
            raise InputError(f"--baselines: {name!r} is unknown; choose from {', '.join(BASELINES)}")
    embedder = Embedder(tower.about)
    kinds = [Checkpoint, *(BASELINES[name] for name in dict.fromkeys(names))]
    return [kind(tower, embedder, config) for kind in kinds]


def weights_digest(network: Backbone) -> str:
    """16 hexadecimal digits that stand for all variables of a network."""
    digest = hashlib.sha256()
    for variable in network.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()[:16]
