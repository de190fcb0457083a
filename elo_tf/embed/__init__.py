"""Videos -> embeddings with an exported module, and nearest neighbours among them.

`run(Settings(model=..., videos=..., output=...))` is what the command does.
"""

from elo_tf.runtime import lazy

__all__ = ["Result", "Settings", "run"]

__getattr__, __dir__ = lazy.attach(__name__, "api", __all__)
