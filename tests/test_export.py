"""The exported module in fresh processes: it computes what the tower in memory computes, and it can be trained."""

import functools
import http.server
import io
import json
import threading

import cv2
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from elo_tf.networks.tower import Tower
from export import saved_model
from export.module import RgbModule
from tests import exports, towers

WEIGHT_DECAY = 0.001
RATE = 0.1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def version(folder):
    return exports.make(folder, f"--weight_decay={WEIGHT_DECAY}", "--archive", "--warmup_batch_sizes=1,2")


@pytest.fixture
def tower(folder, version):
    return Tower.load(folder / "run")


def _encode(kind, pixels):
    return cv2.imencode(kind, pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()


def _png(pixels):
    """Any number of channels, R first."""
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def _frames():
    """[2,3] encoded frames, and what they are, [2,3,24,24,3] in [0,1], by Pillow and NumPy.

    One has the size; the others are wider, higher, grey, with transparency, and a JPEG.
    """
    generator = np.random.default_rng(1)
    shapes = ([24, 24, 3], [31, 57, 3], [70, 24, 3], [48, 48], [25, 30, 4], [40, 24, 3])
    images = [generator.integers(0, 256, shape, np.uint8) for shape in shapes]
    images[-1] = cv2.GaussianBlur(images[-1], (0, 0), 3)
    strings = [_png(image) for image in images]
    strings[-1] = _encode(".jpg", images[-1])
    images[-1] = tf.io.decode_jpeg(strings[-1]).numpy()
    return np.array(strings, object).reshape(2, 3), np.stack([_square(image) for image in images]).reshape(
        2, 3, 24, 24, 3
    )


def _square(image):
    """[24,24,3] in [0,1], the centre of 32 x 32. Pillow's bilinear filter is widened to make smaller: antialiasing."""
    planes = np.stack([image] * 3, axis=-1) if image.ndim == 2 else image[..., :3]
    height, width = planes.shape[:2]
    if height == width == 24:
        return planes.astype(np.float32) / 255
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    planes = planes[top : top + side, left : left + side].astype(np.float32)
    scaled = [
        np.asarray(PIL.Image.fromarray(planes[..., channel]).resize((32, 32), PIL.Image.Resampling.BILINEAR))
        for channel in range(3)
    ]
    return np.stack(scaled, axis=-1)[4:28, 4:28] / 255


@pytest.fixture(scope="module")
def given(folder):
    strings, _ = _frames()
    np.savez(folder / "given.npz", frames=strings.astype(bytes), **exports.videos())
    return folder / "given.npz"


def test_computes_what_the_tower_computes(folder, version, given, tower):
    answer = exports.consume("outputs", version, given, folder / "answer.npz", cwd=folder)
    for name, video in exports.videos().items():
        for key, value in exports.expected(tower, video).items():
            found = answer[f"{name}/{key}"]
            assert found.dtype == np.float32 and found.shape == value.shape, (name, key)
            np.testing.assert_allclose(found, value, atol=1e-5, err_msg=f"{name} {key}")
    np.testing.assert_allclose(answer["frames"], tower.network(_frames()[1])["embedding"], atol=1e-5)
    assert "image" in str(answer["refusal"])
    assert [name.split("/")[0] for name in answer["names"]] == ["rgb_tiny"] * len(tower.network.variables)


def test_a_step_of_training_is_that_of_the_tower(folder, version, given, tower):
    answer = exports.consume("hub_step", version, given, folder / "answer.npz", cwd=folder)
    ours = RgbModule(tower.network, towers.SIZE, towers.STORED_SIZE)
    before = [variable.numpy() for variable in ours.variables]
    with tf.GradientTape() as tape:
        embedding = tower.network(exports.videos()["video0"], training=True)["embedding"]
        loss = tf.reduce_mean(embedding**2) + _penalty(tower)
    weights = tower.network.trainable_variables
    for variable, gradient in zip(weights, tape.gradient(loss, weights)):
        variable.assign_sub(RATE * gradient)
    np.testing.assert_allclose(answer["loss"], loss, rtol=1e-5)
    for index, (variable, old) in enumerate(zip(ours.variables, before)):
        theirs = answer[f"variable{index}"]
        np.testing.assert_allclose(theirs, variable.numpy(), atol=1e-5, err_msg=variable.name)
        assert (theirs != old).any(), variable.name
    # A piece ends where it ends: what comes after it is neither its own nor moved by it.
    assert answer["moved_by_piece"].any()
    assert not answer["moved_by_piece"][answer["piece_variables"] :].any()


def _penalty(tower):
    return WEIGHT_DECAY * tf.add_n(
        [tf.reduce_sum(variable**2) for variable in tower.network.trainable_variables if "kernel" in variable.name]
    )


@pytest.fixture(scope="module")
def fitted(folder, version, given):
    return exports.consume("keras_layer", version, given, folder / "answer.npz", cwd=folder)


@pytest.mark.parametrize("way, replicas", [("frozen", 1), ("trained", 1), ("replicas", 2)])
def test_as_a_layer_of_keras(fitted, tower, way, replicas):
    answer = exports.of(fitted, way)
    np.testing.assert_allclose(answer["embedding"], tower.network(exports.videos()["video0"])["embedding"], atol=1e-5)
    assert answer["replicas"] == replicas and answer["apart"] == 0
    assert len(answer["moved"]) == len(tower.network.variables)
    if way == "frozen":
        assert not answer["moved"].any() and not answer["trainable"] and not answer["penalty"]
        return
    assert answer["moved"].all() and answer["trainable"] == len(tower.network.trainable_variables)
    assert answer["is_weight"].sum() == len(tower.network.trainable_variables)
    np.testing.assert_allclose(answer["penalty"], _penalty(tower), rtol=1e-5)


def _distance(found, expected):
    """Relative, in the Euclidean norm."""
    return np.linalg.norm(np.asarray(found, np.float64) - expected) / np.linalg.norm(expected)


def _pixels(video):
    """What a video is after rounding to 8 bits."""
    return np.round(video * 255).astype(np.uint8) / np.float32(255)


@pytest.mark.slow
def test_as_a_layer_under_any_policy_of_keras(folder, version, given, tower):
    answer = exports.consume("keras_policies", version, given, folder / "answer.npz", cwd=folder)
    video = exports.videos()["video0"]
    expected, of_pixels = (tower.network(each)["embedding"].numpy() for each in (video, _pixels(video)))
    # Keras rounds the input to the type of the policy: 8 and 11 bits.
    for policy, most in (("float32", 1e-5), ("mixed_bfloat16", 2e-2), ("mixed_float16", 2e-3), ("float64", 1e-5)):
        found = answer[f"{policy}/embedding"]
        assert found.dtype == np.float32 and _distance(found, expected) < most, policy
        assert _distance(answer[f"{policy}/pixels"], of_pixels) < 1e-5, policy
        assert _distance(answer[f"{policy}/exact"], expected) < 1e-5, policy
    assert np.isfinite(answer["loss"]).all() and answer["moved"].all()


@pytest.mark.slow
def test_types_of_the_input_and_values_of_training(folder, version, given, tower):
    answer = exports.consume("input_types", version, given, folder / "answer.npz", cwd=folder)
    video = exports.videos()["video1"]
    expected, of_pixels = (tower.network(each)["embedding"].numpy() for each in (video, _pixels(video)))
    for name in ("float64", "float64 tensor", "list", "None"):
        assert answer[name].dtype == np.float32 and _distance(answer[name], expected) < 1e-5, name
    for name in ("uint8", "uint8 tensor", "inference"):
        assert answer[name].dtype == np.float32 and _distance(answer[name], of_pixels) < 1e-5, name
    assert (
        _distance(answer["float16 tensor"], expected) < 2e-3 and _distance(answer["bfloat16 tensor"], expected) < 2e-2
    )
    np.testing.assert_allclose(answer["piece"], tower.network(video)["stage4"].numpy().mean(axis=(2, 3)), atol=1e-5)
    trained = tower.network(video, training=True)["embedding"].numpy()
    assert _distance(answer["training"], trained) < 1e-4 and _distance(answer["True"], trained) < 1e-4
    assert _distance(trained, expected) > 1e-2
    assert "Could not find matching concrete function" in str(answer["refusal"])  # Whether 1 is white, it does not say.


@pytest.mark.slow
def test_the_programs_of_the_card_the_page_and_the_readme_run(folder, version, tower):
    texts = exports.programs(version / "README.md") + exports.programs(exports.PAGE)
    texts = [text for text in texts if "import tensorflow_hub" in text]
    (short,) = exports.programs(exports.ROOT / "README.md")
    assert texts
    files = [folder / f"program{index}.py" for index in range(len(texts) + 1)]
    for file, text in zip(files, [*texts, short]):
        file.write_text(text)
    answer = exports.consume("program", folder / "answer.npz", *files, cwd=version.parents[1])
    assert [np.isfinite(answer[f"{index}/loss"]).all() for index in range(len(texts))] == [True] * len(texts)
    ours = tower.network(answer[f"{len(texts)}/clips"])["embedding"]
    np.testing.assert_allclose(answer[f"{len(texts)}/features"], ours, atol=1e-5)


def test_holds_the_rgb_tower_alone(version, tower):
    stored = dict(tf.train.list_variables(str(version / "variables" / "variables")))
    stored.pop("_CHECKPOINTABLE_OBJECT_GRAPH")
    sizes = sorted(tuple(variable.shape) for variable in tower.network.variables)
    assert sorted(map(tuple, stored.values())) == sizes
    graph = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    operations = {node.op for node in nodes}
    assert "FusedBatchNormV3" in operations and not {op for op in operations if "Table" in op or "PyFunc" in op}
    # A custom gradient is an attribute of a node, and needs the program that registered it.
    assert not [node.name for node in nodes if node.attr["_gradient_op_type"].s.startswith(b"CustomGradient")]
    assert not list(version.glob("keras_metadata*"))


def test_hub_loads_the_archive_from_a_server(folder, version, given, tower):
    archive = version.parents[1] / "elo_rgb-1.tar.gz"
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=archive.parent)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/{archive.name}"
        answer = exports.consume("hub_step", address, given, folder / "answer.npz", cwd=folder)
    finally:
        server.shutdown()
    np.testing.assert_allclose(answer["embedding"], tower.network(exports.videos()["video0"])["embedding"], atol=1e-5)


@pytest.mark.slow
def test_bfloat16_inside_and_float32_outside(folder, tower):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        found = Tower.load(folder / "run")
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    settings = saved_model.ExportConfig(warmup_batch_sizes=())
    version = saved_model.write(found, folder / "models" / "elo_rgb_bfloat16", settings)
    module = tf.saved_model.load(str(version))
    assert {variable.dtype for variable in module.variables} == {tf.float32}
    video = exports.videos()["video0"]
    ours = tower.network(video)
    for result, name in (
        (module(video), "embedding"),
        (module.signatures["serving_default"](video=tf.constant(video))["embedding"], "embedding"),
        (module.stages.stage2(video), "stage2"),
    ):
        assert result.dtype == tf.float32
        assert 1e-4 < np.linalg.norm(result - ours[name]) / np.linalg.norm(ours[name]) < 5e-2
    assert json.loads((version / "assets.extra" / "tower.json").read_text())["export"]["precision"] == "mixed_bfloat16"
