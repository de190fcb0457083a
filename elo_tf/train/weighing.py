"""How a training sets the weights of terms: from its loss, equal, by a rule, or learned.

Whatever is refused here is refused before the first step, in one line.
"""

from typing import Iterator, Optional, Type

import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.data.held_out import HeldOutClips
from elo_tf.data.records import Manifest
from elo_tf.model.elo_model import EloModel
from elo_tf.model.weighting import base
from elo_tf.model.weighting.weigher import Weigher
from elo_tf.train import replicas
from elo_tf.train.settings import Settings
from elo_tf.train.terms import Terms


class Weighing(Weigher):
    """A weigher on the devices of a training."""

    def open(self, strategy: tf.distribute.Strategy, seed: int, done: int) -> Optional[Iterator[HeldOutClips]]:
        """Batches of held-out clips, all replicas taking the same, from step `done` on; None where there are none."""
        if self.held_out is None:
            return None
        first = -(-done // self.every)
        return iter(
            strategy.distribute_datasets_from_function(
                lambda context: self.held_out.batches(seed, first, replicas.share_of(context).cuts)
            )
        )

    def outer_value(self) -> Optional[float]:
        """The outer objective at the last update of learned λ; None where none are learned."""
        return float(self.weighting.outer_value) if self.held_out else None


def make(settings: Settings, terms: Terms, model: EloModel, manifest: Manifest) -> Optional[Weighing]:
    """The weighing of a training, None where weights stay those of its loss; under the scope of its strategy.

    Args:
      settings: Of the training.
      terms: Of its loss.
      model: Built.
      manifest: Of the records.

    Raises:
      InputError: settings, loss and records do not go together.
    """
    config = settings.weighting
    name = base.find(config)
    if name == base.FIXED:
        return None
    kind = base.weightings()[name]
    _check(settings, terms, name, kind)
    start = base.Start(
        model.objective.names, [terms.lambdas[each] for each in model.objective.names], settings.run.seed, config
    )
    return Weighing(model, base.create(name, start), manifest, settings.data)


def _check(settings: Settings, terms: Terms, name: str, kind: Type[base.Weighting]) -> None:
    train = settings.train
    flag = f"--learn_lambdas={name}" if kind.looks_at == base.HELD_OUT else f"--weighting={name}"
    if train.accumulate > 1:
        raise InputError(f"{flag} needs whole batches; use --accumulate=1, or --weighting=fixed")
    if train.distribute not in ("one", "mirrored"):
        raise InputError(f"{flag} runs on one machine; use --distribute=one or mirrored, not {train.distribute}")
    if kind.second_order and train.distribute != "one":
        raise InputError(f"{flag} runs on one device; use --distribute=one, or --learn_lambdas=lookahead")
    left_out = [each for each, weight in terms.dropped.items() if weight > 0]
    if kind.looks_at == base.HELD_OUT and left_out:
        raise InputError(
            f"{flag} cannot learn the weights of the {len(left_out)} terms that --drop_below={train.drop_below:g} "
            f"leaves out, such as {left_out[0]}; use --drop_below=0"
        )
