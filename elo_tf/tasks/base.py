"""The contract of a task (one term L_{m,t} or L_d of Eq. 1), and the registry of kinds.

A kind of task is one file in this folder: a subclass of `Task` under `@register`. Everything else follows from the
registry: the lambdas and their order, the views that the model makes, metrics, figures and conformance tests.
"""

from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Type

import tensorflow as tf

from elo_tf.config import TaskConfig
from elo_tf.data.clips import MODALITIES, Clips, ClipSizes
from elo_tf.tasks.views import find

# (modality, view) -> endpoint of the tower -> tensor.
Features = Dict[Tuple[str, str], Dict[str, tf.Tensor]]

KINDS: Dict[str, Type["Task"]] = {}


class Task(tf.keras.layers.Layer):
    """One term of the loss.

    Class attributes, stated by each kind:
      kind: Name of the task, the same for every modality.
      symbol: Its letters in the figures (Fig. 3).
      equation: The equation of the paper that it minimises, or the work that the paper takes it from.
      in_paper: Whether the paper names it; those terms are the preset `paper`.

    Attributes:
      name: Stable name of the lambda, `modalities/kind[/detail]`, such as `rgb-flow/embed`.
      code: Short form for figures, such as `RF-E`.
      modalities: Modalities that the name has; if the video lacks one, the term is masked.
      views: (modality, view) pairs that towers must have seen (`elo_tf.tasks.views`).
      endpoints: Endpoints of the towers that the loss reads.
      teaches: Modalities whose towers receive a gradient.
      targets: (segment, modality) pairs of the batch that the loss reads besides the features.
      config: Settings of all tasks.
    """

    kind: str
    symbol: str
    equation: str
    in_paper: bool = False

    def __init__(
        self,
        config: TaskConfig,
        modalities: Sequence[str],
        views: Sequence[Tuple[str, str]],
        teaches: Sequence[str],
        endpoints: Sequence[str] = ("embedding",),
        targets: Sequence[Tuple[str, str]] = (),
        detail: str = "",
    ):
        parts = ["-".join(modalities), self.kind] + ([detail] if detail else [])
        super().__init__(name="/".join(parts))
        letters = "".join(MODALITIES[modality].letter for modality in modalities)
        self.code = f"{letters}-{self.symbol}{detail[-1:] if detail else ''}"
        self.config = config
        self.modalities = tuple(modalities)
        self.views = tuple(views)
        self.teaches = tuple(teaches)
        self.endpoints = tuple(endpoints)
        self.targets = tuple(targets)

    @classmethod
    def instances(cls, modalities: Sequence[str], config: TaskConfig) -> List["Task"]:
        """The terms of this kind for the towers at hand, modalities in canonical order."""
        raise NotImplementedError

    def build(self, sizes: ClipSizes, channels: Mapping[str, Mapping[str, int]]) -> None:
        """Makes the heads.

        Args:
          sizes: What the clips measure.
          channels: modality -> endpoint -> channels of the towers.
        """
        del sizes, channels
        self.built = True

    def loss(self, features: Features, clips: Clips, training: bool) -> tf.Tensor:
        """The unweighted term.

        Args:
          features: The endpoints that the task named, of each view that it named.
          clips: The batch, targets included.
          training: Whether batch normalisation in the heads uses the statistics of this batch.

        Returns:
          A float32 scalar whose mean over the replicas is the loss of the global batch.
        """
        raise NotImplementedError

    def example(self, features: Features, clips: Clips) -> Optional[Tuple[tf.Tensor, tf.Tensor]]:
        """What the term decodes, and what it ought to: [B,T,H,W,C] each; None where it decodes nothing."""
        del features, clips
        return None

    def counted(self, clips: Clips) -> tf.Tensor:
        """How many clips of a batch count for the term, of the view that has the fewest; float32."""
        views = {view for _, view in self.views} or {"plain"}
        return tf.reduce_min([tf.reduce_sum(self.present(clips, view)) for view in sorted(views)])

    def present(self, clips: Clips, view: str = "plain") -> tf.Tensor:
        """1 where the video has all modalities of this task, else 0: one number for each clip of the view."""
        present = tf.reduce_prod([clips["present"][MODALITIES[name].source] for name in self.modalities], axis=0)
        return present[:: find(view).every]


def register(kind: Type[Task]) -> Type[Task]:
    """Class decorator: makes a kind of task known.

    Raises:
      ValueError: another class has the same `kind`.
    """
    if kind.kind in KINDS:
        raise ValueError(f"task {kind.kind!r} of {kind.__module__} is already defined in {KINDS[kind.kind].__module__}")
    KINDS[kind.kind] = kind
    return kind
