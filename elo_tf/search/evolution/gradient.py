"""λ that trainings have learned by gradient; each trains again from fresh weights."""

from elo_tf.search.evolution.fixed_list import FixedList


class Gradient(FixedList, known_as="gradient"):
    """A fixed list of what `--descents` trainings have found. See `base.Strategy` for the arguments.

    The descents themselves are trainings (`elo_tf.search.trials.descent`); what comes of them is scored as any other
    candidate is, from fresh weights: a λ that only served the training in which it was learned shows here.
    """
