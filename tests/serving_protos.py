"""The messages of two files of TF Serving that tensorflow-serving-api does not hold.

Names, types and numbers of `BatchingParameters` (session_bundle_config.proto) and `MonitoringConfig`
(monitoring_config.proto) of TF Serving 2.15, built into a descriptor pool, so that protobuf's own parser reads them.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_FILE = "elo_tf_tests/serving.proto"
_PACKAGE = "elo_tf_tests.serving"
_INT64, _BOOL, _STRING = ".google.protobuf.Int64Value", ".google.protobuf.BoolValue", ".google.protobuf.StringValue"
_Field = descriptor_pb2.FieldDescriptorProto

# Message -> fields: name, number, type (of a message if a string), repeated.
_MESSAGES = {
    "BatchingParameters": (
        ("max_batch_size", 1, _INT64, False),
        ("batch_timeout_micros", 2, _INT64, False),
        ("max_enqueued_batches", 3, _INT64, False),
        ("num_batch_threads", 4, _INT64, False),
        ("thread_pool_name", 5, _STRING, False),
        ("allowed_batch_sizes", 6, _Field.TYPE_INT64, True),
        ("pad_variable_length_inputs", 7, _Field.TYPE_BOOL, False),
    ),
    "PrometheusConfig": (("enable", 1, _Field.TYPE_BOOL, False), ("path", 2, _Field.TYPE_STRING, False)),
    "MonitoringConfig": (("prometheus_config", 1, f".{_PACKAGE}.PrometheusConfig", False),),
}


def _build() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package=_PACKAGE, syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        made = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            content = dict(type=_Field.TYPE_MESSAGE, type_name=kind) if isinstance(kind, str) else dict(type=kind)
            made.field.add(name=field, number=number, label=label, **content)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return pool


def _message(name: str) -> type:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


_POOL = _build()
BatchingParameters: type = _message("BatchingParameters")
MonitoringConfig: type = _message("MonitoringConfig")
