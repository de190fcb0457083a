"""The evolution of the loss (Sec. 3.2): `run(Settings(records=..., run_dir=...))` is what the command does."""

from elo_tf.runtime import lazy

__all__ = ["Result", "Settings", "run"]

__getattr__, __dir__ = lazy.attach(__name__, "api", __all__)
