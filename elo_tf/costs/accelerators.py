"""Accelerators for rent, with the figures of their makers, and how long work takes on them.

Rates are those of dense arithmetic; NVIDIA's data sheet of Hopper prints twice as much, for matrices half of zeros.
"""

import dataclasses
from typing import Dict, Tuple

# Of a device's memory, what a step may be estimated to fill. The rest is for what exists only for a moment: a tiny
# model on a CPU took 70 MB more at its peak for each further clip, where 60 MB were estimated.
USABLE = 0.85

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """One device.

    Attributes:
      name: As one rents it.
      memory_gb: Its memory, 10^9 bytes.
      bandwidth_gbs: To its memory, 10^9 bytes a second.
      teraflops: Peak rate by the precision of the run, 10^12 operations a second.
      lacks: Precisions that it has no units for; it computes them as float32.
    """

    name: str
    memory_gb: float
    bandwidth_gbs: float
    teraflops: Dict[str, float]
    lacks: Tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Work:
    """A training step on one device.

    Attributes:
      operations: Floating-point operations, forward and backward.
      traffic: Bytes that go to and from the memory at least.
      memory: Bytes that lie in the memory at once.
    """

    operations: float
    traffic: float
    memory: float


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a device makes of a step.

    Attributes:
      seconds: Of the step.
      limit: What it waits for, `arithmetic` or `memory`.
      fits: Whether the step fits into the usable part of its memory.
    """

    seconds: float
    limit: str
    fits: bool


def _rates(float32: float, bfloat16: float, float16: float) -> Dict[str, float]:
    return dict(zip(PRECISIONS, (float32, bfloat16, float16)))


ACCELERATORS: Tuple[Accelerator, ...] = (
    # NVIDIA V100 data sheet (SXM2): 15.7 single precision, 125 tensor. Volta has no bfloat16 units.
    Accelerator("V100 32GB", 32, 900, _rates(15.7, 15.7, 125), ("mixed_bfloat16",)),
    # NVIDIA A100 data sheet (40 GB SXM): 156 TF32, in which TensorFlow multiplies float32 there; 312 in 16 bits.
    Accelerator("A100 40GB", 40, 1555, _rates(156, 312, 312)),
    # NVIDIA H100 data sheet (SXM): 989 TF32, 1979 bfloat16 and float16 with sparsity, of which half is dense.
    Accelerator("H100 80GB", 80, 3350, _rates(494.7, 989.4, 989.4)),
    # Google Cloud's TPU v3 page: a chip of two cores has 123 (bfloat16), 32 GiB, 900 GB/s. XLA multiplies float32 in
    # bfloat16 by default; float16 has no units.
    Accelerator("TPU v3 core", 17.2, 450, _rates(61.5, 61.5, 61.5), ("mixed_float16",)),
)


def with_own(teraflops: float, memory_gb: float, bandwidth_gbs: float) -> Tuple[Accelerator, ...]:
    """The known accelerators and one's own device, if its rate is given (more than 0)."""
    if not teraflops:
        return ACCELERATORS
    return (*ACCELERATORS, Accelerator("your device", memory_gb, bandwidth_gbs, dict.fromkeys(PRECISIONS, teraflops)))


def estimate(device: Accelerator, precision: str, work: Work, utilisation: float) -> Estimate:
    """How long a step takes: the longer of its arithmetic, at a part of the peak rate, and of its traffic.

    Args:
      device: Where it runs.
      precision: One of `PRECISIONS`.
      work: The step.
      utilisation: Part of both peak rates that is reached, in (0,1].
    """
    arithmetic = work.operations / (device.teraflops[precision] * 1e12 * utilisation)
    memory = work.traffic / (device.bandwidth_gbs * 1e9)
    fits = work.memory <= USABLE * device.memory_gb * 1e9
    return Estimate(max(arithmetic, memory), "arithmetic" if arithmetic >= memory else "memory", fits)


def largest_batch(device: Accelerator, fixed: float, clip: float) -> int:
    """Clips that fit into the usable memory beside `fixed` bytes, at `clip` bytes each; 0 where none does."""
    room = USABLE * device.memory_gb * 1e9 - fixed
    return max(0, int(room // clip))
