"""Traces one training step without running it, checks that no term or gradient is missing, and counts its cost.

    settings -> model -> compute_losses on placeholders | tape.gradient      batch, T, H, W are the real ones
                          operations before the bar       operations behind it

The graph has every shape and type, so that parameters, operations and memory are counted, not guessed. Only the weights
exist; no clip and no activation does, and a batch that fits no machine is traced on a laptop.
"""

import dataclasses
from typing import Any, Dict, Iterable, List, Optional, Sequence, Set, Tuple

import tensorflow as tf

from elo_tf.model.elo_model import EloModel
from elo_tf.model.term_table import clip_specs, count_operations
from elo_tf.networks.backbone import ENDPOINTS
from elo_tf.runtime import private_api
from elo_tf.tasks.views import find

# Operations whose result lies in the memory of their input.
ALIASES = frozenset(("Reshape", "Identity", "IdentityN", "StopGradient", "PreventGradient", "ExpandDims", "Squeeze"))
# Operations that read the shape of their input, not its values.
SHAPE_READERS = frozenset(("Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"))
# Name of the row of everything that is no tower: decoders, projections, adapters, fully connected layers.
HEADS = "heads"


@dataclasses.dataclass(frozen=True)
class TracedStep:
    """What a step is, counted in its graph.

    Attributes:
      batch: B, clips that one device holds.
      terms: G, terms of the loss.
      faults: What is wrong with the step, one line each; empty if nothing is.
      parameters: Trainable numbers of each tower, by modality, and of the heads.
      forward: Floating-point operations of one pass forward, a clip, likewise.
      runs: Clips that each tower sees for one clip of the batch, its views together.
      weight_bytes: Of all variables of the model, statistics and memories included.
      gradient_bytes: Of one gradient for each trainable variable.
      cast_bytes: Of what the backward pass keeps that does not depend on the clips: kernels in the compute type.
      clip_bytes: Of a batch as it comes from the records.
      kept_bytes: Of the activations of a batch that the backward pass reads: every tensor made before `tape.gradient`
        that an operation made by it takes in, each piece of memory once.
    """

    batch: int
    terms: int
    faults: Tuple[str, ...]
    parameters: Dict[str, int]
    forward: Dict[str, float]
    runs: Dict[str, float]
    weight_bytes: int
    gradient_bytes: int
    cast_bytes: int
    clip_bytes: int
    kept_bytes: int


def trace(model: EloModel, batch: int) -> TracedStep:
    """Traces the forward and backward pass of a model that has not been called yet.

    Args:
      model: Its variables are made here.
      batch: B, clips on one device.
    """
    graph = private_api.function_graph("training_step")
    with graph.as_default():
        clips = _placeholders(model, batch)
        with tf.GradientTape() as tape:
            losses = model.compute_losses(clips, training=True)
            penalty = tf.add_n(model.losses) if model.losses else 0.0
            total = model.objective.total(losses) + penalty
    counts = count_operations(graph, model)
    before = len(graph.get_operations())
    variables = model.trainable_variables
    with graph.as_default():
        gradients = tape.gradient(total, variables)
    used = [tensor for tensor in tf.nest.flatten(clips) if tensor.consumers()]
    kept, cast = kept_bytes(graph, before, used)
    towers = {modality: tower.trainable_variables for modality, tower in model.towers.items()}
    parameters = {modality: count(tower) for modality, tower in towers.items()}
    forward = {modality: counts[tower.name] / batch for modality, tower in model.towers.items()}
    heads = sum(counts[task.name] for task in model.tasks) / batch
    return TracedStep(
        batch=batch,
        terms=len(losses),
        faults=(*_loss_faults(losses), *_gradient_faults(model, variables, gradients)),
        parameters={**parameters, HEADS: count(variables) - sum(parameters.values())},
        forward={**forward, HEADS: heads},
        runs={modality: sum(1 / find(view).every for view in shown) for modality, shown in model.views.items()},
        weight_bytes=sum(_bytes(variable) for variable in model.variables),
        gradient_bytes=sum(_bytes(variable) for variable in variables),
        cast_bytes=cast,
        clip_bytes=sum(_bytes(tensor) for tensor in used),
        kept_bytes=kept,
    )


