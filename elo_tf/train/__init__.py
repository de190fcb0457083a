"""Training in full: `run(Settings(loss=..., records=..., run_dir=...))` is what the command does."""

from elo_tf.runtime import lazy

__all__ = ["DivergedError", "Result", "Settings", "run"]

__getattr__, __dir__ = lazy.attach(__name__, "api", __all__)
