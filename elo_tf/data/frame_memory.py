"""Memory for decoded frames, of one process or shared by the workers of a machine; TensorFlow reads it in place.

    program ── allocated ──> anonymous file ── its path, /proc/PROGRAM/fd/N ──> workers
    first worker     lock ─> decode into the file ─> mark it ─> map it
    other workers    wait for the lock ─────────────────────────> map it

The file has no name in any folder: it ends with the program and its workers, whatever ends them. A worker that dies
while it decodes leaves the file unmarked, and the next one decodes.
"""

import contextlib
import dataclasses
import fcntl
import math
import mmap
import os
import time
from typing import Callable, Dict, Iterable, Iterator, Mapping, Sequence, Tuple

import numpy as np
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.runtime.waiting import Wait

# Name -> (shape, type) of arrays.
Layout = Mapping[str, Tuple[Sequence[int], type]]
# Fills arrays that are all zeros.
Decode = Callable[[Dict[str, np.ndarray]], None]

# The mark has the first of these, and each array begins with one: TensorFlow copies what is not aligned to 64 bytes.
_BLOCK_BYTES = 4096
_POLL_SECONDS = 0.1


def load(layout: Layout, decode: Decode) -> Dict[str, tf.Tensor]:
    """Arrays in the memory of this process, as tensors on the CPU; raises what `decode` raises."""
    memory = mmap.mmap(-1, _total_bytes(layout), flags=mmap.MAP_PRIVATE)
    decode(_arrays(memory, layout))
    return _tensors(memory, layout)


@dataclasses.dataclass(frozen=True)
class SharedFrames:
    """Memory for the arrays of one selection of videos; can be pickled.

    Attributes:
      path: Under which any process of this machine opens it, while the program that has allocated it runs.
    """

    path: str

    def load(self, records: str, content: bytes, layout: Layout, decode: Decode) -> Dict[str, tf.Tensor]:
        """The arrays as tensors on the CPU.

        Args:
          records: What the frames are of, for messages.
          content: What the arrays depend on, such as a digest; not empty, not all zeros, no longer than 4096 bytes.
          layout: Of the arrays.
          decode: Called unless another worker has filled the arrays.

        Raises:
          InputError: they have been filled with other content; or as `decode` raises it.
          OSError: the program that has allocated the memory is gone.
        """
        with open(self.path, "r+b", buffering=0) as file, _locked(file.fileno(), records):
            mark = file.read(len(content))
            if not any(mark):
                _fill(file.fileno(), layout, decode)
                # The mark comes last, and is all of it there or not.
                os.pwrite(file.fileno(), content, 0)
            elif mark != content:
                raise InputError(f"{records} have changed while workers read them; run the command again")
            # NumPy hands over arrays only if they are writable. Writing to this mapping would not change the file.
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        return _tensors(memory, layout)


def is_supported() -> bool:
    """Whether this system has anonymous files that other processes can open, as Linux has."""
    try:
        with allocated(["trial"]) as shared, open(shared["trial"].path, "r+b"):
            return True
    except (AttributeError, OSError):
        return False


@contextlib.contextmanager
def allocated(names: Iterable[str]) -> Iterator[Dict[str, SharedFrames]]:
    """Memory by name, which takes no room until it is filled; processes that have mapped it keep it beyond the end."""
    with contextlib.ExitStack() as stack:
        shared = {}
        for name in names:
            descriptor = os.memfd_create(f"elo_tf {name}")
            stack.callback(os.close, descriptor)
            shared[name] = SharedFrames(f"/proc/{os.getpid()}/fd/{descriptor}")
        yield shared


@contextlib.contextmanager
def _locked(descriptor: int, records: str) -> Iterator[None]:
    """Holds a file for this process alone; the lock of a process that dies is free."""
    wait = Wait(0)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            wait.tell(f"Waiting for another worker, which decodes {records} for all ...")
            time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        # Closing the file would not do: a mapping of it keeps a duplicate of the descriptor, and with it the lock.
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _fill(descriptor: int, layout: Layout, decode: Decode) -> None:
    os.ftruncate(descriptor, 0)  # Drops what a worker has left that died here.
    os.ftruncate(descriptor, _total_bytes(layout))
    decode(_arrays(mmap.mmap(descriptor, 0), layout))


def _arrays(memory: mmap.mmap, layout: Layout) -> Dict[str, np.ndarray]:
    """The arrays, which lie in the memory."""
    arrays, block = {}, 1
    for name, (shape, kind) in layout.items():
        flat: np.ndarray = np.frombuffer(memory, kind, math.prod(shape), block * _BLOCK_BYTES)
        arrays[name] = flat.reshape(shape)
        block += _blocks(shape, kind)
    return arrays


def _tensors(memory: mmap.mmap, layout: Layout) -> Dict[str, tf.Tensor]:
    """The arrays as tensors that read this memory."""
    arrays = _arrays(memory, layout)
    return {name: tf.experimental.dlpack.from_dlpack(array.__dlpack__()) for name, array in arrays.items()}


def _total_bytes(layout: Layout) -> int:
    return _BLOCK_BYTES * (1 + sum(_blocks(*array) for array in layout.values()))


def _blocks(shape: Sequence[int], kind: type) -> int:
    return -(-math.prod(shape) * np.dtype(kind).itemsize // _BLOCK_BYTES)
