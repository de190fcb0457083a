"""Shards -> parsed records, in TensorFlow: interleaved, or one after the other if some are damaged.

shards ─> TFRecord files, several at a time ─> records.parse                           a damaged record is an error
shards ─> one file, payloads whose checksum holds ─> records.parse, what fails left out     `salvage`
"""

import contextlib
import os
from pathlib import Path
from typing import Iterator, List, Union

import tensorflow as tf

from elo_tf.data import records
from elo_tf.data.tfrecord import DamagedShardError, read_shard
from elo_tf.runtime.machine import cores

# Elements that a stage of the pipeline works on at a time. Fixed, since tuning it at run time (`AUTOTUNE`) makes the
# end of an iterator wait for the tuner, one to two seconds now and then: a tenth of a short candidate. Each takes
# memory, up to that of a decoded video, which many cores shall not multiply.
PARALLEL = min(8, cores())
# Shards that are read by turns.
_BY_TURNS = 8


def parsed_records(shards: Union[List[str], tf.Tensor], salvage: bool) -> tf.data.Dataset:
    """Records as `records.parse` gives them, in an order that depends on the shards alone.

    Args:
      shards: Paths.
      salvage: Whether damaged records are left out; the shards are local ones then.
    """
    parsed = _serialized(shards, salvage).map(records.parse, PARALLEL)
    return parsed.ignore_errors() if salvage else parsed


def _serialized(shards: Union[List[str], tf.Tensor], salvage: bool) -> tf.data.Dataset:
    """Serialized videos of the shards, in an order that depends on the shards alone.

    Args:
      shards: Paths, strings or a tensor of them.
      salvage: Whether damaged records are left out; the shards are local ones then.
    """
    files = tf.data.Dataset.from_tensor_slices(shards)
    if salvage:  # TensorFlow would leave out all that follows in the shard, too.
        string = tf.TensorSpec([], tf.string)
        return files.flat_map(
            lambda path: tf.data.Dataset.from_generator(_whole_records, args=(path,), output_signature=string)
        )
    return files.interleave(
        tf.data.TFRecordDataset, cycle_length=_BY_TURNS, num_parallel_calls=PARALLEL, deterministic=True
    )


def _whole_records(path: bytes) -> Iterator[bytes]:
    with contextlib.suppress(DamagedShardError):
        yield from read_shard(Path(os.fsdecode(path)), skip_damaged=True)
