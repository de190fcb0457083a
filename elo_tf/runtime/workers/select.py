"""Selects the workers that the flags name."""

import math

from elo_tf.config import InputError
from elo_tf.runtime.workers.base import Engine
from elo_tf.runtime.workers.local import LocalEngine, cores


def parse(text: str, ray_address: str = "auto", gpus: float = 0.0, devices: int = 0) -> Engine:
    """The engine that `--workers` means.

    Args:
      text: `local`, a process for each GPU or, where there is none, for each core that this one may use; `local:2`, two
        processes; `ray`, as many as the cluster has room for; `ray:16`, sixteen of them.
      ray_address: Where the cluster is, for `ray`.
      gpus: That each worker of `ray` takes; may be a fraction.
      devices: GPUs of this machine that workers use.

    Raises:
      InputError: anything else, or there is no such cluster.
    """
    kind, colon, count = text.partition(":")
    if kind in ("local", "ray") and (not colon or (count.isdecimal() and int(count) > 0)):
        if kind == "local":
            if devices:
                per_gpu = math.ceil(int(count) / devices) if colon else 1
                print(f"{count or devices} workers on {devices} GPUs, {per_gpu} on each (--workers)", flush=True)
            return LocalEngine(int(count) if colon else devices or cores())
        from elo_tf.runtime.workers.ray import RayEngine

        return RayEngine(ray_address, int(count) if colon else 0, gpus)
    raise InputError(
        f"--workers={text!r} is not understood; write local (all GPUs or cores), local:2 (two processes), ray or ray:16"
    )
