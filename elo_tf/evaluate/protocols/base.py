"""The input and output of a protocol."""

import dataclasses
from typing import Any, Callable, Dict, List, Optional, Tuple, Type

import numpy as np

from elo_tf.config import ProtocolConfig
from elo_tf.evaluate.videos.material import Material
from elo_tf.evaluate.videos.split import Split


@dataclasses.dataclass(frozen=True)
class Features:
    """Embeddings of labelled videos.

    Attributes:
      clips: [V,W,D] float32: W clips of each of V videos.
      labels: [V] integers, the classes.
    """

    clips: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Case:
    """One measurement to be made.

    Attributes:
      split: Training videos (as many as the label budget allows) and test videos.
      seed: All that is random follows from it.
      material: Clips of the videos.
      features: Gives `train` or `test`; computed at the first call for any protocol.
      backbone: Name of the network's variant.
      weights: Gives the variables of the network to be fine-tuned, as `get_weights` does; None where there is none.
    """

    split: Split
    seed: int
    material: Material
    features: Callable[[str], Features]
    backbone: str
    weights: Optional[Callable[[], List[np.ndarray]]]


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a protocol says of the test videos.

    Attributes:
      labels: [R,V] integers: R runs, each of which gives every video a class.
      details: What else is worth keeping, as JSON holds it.
    """

    labels: np.ndarray
    details: Dict[str, Any]


class Protocol:
    """A way to measure a representation; a file in `protocols/` defines and registers one.

    Attributes:
      name: As in `--protocol`.
      title: As in the tables of the paper.
      needs_network: Whether it changes the network, so that it cannot be had for fixed features.
    """

    name: str
    title: str
    needs_network: bool

    def __init__(self, config: ProtocolConfig):
        self.config = config

    def predict(self, case: Case) -> Prediction:
        """Learns from the training videos of the case and classifies its test videos.

        Raises:
          InputError: the settings do not fit the case.
        """
        raise NotImplementedError


# Name -> protocol.
PROTOCOLS: Dict[str, Type[Protocol]] = {}


def register(protocol: Type[Protocol]) -> Type[Protocol]:
    """Class decorator: makes a protocol known.

    Raises:
      ValueError: another class has the same name.
    """
    known = PROTOCOLS.get(protocol.name)
    if known:
        raise ValueError(
            f"protocol {protocol.name!r} of {protocol.__module__} is already defined in {known.__module__}"
        )
    PROTOCOLS[protocol.name] = protocol
    return protocol


def standardise(train: Features, test: Features) -> Tuple[Features, Features]:
    """Both in units of the training clips: mean 0 and standard deviation 1 in each dimension."""
    flat = train.clips.reshape(-1, train.clips.shape[-1]).astype(np.float64)
    # The floor keeps a dimension that never varies in training from dominating the test part.
    mean, deviation = flat.mean(axis=0), flat.std(axis=0) + 1e-6

    def scaled(part: Features) -> Features:
        return Features(((part.clips - mean) / deviation).astype(np.float32), part.labels)

    return scaled(train), scaled(test)
