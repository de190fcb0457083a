"""The terms of a loss as a table: kind, modalities and cost."""

import collections
import dataclasses
import typing
from typing import List, Tuple

import tensorflow as tf

from elo_tf.data.clips import MODALITIES, NOISE, SEGMENTS, Clips, ClipSizes
from elo_tf.model.elo_model import EloModel
from elo_tf.tasks import views

# Clips in the batch that costs are counted on: two, since some views hold every second clip only.
BATCH = 2


@dataclasses.dataclass(frozen=True)
class Entry:
    """A term of the loss.

    Attributes:
      name, code, equation: See `elo_tf.tasks.Task`.
      modalities: Those that the name has.
      views: What towers look at for it, such as `rgb plain`.
      head: Floating-point operations a clip of its own head, forward.
      alone: The same with the runs of the towers on its views, which it shares with other terms.
    """

    name: str
    code: str
    equation: str
    modalities: Tuple[str, ...]
    views: Tuple[str, ...]
    head: float
    alone: float


def clip_specs(sizes: ClipSizes, batch: int) -> Clips:
    """The structure of a batch as tensor specifications, nothing left out."""

    def segment(name):
        shapes = {modality: sizes.segment_shape(name, modality) for modality in MODALITIES}
        return {
            modality: tf.TensorSpec([batch, *shape], tf.float32)
            for modality, shape in shapes.items()
            if MODALITIES[modality].source == modality
        }

    sources = {modality.source for modality in MODALITIES.values()}
    return {
        **{name: segment(name) for name in SEGMENTS},
        "present": {name: tf.TensorSpec([batch], tf.float32) for name in sorted(sources)},
        "noise": tf.TensorSpec([batch, NOISE], tf.float32),
        "label": tf.TensorSpec([batch], tf.int32),
        "video": tf.TensorSpec([batch], tf.int64),
    }


def catalogue(model: EloModel) -> List[Entry]:
    """One entry a term, in canonical order. The model is traced, not run."""
    operations = _forward(model)
    towers = {
        modality: operations[tower.name] / sum(BATCH // views.find(view).every for view in model.views[modality])
        for modality, tower in model.towers.items()
        if model.views[modality]
    }
    entries = []
    for task in model.tasks:
        head = operations[task.name] / BATCH
        seen = sum(towers[modality] / views.find(view).every for modality, view in task.views)
        shown = tuple(f"{modality} {view}" for modality, view in task.views)
        entries.append(Entry(task.name, task.code, task.equation, task.modalities, shown, head, head + seen))
    return entries


def operations_a_clip(model: EloModel) -> float:
    """Floating-point operations of one forward pass, towers on all of their views and heads, a clip."""
    return sum(_forward(model).values()) / BATCH


def _forward(model: EloModel) -> typing.Counter[str]:
    """Floating-point operations of one forward pass of a small batch; the model is traced, not run."""
    forward = tf.function(lambda clips: model.compute_losses(clips, training=False), autograph=False)
    return count_operations(forward.get_concrete_function(clip_specs(model.sizes, BATCH)).graph, model)


def count_operations(graph: tf.Graph, model: EloModel) -> typing.Counter[str]:
    """Floating-point operations of a graph of a model by the name of the tower or term; "" is what belongs to none."""
    options = tf.compat.v1.profiler.ProfileOptionBuilder(tf.compat.v1.profiler.ProfileOptionBuilder.float_operation())
    # The profiler warns of its own use of what TensorFlow deprecates.
    tf.get_logger().setLevel("ERROR")
    root = tf.compat.v1.profiler.profile(graph, cmd="scope", options=options.with_empty_output().build())
    scopes = [*(tower.name for tower in model.towers.values()), *(task.name for task in model.tasks)]
    counts: typing.Counter[str] = collections.Counter()
    nodes = [root]
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children)
        counts[next((scope for scope in scopes if node.name.startswith(f"{scope}/")), "")] += node.float_ops
    return counts


def table(entries: List[Entry]) -> str:
    """The entries as lines of text, one a term, and their number."""
    head = ("name", "code", "equation", "modalities", "looks at", "head MFLOPs", "alone MFLOPs")
    rows = [
        (
            entry.name,
            entry.code,
            entry.equation,
            ",".join(entry.modalities),
            ", ".join(entry.views),
            f"{entry.head / 1e6:.2f}",
            f"{entry.alone / 1e6:.2f}",
        )
        for entry in entries
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    adjust = [str.ljust] * 5 + [str.rjust] * 2
    lines = ["  ".join(map(lambda to, cell, width: to(cell, width), adjust, row, widths)) for row in [head, *rows]]
    note = "FLOPs a clip, forward; training takes about three times as many. Terms share the runs of the towers."
    return "\n".join([*(line.rstrip() for line in lines), f"{len(entries)} terms. {note}"])
