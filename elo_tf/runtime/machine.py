"""The cores and memory that this process may use, by affinity and container limits (cgroup v2 and v1)."""

import contextlib
import math
import os
import pathlib
from typing import Iterator, Optional

_ROOT = pathlib.Path("/")
# cgroup v1 writes "no limit" as the greatest multiple of a page.
_NO_LIMIT_BYTES = 2**60


def cores() -> int:
    """How many cores this process may use, at least 1; part of a core counts as one."""
    quota = _quota()
    return allowed_cores() if quota is None else max(1, min(allowed_cores(), math.ceil(quota)))


def allowed_cores() -> int:
    """How many cores this process may run on; a container may give it less of their time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Bytes that this process and all others of its container may take together."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = memory_limit()
    return whole if limit is None else min(whole, limit)


def memory_limit() -> Optional[int]:
    """Bytes that the container of this process may take; None where there is no limit."""
    limits = [*_numbers("", "memory.max"), *_numbers("memory", "memory.limit_in_bytes")]
    return min((int(limit[0]) for limit in limits if limit[0] < _NO_LIMIT_BYTES), default=None)


def _quota() -> Optional[float]:
    """Cores that the container of this process may keep busy; None where there is no limit."""
    limits = [quota / period for quota, period in _numbers("", "cpu.max")]
    periods = [period for (period,) in _numbers("cpu", "cpu.cfs_period_us")]
    limits += [quota / period for (quota,), period in zip(_numbers("cpu", "cpu.cfs_quota_us"), periods)]
    return min((limit for limit in limits if limit > 0), default=None)  # -1 is no limit.


def _numbers(controller: str, name: str) -> Iterator[list]:
    """The numbers of a file of each group that this process is in, the innermost first.

    Args:
      controller: Of version 1; "" is version 2, whose groups are the same for all controllers.
      name: Of the file. One that says `max`, for no limit, is left out.
    """
    for folder in _groups(controller):
        with contextlib.suppress(OSError, ValueError):
            yield [float(word) for word in (folder / name).read_text().split()]


def _groups(controller: str) -> Iterator[pathlib.Path]:
    mounted = _ROOT / "sys/fs/cgroup" / controller
    try:
        lines = (_ROOT / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if controller in controllers.split(","):
            # A container sees its own group as the root, whatever the path says.
            inner = mounted / path.strip("/")
            yield from (group for group in (inner, *inner.parents) if mounted in group.parents)
    yield mounted
