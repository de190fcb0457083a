"""The tower that is kept: read from the checkpoint of a whole model, refused where something is missing."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import InputError
from elo_tf.networks import tower
from tests import towers


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    return run_dir, towers.make_run(run_dir)


def _video():
    return tf.random.stateless_uniform([2, towers.FRAMES, towers.SIZE, towers.SIZE, 3], [1, 2])


@pytest.mark.parametrize("place", ["", "checkpoints/ckpt-3"])
def test_computes_what_the_whole_model_computes(run, place):
    run_dir, model = run
    found = tower.Tower.load(run_dir / place)
    assert found.step == 3 and found.about == towers.describe()
    np.testing.assert_array_equal(found.network(_video())["embedding"], model(_video()))


def test_a_place_without_a_checkpoint_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="neither the run directory"):
        tower.Tower.load(tmp_path / "nothing")
    towers.describe().save(tmp_path)
    with pytest.raises(InputError, match="no checkpoint yet"):
        tower.Tower.load(tmp_path)


def test_a_checkpoint_of_another_backbone_is_refused(run):
    run_dir, _ = run
    content = json.loads((run_dir / tower.FILE).read_text())
    try:
        dataclasses.replace(towers.describe(), backbone="r18").save(run_dir)
        with pytest.raises(InputError, match="cannot be read as a r18 tower"):
            tower.Tower.load(run_dir)
        dataclasses.replace(towers.describe(), backbone="r1000").save(run_dir)
        with pytest.raises(InputError, match="'r1000' is unknown"):
            tower.Tower.load(run_dir)
    finally:
        (run_dir / tower.FILE).write_text(json.dumps(content))


def test_a_tiny_tower_of_version_1_is_read_as_what_it_was(tmp_path):
    towers.describe().save(tmp_path)
    content = json.loads((tmp_path / tower.FILE).read_text())
    assert content.pop("version") == 2 and tower.Description.load(tmp_path / tower.FILE).backbone == "tiny"
    (tmp_path / tower.FILE).write_text(json.dumps(content))
    assert tower.Description.load(tmp_path / tower.FILE).backbone == "tiny_0"


def test_a_truncated_checkpoint_is_refused(tmp_path):
    towers.make_run(tmp_path)
    (data,) = (tmp_path / "checkpoints").glob("*.data-*")
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        tower.Tower.load(tmp_path)


def test_a_damaged_description_is_refused(tmp_path):
    towers.make_run(tmp_path)
    (tmp_path / tower.FILE).write_text('{"backbone": "tiny"}')
    with pytest.raises(InputError, match="damaged"):
        tower.Tower.load(tmp_path)
