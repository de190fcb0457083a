"""Ways to build a training step and its parts as graphs to be timed (see step_cost.py)."""

import dataclasses
import time
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np
import tensorflow as tf

from elo_tf import tasks
from elo_tf.config import TrainConfig
from elo_tf.data.clips import SEGMENTS, Clips, ClipSizes
from elo_tf.model.elo_model import EloModel, with_grey
from elo_tf.model.optimizer import make_optimizer
from elo_tf.model.term_table import clip_specs
from elo_tf.runtime.private_api import make_slots
from elo_tf.tasks import views

WAYS = ("encode", "whole", "separate")

Call = Tuple[Callable, tuple]


class Timed:
    """Graphs that run one after the other and count together.

    Args:
      calls: Functions and their arguments.

    Attributes:
      nodes: Nodes of the graphs as traced.
      tracing: Seconds that tracing took.
      seconds: Time of each run but the first.
    """

    def __init__(self, calls: Sequence[Call]):
        self.calls = [(tf.function(function, autograph=False), arguments) for function, arguments in calls]
        self.nodes = 0
        begun = time.perf_counter()
        graphs = [function.get_concrete_function(*arguments).graph for function, arguments in self.calls]
        self.tracing = time.perf_counter() - begun
        for definition in (graph.as_graph_def() for graph in graphs):
            self.nodes += len(definition.node) + sum(len(inner.node_def) for inner in definition.library.function)
        self.run()
        self.seconds: List[float] = []

    def run(self) -> float:
        begun = time.perf_counter()
        for function, arguments in self.calls:
            function(*arguments)
        tf.test.experimental.sync_devices()
        return time.perf_counter() - begun


@dataclasses.dataclass
class Bench:
    """A model with built heads, and clips for it."""

    model: EloModel
    clips: Clips

    @classmethod
    def build(cls, terms: Sequence[tasks.Task], sizes: ClipSizes, batch: int, backbone: str) -> "Bench":
        model = EloModel(terms, sizes, backbone, TrainConfig.weight_decay)
        clips = _noise(sizes, batch)
        model.compute_losses(clips, training=False)
        return cls(model, clips)

    def way(self, name: str, graph_a_task: bool) -> Timed:
        """One of `WAYS`, traced, with an optimiser of its own.

        Args:
          name: Which.
          graph_a_task: Whether `separate` is one graph a task, their gradients summed in variables, or one in all.
        """
        if name == "encode":
            variables = [variable for tower in self.model.towers.values() for variable in tower.trainable_variables]
        else:
            variables = self.model.trainable_variables
        optimizer = _optimizer(variables)
        if name == "separate":
            return Timed(self._separate(optimizer, variables, graph_a_task))
        if name == "encode":
            return Timed([(lambda clips: self._encode(clips, optimizer, variables), (self.clips,))])
        self.model.compile(optimizer=optimizer)
        return Timed([(self.model.train_step, (self.clips,))])

    def _encode(self, clips, optimizer, variables):
        with tf.GradientTape() as tape:
            features = self.model.encode(with_grey(clips), training=True)
            loss = _sum_of_means(features, self.model.tasks) + _decay(self.model)
        _update(optimizer, variables, tape.gradient(loss, variables))
        return loss

    def _separate(self, optimizer, variables, graph_a_task: bool) -> List[Call]:
        def gradients(clips, terms):
            clips = with_grey(clips)
            with tf.GradientTape() as tape:
                losses = [task.loss(self._run_towers(clips, task.views), clips, True) for task in terms]
                total = tf.add_n(losses) + (_decay(self.model) if terms[0] is self.model.tasks[0] else 0.0)
            return tape.gradient(total, variables)

        def add(clips, task):
            for total, gradient in zip(sums, gradients(clips, [task])):
                if gradient is not None:
                    total.assign_add(gradient)

        def update():
            _update(optimizer, variables, [total.read_value() for total in sums])
            for total in sums:
                total.assign(tf.zeros_like(total))

        if not graph_a_task:
            return [(lambda clips: _update(optimizer, variables, gradients(clips, self.model.tasks)), (self.clips,))]
        sums = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in variables]
        calls = [(lambda clips, task=task: add(clips, task), (self.clips,)) for task in self.model.tasks]
        return [*calls, (update, ())]

    def _run_towers(self, clips, wanted):
        """Features of the wanted (modality, view) pairs, each modality in one run of its tower."""
        features = {}
        for modality in dict.fromkeys(modality for modality, _ in wanted):
            names = [view for owner, view in wanted if owner == modality]
            made = [make_view(clips, modality, name) for name in names]
            endpoints = self.model.towers[modality](tf.concat(made, axis=0), training=True)
            counts = [view.shape[0] for view in made]
            split = {name: tf.split(tensor, counts) for name, tensor in endpoints.items()}
            for index, view in enumerate(names):
                features[modality, view] = {name: pieces[index] for name, pieces in split.items()}
        return features

    def parts(self) -> Dict[str, Timed]:
        """The parts of a step, traced, in the order of the table."""
        clips = with_grey(self.clips)
        features = tf.function(self.model.encode, autograph=False)(clips, True)
        flat = tf.nest.flatten(features)
        parts = {}
        for modality, shown in self.model.views.items():
            if shown:
                pairs = [(modality, view) for view in shown]
                parts[f"tower {modality}"] = Timed([(self._tower(pairs), (clips,))])
        for kind in dict.fromkeys(task.kind for task in self.model.tasks):
            parts[f"heads {kind}"] = Timed([(self._heads(kind, features), (flat, clips))])
        variables = self.model.trainable_variables
        optimizer = _optimizer(variables)
        zeros = [tf.zeros_like(variable) for variable in variables]
        parts["update"] = Timed([(lambda gradients: _update(optimizer, variables, gradients), (zeros,))])
        return parts

    def _tower(self, pairs):
        tower = self.model.towers[pairs[0][0]]

        def run(clips):
            with tf.GradientTape() as tape:
                loss = _sum_of_means(self._run_towers(clips, pairs), self.model.tasks) + _decay(tower)
            return _known(tape.gradient(loss, tower.trainable_variables))

        return run

    def _heads(self, kind, structure):
        terms = [task for task in self.model.tasks if task.kind == kind]
        variables = [variable for task in terms for variable in task.trainable_variables]

        def run(flat, clips):
            with tf.GradientTape() as tape:
                tape.watch(flat)
                features = tf.nest.pack_sequence_as(structure, flat)
                total = tf.add_n([task.loss(features, clips, True) for task in terms])
            return _known(tape.gradient(total, flat + variables))

        return run


