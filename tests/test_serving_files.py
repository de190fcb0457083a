"""What TF Serving is started with: files that its own messages read, that fit each other, the client and the export."""

import pathlib
import re
import subprocess

import pytest
import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from export.client import PORTS, ClientConfig
from tests import served
from tests.serving_model import Servable
from tests.serving_protos import BatchingParameters, MonitoringConfig
from tests.serving_server import Server

ROOT = pathlib.Path(__file__).parents[1]
FOLDER = ROOT / "export" / "serving"
README = (FOLDER / "README.md").read_text()
# Flags of tensorflow_model_server 2.15 that take what is given here.
SWITCHES = {"enable_batching": "true", "file_system_poll_wait_seconds": r"\d+", "rest_api_timeout_in_ms": r"\d+"}
MESSAGES = {
    "model_config_file": model_server_config_pb2.ModelServerConfig,
    "batching_parameters_file": BatchingParameters,
    "monitoring_config_file": MonitoringConfig,
}


def parse(name, message):
    return text_format.Parse((FOLDER / name).read_text(), message())


def service(name="compose.yaml"):
    return yaml.safe_load((FOLDER / name).read_text())["services"]["serving"]


def flags():
    """Those of the server by name."""
    return dict(re.fullmatch(r"--(\w+)=(.*)", flag).groups() for flag in service()["command"])


def bound():
    """Targets of the mounts, with their sources."""
    return {mount["target"]: mount for mount in service()["volumes"]}


def test_models():
    (model,) = parse("models.config", model_server_config_pb2.ModelServerConfig).model_config_list.config
    assert model.name == ClientConfig().model_name == pathlib.PurePosixPath(model.base_path).name
    assert model.model_platform == "tensorflow" and model.model_version_policy.latest.num_versions == 1
    # export.saved_model writes BASE/elo_rgb/<version>, and BASE is mounted.
    assert str(pathlib.PurePosixPath(model.base_path).parent) in bound()


def test_batching():
    batching = parse("batching.config", BatchingParameters)
    sizes = list(batching.allowed_batch_sizes)
    assert sizes == sorted(set(sizes)) and sizes[0] == 1 and sizes[-1] == batching.max_batch_size.value
    assert batching.num_batch_threads.value >= 1 and batching.max_enqueued_batches.value >= 1
    assert batching.batch_timeout_micros.value < 1e6 and not batching.pad_variable_length_inputs
    assert ClientConfig().batch_size <= batching.max_batch_size.value


def test_monitoring():
    metrics = parse("monitoring.config", MonitoringConfig).prometheus_config
    assert metrics.enable and f"http://127.0.0.1:{PORTS['rest']}{metrics.path}" in README


@pytest.mark.parametrize("name", ["models.config", "batching.config", "monitoring.config"])
def test_a_misspelt_field_does_not_pass(name):
    message = next(kind for flag, kind in MESSAGES.items() if flags()[flag].endswith(name))
    word = re.search(r"^\s*(\w+)( \{|:)", (FOLDER / name).read_text(), re.MULTILINE).group(1)
    with pytest.raises(text_format.ParseError):
        text_format.Parse((FOLDER / name).read_text().replace(word, f"{word}x", 1), message())


def test_flags_name_files_that_are_mounted():
    for flag, value in flags().items():
        if flag in MESSAGES:
            folder, _, name = value.rpartition("/")
            assert bound()[folder]["source"] == "." and parse(name, MESSAGES[flag]).ByteSize()
        else:
            assert re.fullmatch(SWITCHES[flag], value), flag
    # Clients give up before the server does.
    assert int(flags()["rest_api_timeout_in_ms"]) > 1000 * ClientConfig().deadline


def test_container_is_closed_by_default():
    assert all(mount["read_only"] for mount in bound().values()) and service()["read_only"]
    ports = {re.fullmatch(r"\$\{LISTEN:-127\.0\.0\.1\}:(\d+):(\d+)", port).groups() for port in service()["ports"]}
    assert ports == {(str(port), str(port)) for port in PORTS.values()}


def test_image_is_of_the_release_of_the_client():
    (release,) = set(re.findall(r"tensorflow-serving-api==(\S+)", (ROOT / "setup.cfg").read_text()))
    assert service()["image"] == f"tensorflow/serving:{release}"
    assert service("compose.gpu.yaml")["image"] == f"tensorflow/serving:{release}-gpu"


def test_start_in_one_line():
    (line,) = re.findall(r"^docker run .*$", README, re.MULTILINE)
    assert line.endswith(f" {service()['image']}") and f"-e MODEL_NAME={ClientConfig().model_name} " in line
    assert set(re.findall(r"-p (\S+)", line)) == {f"127.0.0.1:{port}:{port}" for port in PORTS.values()}
    assert '-v "$PWD/BASE:/models:ro"' in line
    for name in re.findall(r"export/serving/(\S+\.yaml)", README):
        assert (FOLDER / name).exists()


def healthy(port):
    """Whether the health check of the container, run here on another port, succeeds."""
    check = service()["healthcheck"]["test"]
    assert check[:3] == ["CMD", "bash", "-c"] and f"/127.0.0.1/{PORTS['rest']} " in check[3]
    script = check[3].replace(f"/127.0.0.1/{PORTS['rest']} ", f"/127.0.0.1/{port} ")
    return subprocess.run(["bash", "-c", script], capture_output=True, timeout=20, check=False).returncode == 0


def test_health_check():
    servable = Servable(served.export()[0])
    with Server(servable) as server:
        port = server.rest.rpartition(":")[2]
        assert healthy(port)
        servable.state = "LOADING"
        assert not healthy(port)
        servable.state, servable.name = "AVAILABLE", "other"
        assert not healthy(port)
    assert not healthy(port)


def test_warm_up_requests_are_answered():
    base, tower = served.export()
    servable, seen = Servable(base), {}
    records = list(tf.data.TFRecordDataset(str(base / "1" / "assets.extra" / "tf_serving_warmup_requests")))
    assert 0 < len(records) <= 1000
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        outputs = servable.predict(request.model_spec.name, None, request.model_spec.signature_name, inputs)
        batch = next(iter(inputs.values())).shape[0]
        assert outputs["embedding"].shape == (batch, tower.network.channels["embedding"])
        seen[request.model_spec.signature_name] = True
    assert set(seen) == {"serving_default", "encoded_frames"}


def test_others_may_read_the_export():
    """The container runs as another user than the one who exported."""
    for path in served.export()[0].rglob("*"):
        assert path.stat().st_mode & 0o004 and (path.is_file() or path.stat().st_mode & 0o001), path