def kept_bytes(graph: tf.Graph, before: int, inputs: List[tf.Tensor]) -> Tuple[int, int]:
    """Bytes that the backward pass reads and the forward pass has therefore to keep.

    Args:
      graph: Of a forward pass and, behind it, its gradients.
      before: Number of operations of the forward pass.
      inputs: Placeholders of the forward pass; they are not counted.

    Returns:
      Those of tensors that depend on the inputs, and those of tensors that do not. What is copied from a variable
      without any change, and constants, are no memory of their own.
    """
    operations = graph.get_operations()
    owner: Dict[str, tf.Tensor] = {}
    moving: Set[str] = {tensor.name for tensor in inputs}
    for operation in operations[:before]:
        depends = any(tensor.name in moving for tensor in operation.inputs)
        for index, output in enumerate(operation.outputs):
            if operation.type in ALIASES:
                source = operation.inputs[index if operation.type == "IdentityN" else 0]
                owner[output.name] = owner.get(source.name, source)
            if depends:
                moving.add(output.name)
    forward = {output.name for operation in operations[:before] for output in operation.outputs}
    kept: Dict[str, tf.Tensor] = {}
    for operation in operations[before:]:
        if operation.type in SHAPE_READERS:
            continue
        for tensor in operation.inputs:
            if tensor.name in forward:
                source = owner.get(tensor.name, tensor)
                kept[source.name] = source
    not_made = {"Placeholder", "ReadVariableOp", "Const"}
    made = [tensor for tensor in kept.values() if tensor.op.type not in not_made]
    total = sum(_bytes(tensor) for tensor in made)
    dependent = sum(_bytes(tensor) for tensor in made if tensor.name in moving)
    return dependent, total - dependent


def _placeholders(model: EloModel, batch: int) -> Dict[str, Any]:
    """A batch without values, in the graph at hand."""
    specs = clip_specs(model.sizes, batch)
    return tf.nest.map_structure(lambda spec: tf.compat.v1.placeholder(spec.dtype, spec.shape), specs)


def _loss_faults(losses: Dict[str, tf.Tensor]) -> List[str]:
    return [
        f"{name} is {loss.dtype.name} of shape {loss.shape}, not a float32 scalar"
        for name, loss in losses.items()
        if loss.shape != [] or loss.dtype != tf.float32
    ]


def _gradient_faults(
    model: EloModel, variables: Sequence[tf.Variable], gradients: Sequence[Optional[tf.Tensor]]
) -> List[str]:
    """One line for each trainable variable whose gradient is missing, though a term should teach it, or misshapen."""
    taught = _taught(model)
    faults = []
    for variable, gradient in zip(variables, gradients):
        if gradient is None:
            if id(variable) in taught:
                faults.append(f"{taught[id(variable)]}: {variable.name} {tuple(variable.shape)} gets no gradient")
        elif gradient.shape != variable.shape:
            faults.append(f"{variable.name} of shape {variable.shape} gets a gradient of shape {gradient.shape}")
    return faults


def _taught(model: EloModel) -> Dict[int, str]:
    """id of each variable that a term should teach -> the term or tower that owns it.

    All heads learn. Of a tower, what lies on the way to an endpoint that a term reads and teaches through.
    """
    taught = {id(variable): task.name for task in model.tasks for variable in task.trainable_variables}
    for modality, tower in model.towers.items():
        read = {name for task in model.tasks if modality in task.teaches for name in task.endpoints}
        if not read:
            continue
        stages = tower.stages[: max(map(ENDPOINTS.index, read))]
        layers = [tower.stem, tower.stem_norm, *(block for blocks in stages for block in blocks)]
        taught.update((id(variable), f"{modality} tower") for layer in layers for variable in layer.trainable_variables)
    return taught


def count(variables: Iterable[tf.Variable]) -> int:
    """Numbers in some variables."""
    return sum(variable.shape.num_elements() for variable in variables)


def _bytes(tensor: tf.Tensor) -> int:
    # Variants and resources are handles.
    return tensor.shape.num_elements() * tensor.dtype.size if tensor.shape.is_fully_defined() else 0