def make_view(clips: Clips, modality: str, view: str) -> tf.Tensor:
    """[B/every,T,...]: what a tower is shown."""
    return views.find(view).make(clips, modality)


def _sum_of_means(features, terms: Sequence[tasks.Task]) -> tf.Tensor:
    """Sum of the means of all features at hand that a task reads; nothing flows back from where no task teaches."""
    taught: Dict[Tuple[str, str, str], bool] = {}
    for task in terms:
        for modality, view in task.views:
            for endpoint in task.endpoints if (modality, view) in features else ():
                key = modality, view, endpoint
                taught[key] = taught.get(key, False) or modality in task.teaches
    total = tf.constant(0.0)
    for (modality, view, endpoint), flows in taught.items():
        tensor = features[modality, view][endpoint]
        total += tf.reduce_mean(tf.cast(tensor if flows else tf.stop_gradient(tensor), tf.float32))
    return total


def _decay(module: tf.keras.layers.Layer) -> tf.Tensor:
    return tf.add_n(module.losses)


def _known(gradients) -> list:
    return [gradient for gradient in gradients if gradient is not None]


def _optimizer(variables) -> tf.keras.optimizers.Optimizer:
    optimizer = make_optimizer(TrainConfig(learning_rate=1e-3))
    make_slots(optimizer, variables)
    return optimizer


def _update(optimizer, variables, gradients) -> None:
    optimizer.apply_gradients([pair for pair in zip(gradients, variables) if pair[0] is not None])


def _noise(sizes: ClipSizes, batch: int) -> Clips:
    """[B] clips of uniform noise that have all modalities and segments."""
    random, specs = np.random.default_rng(0), clip_specs(sizes, batch)
    drawn = {name: specs[name] for name in (*SEGMENTS, "noise")}
    return {
        **tf.nest.map_structure(lambda spec: tf.constant(random.random(spec.shape, np.float32)), drawn),
        "present": {name: tf.ones([batch]) for name in specs["present"]},
        "label": tf.range(batch),
        "video": tf.range(batch, dtype=tf.int64),
    }
