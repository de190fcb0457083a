"""The workers that the flags name."""

from elo_tf.config import InputError
from elo_tf.runtime.workers.base import Engine
from elo_tf.runtime.workers.local import LocalEngine, cores


def parse(text: str, ray_address: str = "auto", gpus: float = 0.0) -> Engine:
    """The engine that `--workers` means.

    Args:
      text: `local`, a process for each core that this one may use; `local:2`, two processes; `ray`, as many as the
        cluster has room for; `ray:16`, sixteen of them.
      ray_address: Where the cluster is, for `ray`.
      gpus: That each worker of `ray` takes; may be a fraction.

    Raises:
      InputError: anything else, or there is no such cluster.
    """
    kind, colon, count = text.partition(":")
    if kind in ("local", "ray") and (not colon or (count.isdecimal() and int(count) > 0)):
        if kind == "local":
            return LocalEngine(int(count) if colon else cores())
        from elo_tf.runtime.workers.ray import RayEngine

        return RayEngine(ray_address, int(count) if colon else 0, gpus)
    raise InputError(
        f"--workers={text!r} is not understood; write local (all cores), local:2 (two processes), ray or ray:16"
    )
