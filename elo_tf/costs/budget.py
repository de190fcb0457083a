"""What a search or a training takes, before machines are rented for it (`--dry_run`).

    settings -> traced step -> parameters, operations, memory    x steps, candidates, generations -> device-hours
    settings or records -> bytes a frame                         x videos                         -> storage

Nothing is run, read but the records' own sizes, or written.
"""

import dataclasses
import math
from typing import Optional, Tuple

from elo_tf import tasks
from elo_tf.config import (
    BudgetConfig,
    DataConfig,
    FinalTrainConfig,
    IngestConfig,
    InputError,
    ModelConfig,
    TaskConfig,
    TrainConfig,
)
from elo_tf.costs.accelerators import Work
from elo_tf.costs.record_sizes import RecordSizes, measured, stated
from elo_tf.costs.traced_step import TracedStep, trace
from elo_tf.data.clips import ClipSizes, check_modalities
from elo_tf.data.reader import clip_sizes, crop_size, sizes_at
from elo_tf.data.records import Manifest
from elo_tf.data.tfrecord import DamagedShardError
from elo_tf.model.elo_model import EloModel
from elo_tf.model.optimizer import penalty
from elo_tf.runtime import devices

# The gradient of a product of matrices is two products of the same size, one for each factor.
BACKWARD_FACTOR = 3
# A kept activation is written, read by the next layer and read by the backward pass; its gradient is written and read.
PASSES_OVER_ACTIVATIONS = 5


@dataclasses.dataclass(frozen=True)
class SearchSize:
    """How much a search trains.

    Attributes:
      generations, population: Rounds, and candidates in each.
      trainings: Number of trainings, those of rungs and of fresh seeds included.
      steps: Training steps of all of them.
    """

    generations: int
    population: int
    trainings: int
    steps: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be priced.

    Attributes:
      data, model, task, budget: Settings of the run.
      train: Of a candidate of a search, or, a `FinalTrainConfig`, of the training in full.
      manifest: Of the records; None where there are none yet.
      search: How much a search trains; None if one loss is trained.
    """

    data: DataConfig
    model: ModelConfig
    task: TaskConfig
    train: TrainConfig
    budget: BudgetConfig
    manifest: Optional[Manifest] = None
    search: Optional[SearchSize] = None

    @property
    def shared_batch(self) -> bool:
        """Whether all devices share the B clips of a step; in a search each candidate has a device of its own."""
        return isinstance(self.train, FinalTrainConfig)

    @property
    def parts(self) -> int:
        """In how many parts a device takes its clips, one after the other."""
        return self.train.accumulate if isinstance(self.train, FinalTrainConfig) else 1

    @property
    def clips_at_a_time(self) -> int:
        """Clips that a device holds at a time.

        Raises:
          InputError: the devices cannot share the batch evenly, or parts not the clips of a device.
        """
        if isinstance(self.train, FinalTrainConfig):
            return self.train.clips_at_a_time(self.data.batch_size, self.budget.devices)
        return self.data.batch_size


@dataclasses.dataclass(frozen=True)
class Budget:
    """The counted figures.

    Attributes:
      step: As traced for one device, or for one of its parts.
      parts: Parts of a step.
      sizes: What the clips measure.
      slot_bytes: Of the optimiser's variables.
      records: Bytes a frame.
      videos, frames: Videos to store, and frames in all of them.
      counted: Whether those two are the records' own numbers.
    """

    step: TracedStep
    parts: int
    sizes: ClipSizes
    slot_bytes: int
    records: RecordSizes
    videos: int
    frames: float
    counted: bool

    @property
    def fixed_bytes(self) -> int:
        """Memory of a device that does not depend on the batch."""
        return self.step.weight_bytes + self.gradient_bytes + self.slot_bytes + self.step.cast_bytes

    @property
    def gradient_bytes(self) -> int:
        """Memory of the gradients: of a step in parts those of the part, and the sum of all."""
        return self.step.gradient_bytes * (2 if self.parts > 1 else 1)

    @property
    def bytes_a_clip(self) -> float:
        """Memory of a device for each clip of the batch."""
        return (self.step.clip_bytes + self.step.kept_bytes) / self.step.batch

    @property
    def clip_operations(self) -> float:
        """Floating-point operations of training, a clip."""
        return BACKWARD_FACTOR * sum(self.step.forward.values())

    def work(self) -> Work:
        """One step on one device."""
        return Work(
            operations=self.parts * self.step.batch * self.clip_operations,
            traffic=self.parts * PASSES_OVER_ACTIVATIONS * self.step.kept_bytes,
            memory=self.fixed_bytes + self.step.batch * self.bytes_a_clip,
        )


def make_budget(plan: Plan) -> Budget:
    """Builds and traces the model, and counts.

    Raises:
      InputError: settings or records do not fit together.
    """
    batch = plan.clips_at_a_time
    sizes = (
        clip_sizes(plan.manifest, plan.data)
        if plan.manifest
        else sizes_at(crop_size(IngestConfig.size, plan.data), plan.data)  # Of records that are still to be made.
    )
    terms = tasks.select(check_modalities(plan.model.modalities), plan.model.tasks, plan.task)
    records, videos, frames = _storage(plan, sizes)
    with devices.precision(plan.model.precision):
        model = EloModel(terms, sizes, plan.model.backbone, penalty(plan.train))
        step = trace(model, batch)
    slots = slots_a_weight(plan.train) * step.gradient_bytes
    return Budget(step, plan.parts, sizes, slots, records, videos, frames, plan.manifest is not None)


def slots_a_weight(train: TrainConfig) -> int:
    """Numbers that the optimiser keeps for each trainable one: the momentum of sgd, the two moments of adam."""
    return 2 if train.optimizer == "adam" else int(train.momentum > 0)


def _storage(plan: Plan, sizes: ClipSizes) -> Tuple[RecordSizes, int, float]:
    """Bytes a frame, videos and frames: those of the records, or of a plan of them.

    Raises:
      InputError: a shard is damaged.
    """
    manifest = plan.manifest
    if manifest is None:
        # A crop is 7/8 of what is stored.
        ingest = IngestConfig(size=max(16, 8 * math.ceil(sizes.size / 7)), max_seconds=plan.budget.planned_seconds)
        frames = plan.budget.planned_videos * ingest.max_seconds * ingest.fps
        return stated(ingest.size, ingest), plan.budget.planned_videos, frames
    known = {field.name for field in dataclasses.fields(IngestConfig)}
    ingest = IngestConfig(**{name: value for name, value in manifest.settings.items() if name in known})
    try:
        records = measured(manifest) or stated(ingest.size, ingest)
    except (DamagedShardError, OSError) as error:
        raise InputError(f"--records={manifest.folder} cannot be measured: {error}; run elo_tf.prepare again") from None
    return records, len(manifest.usable), float(manifest.usable.frames.sum())
