"""The exported module under a current TensorFlow and Keras 3, in an environment of its own.

The environment (about 2 GB, made in a minute) is built once, in the directory that ELO_TF_MODERN_ENV names, or in
.venv-modern of the checkout, and used again.
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from elo_tf.networks.tower import Tower
from tests import exports

# tensorflow-hub imports pkg_resources, which later setuptools lack, and brings tf_keras, which nothing here uses.
PACKAGES = ("tensorflow==2.21.0", "tensorflow-hub==0.16.1", "setuptools<81")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python():
    place = pathlib.Path(os.environ.get("ELO_TF_MODERN_ENV", exports.ROOT / ".venv-modern"))
    python, ready = place / "bin" / "python", place / "ready"
    if not ready.exists() or ready.read_text().split() != list(PACKAGES):
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(place)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                pytest.skip(f"cannot install {', '.join(PACKAGES)} into {place}: {reason}")
        ready.write_text("\n".join(PACKAGES))
    return str(python)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("modern")


@pytest.fixture(scope="module")
def version(folder):
    return exports.make(folder)


@pytest.fixture(scope="module")
def given(folder):
    np.savez(folder / "given.npz", **exports.videos())
    return folder / "given.npz"


@pytest.fixture(scope="module")
def embedding(folder, version):
    return Tower.load(folder / "run").network(exports.videos()["video0"])["embedding"]


def test_hub_loads_and_trains_it(python, folder, version, given, embedding):
    answer = exports.consume("hub_step", version, given, folder / "answer.npz", python=python, cwd=folder)
    np.testing.assert_allclose(answer["embedding"], embedding, atol=1e-5)
    stored = exports.variables(version)
    assert len(stored) == len(Tower.load(folder / "run").network.variables)
    assert all((answer[name] != value).any() for name, value in stored.items())
    assert np.isfinite(answer["loss"])


def test_a_layer_of_keras_3_computes_it(python, folder, version, given, embedding):
    answer = exports.consume("keras3", version, given, folder / "answer.npz", python=python, cwd=folder)
    assert [int(number.split(".")[0]) for number in answer["versions"]] == [2, 3]
    np.testing.assert_allclose(answer["embedding"], embedding, atol=1e-5)
    np.testing.assert_allclose(answer["model"], embedding, atol=1e-5)


# Policy of Keras -> how far it may be from float32.
POLICIES = {"float32": 1e-5, "mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}


@pytest.fixture(scope="module")
def fitted(python, folder, version, given):
    return exports.consume("keras3_fit", version, given, folder / "answer.npz", *POLICIES, python=python, cwd=folder)


@pytest.mark.parametrize("policy, most", POLICIES.items())
def test_a_layer_of_keras_3_is_trained(fitted, folder, embedding, policy, most):
    """With the optimizer built beforehand, as card and page say; without, Keras cannot name what it makes in fit."""
    answer = exports.of(fitted, policy)
    network = Tower.load(folder / "run").network
    assert np.linalg.norm(answer["embedding"] - embedding) < most * np.linalg.norm(embedding)
    assert answer["trainable"] == len(network.trainable_variables)
    assert np.isfinite(answer["loss"]).all()
    # Weights, and the statistics of batch normalisation.
    assert len(answer["built/moved"]) == len(network.variables) and answer["built/moved"].all()
    # Once this fails, the line about it in card and page can go.
    assert "is not a valid scope name" in str(answer["refusal"]) and not answer["plain/moved"].any()


def test_the_programs_of_the_card_and_the_page_run(python, folder, version):
    texts = exports.programs(version / "README.md") + exports.programs(exports.PAGE)
    texts = [text for text in texts if "import keras\n" in text]
    assert len(texts) >= 2
    files = [folder / f"program{index}.py" for index in range(len(texts))]
    for file, text in zip(files, texts):
        file.write_text(text)
    answer = exports.consume("program", folder / "answer.npz", *files, python=python, cwd=version.parents[1])
    network = Tower.load(folder / "run").network
    for index in range(len(files)):
        ours = network(answer[f"{index}/clips"])["embedding"]
        np.testing.assert_allclose(answer[f"{index}/features"], ours, atol=1e-5)
