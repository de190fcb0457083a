"""How good is a representation? Three protocols, official splits, label budgets and baselines (Sec. 4).

`run(Settings(checkpoint=..., records=...))` is what the command does.
"""

from elo_tf.runtime import lazy

__all__ = ["Result", "Settings", "run"]

__getattr__, __dir__ = lazy.attach(__name__, "api", __all__)
