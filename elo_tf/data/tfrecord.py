"""Writes and checks TFRecord files of SequenceExamples, without TensorFlow.

`import tensorflow` takes three seconds of processor time, in every worker, where the rest of a worker's start takes a
fraction of one. So the message class is built from descriptors (field numbers as in tensorflow/core/example), and the
framing is done here:

    record = length (uint64) | CRC of length | payload | CRC of payload        CRC: CRC-32C, rotated and offset, uint32
"""

import os
import struct
from pathlib import Path
from typing import Any, Iterator

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from elo_tf.runtime import storage

_MASK_DELTA = 0xA282EAD8
_HEADER_BYTES = 12

# name: fields in the order of their numbers, from 1. `[]` is a repeated field, `{}` a map from strings.
_MESSAGES = {
    "BytesList": {"value": "bytes[]"},
    "FloatList": {"value": "float[]"},
    "Int64List": {"value": "int64[]"},
    "Feature": {"bytes_list": "BytesList", "float_list": "FloatList", "int64_list": "Int64List"},
    "Features": {"feature": "Feature{}"},
    "FeatureList": {"feature": "Feature[]"},
    "FeatureLists": {"feature_list": "FeatureList{}"},
    "SequenceExample": {"context": "Features", "feature_lists": "FeatureLists"},
}


def _sequence_example_class() -> Any:
    """tensorflow.SequenceExample, in a descriptor pool of its own: TensorFlow registers the name in the default one."""
    kinds = descriptor_pb2.FieldDescriptorProto
    scalars = {"bytes": kinds.TYPE_BYTES, "float": kinds.TYPE_FLOAT, "int64": kinds.TYPE_INT64}
    file = descriptor_pb2.FileDescriptorProto(name="sequence_example.proto", package="tensorflow", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, declared) in enumerate(fields.items(), 1):
            base = declared.rstrip("[]{}")
            entry = message.field.add(name=field, number=number, label=kinds.LABEL_OPTIONAL)
            if declared != base:
                entry.label = kinds.LABEL_REPEATED
            if declared.endswith("{}"):
                pair = message.nested_type.add(name="".join(part.title() for part in field.split("_")) + "Entry")
                pair.options.map_entry = True
                pair.field.add(name="key", number=1, label=kinds.LABEL_OPTIONAL, type=kinds.TYPE_STRING)
                pair.field.add(
                    name="value",
                    number=2,
                    label=kinds.LABEL_OPTIONAL,
                    type=kinds.TYPE_MESSAGE,
                    type_name=f".tensorflow.{base}",
                )
                base = f"{name}.{pair.name}"
            if base in scalars:
                entry.type = scalars[base]
            else:
                entry.type, entry.type_name = kinds.TYPE_MESSAGE, f".tensorflow.{base}"
        if name == "Feature":
            message.oneof_decl.add(name="kind")
            for entry in message.field:
                entry.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.SequenceExample"))


SequenceExample = _sequence_example_class()


class DamagedShardError(ValueError):
    """A shard whose bytes are not what was written; the message names the record and the damage."""


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


def frame_record(payload: bytes) -> bytes:
    """A payload as the bytes of a record."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, _masked_crc(length), payload, _masked_crc(payload)))


class ShardWriter:
    """Writes a TFRecord file; what it holds is on disk when `close` returns."""

    def __init__(self, path: Path):
        self.path = path
        self.bytes = 0
        self._file = open(path, "wb")

    def write(self, payload: bytes) -> None:
        record = frame_record(payload)
        self._file.write(record)
        self.bytes += len(record)

    def close(self) -> None:
        with self._file:
            self._file.flush()
            storage.synchronise(self._file.fileno())


def read_shard(path: Path, skip_damaged: bool = False) -> Iterator[bytes]:
    """The payloads of a TFRecord file, checksums verified.

    Args:
      path: Of the file.
      skip_damaged: Whether a record whose payload is damaged is left out; else it is an error.

    Raises:
      DamagedShardError: a checksum differs, or the file ends within a record. Behind a damaged length nothing is found.
    """
    with open(path, "rb") as file:
        left, number = os.fstat(file.fileno()).st_size, 0
        while left:
            header = file.read(_HEADER_BYTES)
            if len(header) < _HEADER_BYTES:
                raise DamagedShardError(f"the file ends within the header of record {number}")
            if _masked_crc(header[:8]) != header[8:]:
                raise DamagedShardError(f"the checksum of the length of record {number} differs")
            length = struct.unpack("<Q", header[:8])[0]
            if length > left:  # Nothing of that size is asked of the memory.
                raise DamagedShardError(f"the file ends within record {number}")
            payload, checksum = file.read(length), file.read(4)
            if len(payload) + len(checksum) < length + 4:
                raise DamagedShardError(f"the file ends within record {number}")
            if _masked_crc(payload) == checksum:
                yield payload
            elif not skip_damaged:
                raise DamagedShardError(f"the checksum of record {number} differs")
            left -= _HEADER_BYTES + length + 4
            number += 1
