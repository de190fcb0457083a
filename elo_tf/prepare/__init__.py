"""Videos -> records: decoding, optical flow, sharded TFRecord files, and a rendered world with known classes.

`run(Settings(videos=..., records=...))` is what the command does.
"""

from elo_tf.runtime import lazy

__all__ = ["Result", "Settings", "run", "validate"]

__getattr__, __dir__ = lazy.attach(__name__, "api", __all__)
