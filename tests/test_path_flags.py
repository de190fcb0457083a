"""Flags: every one that names a file or folder takes `~` for the home folder."""

import dataclasses
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Tuple

import pytest
from absl import flags

from elo_tf import config
from elo_tf.config import Checked

ROOT = Path(__file__).parents[1]
MODULES = ("elo_tf.config", "export.client", "export.saved_model", "experiments.search_flags")
# What says `folder` or `file` in the help of a flag that names none.
NO_PATHS = {"labels", "label_level", "held_out", "holdout_fraction", "frames_fps", "drop_vanished", "split_format"}
NO_PATHS |= {"protocol"}


@pytest.mark.parametrize("name", MODULES)
def test_settings_that_name_files_are_marked(name):
    module = importlib.import_module(name)
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Checked)]
    assert len(kinds) > 1
    for field in {(kind, field) for kind in kinds if kind is not Checked for field in dataclasses.fields(kind)}:
        help, is_path = field[1].metadata["help"], field[1].metadata["path"]
        names_one = re.search(r"\b(folder|file|files|directory|director\w+|results\.json|exported model)\b", help)
        if names_one and field[1].name not in NO_PATHS:
            assert is_path, f"{field[0].__name__}.{field[1].name}: {help}"


def test_flags_of_commands_that_name_files_are_marked():
    for path in [*ROOT.glob("elo_tf/**/*.py"), *ROOT.glob("export/*.py"), *ROOT.glob("experiments/**/*.py")]:
        for name, help in re.findall(r'flags\.DEFINE_string\(\s*"(\w+)",[^,]*, f?"([^"]*)"', path.read_text()):
            assert not re.search(r"\b(folder|file|director\w+|records)\b", help), f"{path}: --{name}: {help}"


def test_a_tilde_is_the_home_folder(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "elo_tf.prepare", "--records=~/records", "--videos=~/videos"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and f"--videos={tmp_path}/videos is not a folder" in done.stderr
    assert not list(tmp_path.iterdir())


@dataclasses.dataclass(frozen=True)
class _PlacesConfig(Checked):
    tried_place: str = config.setting("", "folder", path=True)
    tried_places: Tuple[str, ...] = config.setting((), "files", path=True)
    tried_name: str = config.setting("", "a name")


def test_a_tilde_is_the_home_folder_in_lists_too_and_a_letter_elsewhere(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    config.define_flags(_PlacesConfig)
    try:
        given = ["program", "--tried_place=~/a", "--tried_places=~/b,c", "--tried_name=~x"]
        flags.FLAGS(given)
        assert config.from_flags(_PlacesConfig) == _PlacesConfig("/home/ada/a", ("/home/ada/b", "c"), "~x")
    finally:
        flags.FLAGS.unparse_flags()
        for field in dataclasses.fields(_PlacesConfig):
            delattr(flags.FLAGS, field.name)
