"""The PyTorch network of the benchmark is the r18 tower: same weights, same embedding, same gradients.

Where torch is installed elsewhere, TORCH_PYTHON names the interpreter that has it.
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.networks.backbone import Backbone

PYTHON = os.environ.get("TORCH_PYTHON", sys.executable)


def test_torch_network_computes_what_the_tower_computes(tmp_path):
    if subprocess.run([PYTHON, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip(f"{PYTHON} cannot import torch; set TORCH_PYTHON to an interpreter that can")
    # All sizes on the way are odd: 33, 17, 9, 5, 3 and 9, 5, 3, 2. Then both frameworks pad alike.
    video = np.random.default_rng(0).random([2, 9, 33, 33, 3], np.float32)
    tower = Backbone("r18")
    with tf.GradientTape() as tape:
        embedding = tower(video, training=True)["embedding"]
        loss = tf.reduce_mean(embedding**2)
    gradients = tape.gradient(loss, tower.trainable_variables)
    weights = {f"weight{index}": variable.numpy() for index, variable in enumerate(tower.trainable_variables)}
    np.savez(tmp_path / "both.npz", video=video, **weights)

    command = [PYTHON, "-m", "experiments.benchmarks.torch_network", f"--compute={tmp_path / 'both.npz'}"]
    subprocess.run(command, check=True, cwd=pathlib.Path(__file__).parent.parent)

    answer = np.load(tmp_path / "both.npz")
    assert len(answer) == 1 + len(gradients)
    np.testing.assert_allclose(answer["embedding"], embedding, rtol=1e-3, atol=1e-4)
    for index, gradient in enumerate(gradients):
        ours = gradient.numpy()
        ours = ours.transpose(3, 2, 0, 1) if ours.ndim == 4 else ours
        theirs = answer[f"gradient{index}"].reshape(ours.shape)
        assert np.linalg.norm(theirs - ours) <= 1e-2 * np.linalg.norm(ours) + 1e-7, index
