"""All towers and tasks as one Keras model: `compute_losses` says what is optimised, `train_step` says how."""

import contextlib
import dataclasses
import math
from typing import Callable, Dict, FrozenSet, List, Optional, Sequence, Tuple

import tensorflow as tf

from elo_tf.data.clips import MODALITIES, Clips, ClipSizes
from elo_tf.model.objective import Objective
from elo_tf.networks.backbone import Backbone
from elo_tf.networks.layers import sizes_of
from elo_tf.ops.equations import gather_replicas
from elo_tf.tasks import Features, Task, views

# ITU-R BT.601 luma, the grey of a camera.
LUMA = (0.299, 0.587, 0.114)

# (gradient, variable)
Pairs = List[Tuple[tf.Tensor, tf.Variable]]


@dataclasses.dataclass(frozen=True)
class Weigh:
    """Sets the lambdas of a step by its losses.

    Attributes:
      ask: (losses [G] over their units, persistent tape that has recorded them) -> weights [G].
      second_order: Whether the tape goes on recording, so that gradients of gradients can be taken.
    """

    ask: Callable[[tf.Tensor, tf.GradientTape], tf.Tensor]
    second_order: bool = False


class EloModel(tf.keras.Model):
    """The towers, joined by the tasks (Fig. 2).

        clips -> views -> one run of each tower -> features -> one scalar a task -> weighted sum

    Args:
      tasks: Terms of Eq. 1 in canonical order (`elo_tf.tasks.select`); they are built here.
      sizes: What the clips measure.
      backbone: Name of the tower's variant.
      weight_decay: L2 penalty on the convolution kernels of the towers.

    Attributes:
      towers: modality -> tower, only for the modalities that a task looks at, and RGB.
      objective: The lambdas.
    """

    def __init__(self, tasks: Sequence[Task], sizes: ClipSizes, backbone: str = "tiny", weight_decay: float = 0.0):
        super().__init__(name="elo")
        self.sizes = sizes
        self.tasks = list(tasks)
        self.objective = Objective([task.name for task in tasks])
        used = {modality for task in tasks for modality, _ in task.views} | {"rgb"}
        self.towers = {name: Backbone(backbone, name, weight_decay) for name in MODALITIES if name in used}
        # modality -> views, each once, `plain` first.
        self.views: Dict[str, List[str]] = {
            modality: views.in_order({view for task in tasks for shown, view in task.views if shown == modality})
            for modality in self.towers
        }
        channels = {modality: tower.channels for modality, tower in self.towers.items()}
        for task in self.tasks:
            task.build(sizes, channels)

    @property
    def needs(self) -> FrozenSet[Tuple[str, str]]:
        """(segment, stored modality) pairs that a batch must hold for `compute_losses`."""
        shown = {(views.find(view).segment, modality) for modality, seen in self.views.items() for view in seen}
        read = {target for task in self.tasks for target in task.targets}
        return frozenset((segment, MODALITIES[modality].source) for segment, modality in shown | read)

    def call(self, video, training=False):
        """[B,T,H,W,3] -> [B,D]: the embedding of the RGB tower, what remains after training."""
        return self.towers["rgb"](video, training=training)["embedding"]

    def encode(self, clips: Clips, training: bool) -> Features:
        """Runs each tower once, on all of its views together.

        Returns:
          (modality, view) -> endpoint -> tensor.
        """
        features, clips = {}, with_sound(clips)
        for modality, shown in self.views.items():
            made = [views.find(view).make(clips, modality) for view in shown]
            if not made:
                continue
            endpoints = self.towers[modality](tf.concat(made, axis=0), training=training)
            counts = [tf.shape(view)[0] if view.shape[0] is None else view.shape[0] for view in made]
            split = {name: tf.split(tensor, counts, axis=0) for name, tensor in endpoints.items()}
            for index, view in enumerate(shown):
                features[modality, view] = {name: parts[index] for name, parts in split.items()}
        return features

    def compute_losses(self, clips: Clips, training: bool = False) -> Dict[str, tf.Tensor]:
        """The unweighted terms of Eq. 1 by name, float32 scalars in canonical order.

        A term of weight 0 is computed, but nothing of it flows back (`Objective.gate`).
        """
        clips = with_grey(clips)
        features = self.encode(clips, training)
        losses = {}
        for index, task in enumerate(self.tasks):
            gated = {
                view: {name: self.objective.gate(features[view][name], index) for name in task.endpoints}
                for view in task.views
            }
            with tf.name_scope(task.name):
                losses[task.name] = task.loss(gated, clips, training)
        return losses

    def examples(self, clips: Clips) -> Dict[str, Tuple[tf.Tensor, tf.Tensor]]:
        """What each term decodes, and what it ought to, [B,T,H,W,C]; only terms that decode frames have any."""
        clips = with_grey(clips)
        features = self.encode(clips, training=False)
        found = {task.name: task.example(features, clips) for task in self.tasks}
        return {name: example for name, example in found.items() if example is not None}

    def train_step(self, clips: Clips) -> Dict[str, tf.Tensor]:
        """One update of all towers and heads; returns the unweighted terms."""
        losses, pairs = self.compute_gradients(clips)
        self.optimizer.apply_gradients(pairs)
        return losses

    def compute_gradients(self, clips: Clips, weigh: Optional[Weigh] = None) -> Tuple[Dict[str, tf.Tensor], Pairs]:
        """The unweighted terms, and (gradient, variable) pairs of this replica's part of Eq. 1.

        Gradients are to be summed over the replicas. With float16 the loss is scaled before, they are after it.

        Args:
          clips: A batch.
          weigh: Sets the lambdas by the losses and their gradients, before they are summed; None leaves them.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        scaler = self.optimizer if isinstance(self.optimizer, tf.keras.mixed_precision.LossScaleOptimizer) else None
        with tf.GradientTape(persistent=weigh is not None) as tape:
            losses = self.compute_losses(clips, training=True)
            if weigh:
                values = self.objective.over_units(losses)
                with contextlib.nullcontext() if weigh.second_order else tape.stop_recording():
                    self.objective.lambdas.assign(weigh.ask(values, tape))
            penalty = tf.add_n(self.losses) if self.losses else 0.0
            total = (self.objective.total(losses) + penalty) / replicas
            total = scaler.get_scaled_loss(total) if scaler else total
        variables = self.trainable_variables
        gradients = tape.gradient(total, variables)
        gradients = scaler.get_unscaled_gradients(gradients) if scaler else gradients
        return losses, self._open_gradients(variables, gradients)

    def _open_gradients(self, variables: Sequence[tf.Variable], gradients: Sequence[tf.Tensor]) -> Pairs:
        """(gradient, variable) pairs; those of the heads of a term of weight 0 are set to 0, be they NaN."""
        owner = {id(variable): index for index, task in enumerate(self.tasks) for variable in task.trainable_variables}
        weights = self.objective.lambdas.read_value()
        pairs = []
        for variable, gradient in zip(variables, gradients):
            if gradient is None:
                continue
            if id(variable) in owner:
                gradient = tf.where(weights[owner[id(variable)]] > 0, gradient, tf.zeros_like(gradient))
            pairs.append((gradient, variable))
        return pairs


def with_grey(clips: Clips) -> Clips:
    """The batch with `grey` beside `rgb` in each segment: luma of the augmented frames, [...,1] in [0,1]."""
    result = dict(clips)
    for segment in ("now", "next", "other"):
        if "rgb" in clips.get(segment, {}):
            grey = tf.tensordot(clips[segment]["rgb"], tf.constant(LUMA), axes=1)[..., tf.newaxis]
            result[segment] = {**clips[segment], "grey": grey}
    return result


def with_sound(clips: Clips) -> Clips:
    """The batch with the sound of others lent to clips without any, each in its turn; a wholly silent one as it is.

    What is lent is masked wherever it would count. It keeps silence out of the statistics of batch normalisation, which
    would otherwise change what sounding clips teach. Who lends to whom does not depend on how many replicas there are.
    """
    heard = [segment for segment in ("now", "other") if "audio" in clips.get(segment, {})]
    if not heard:
        return clips
    own = clips["present"]["audio"] > 0  # [B]
    everyone = gather_replicas(clips["present"]["audio"]) > 0  # [B x replicas]
    replica = tf.distribute.get_replica_context()
    places = tf.range(tf.size(own)) + (replica.replica_id_in_sync_group if replica else 0) * tf.size(own)
    sounding = tf.argsort(tf.cast(~everyone, tf.int32), stable=True)
    count = tf.maximum(tf.reduce_sum(tf.cast(everyone, tf.int32)), 1)
    lender = tf.where(own, places, tf.gather(sounding, places % count))
    result = dict(clips)
    for segment in heard:
        audio = clips[segment]["audio"]
        rows = gather_replicas(tf.reshape(audio, [tf.size(own), math.prod(audio.shape[1:])]))
        result[segment] = {**clips[segment], "audio": tf.reshape(tf.gather(rows, lender), sizes_of(audio))}
    return result
