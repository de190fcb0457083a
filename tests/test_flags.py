"""Flags, flag files and text files as users write them: commas in paths, byte order marks, what is no text."""

import ast
import json
import os
import pathlib
import sys

import pytest
from absl import flags

from elo_tf import config
from elo_tf.config import EvaluationConfig, InputError
from elo_tf.data.records import Manifest
from elo_tf.data.video_entry import VideoEntry
from elo_tf.model.objective import read_loss
from elo_tf.runtime import command_line, text

ROOT = pathlib.Path(__file__).parents[1]
BOM = "\ufeff"


@pytest.fixture
def parsed(monkeypatch):
    """A function from arguments to the settings of an evaluation, as its command line reads them."""

    def parse(*arguments):
        values = flags.FlagValues()
        # absl's own, which every program has.
        flags.DEFINE_string("flagfile", "", "", flag_values=values)
        flags.DEFINE_string("undefok", "", "", flag_values=values)
        monkeypatch.setattr(flags, "FLAGS", values)
        monkeypatch.setattr(sys, "argv", ["program", *arguments])
        found = []
        command_line.run(lambda: found.append(config.from_flags(EvaluationConfig)), "", [EvaluationConfig])
        return found[0]

    return parse


def made(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "given, paths",
    [
        ("{0}/a,{0}/b", ["a", "b"]),
        ("{0}/r,lr=0.1", ["r,lr=0.1"]),
        ("{0}/r,lr=0.1,{0}/b,{0}/x,y,z", ["r,lr=0.1", "b", "x,y,z"]),
        ('"{0}/r,lr=0.1",{0}/b', ["r,lr=0.1", "b"]),
        ("{0}/r,lr=0.1/checkpoints/ckpt-3", ["r,lr=0.1/checkpoints/ckpt-3"]),
        ("{0}/alone", ["alone"]),  # Whether it is a run, the reader of runs says.
    ],
)
def test_a_comma_in_a_listed_path_is_kept_where_only_that_exists(parsed, tmp_path, given, paths):
    made(tmp_path, "a", "b", "r,lr=0.1/checkpoints", "x,y,z")
    (tmp_path / "r,lr=0.1/checkpoints/ckpt-3.index").touch()
    assert parsed(f"--checkpoint={given.format(tmp_path)}").checkpoint == tuple(f"{tmp_path}/{path}" for path in paths)


def test_a_listed_path_that_is_missing_names_the_quotes(parsed, tmp_path):
    made(tmp_path, "a")
    paths = parsed(f"--checkpoint={tmp_path}/a,{tmp_path}/b, c").checkpoint
    assert paths == (f"{tmp_path}/a", f"{tmp_path}/b", "c")
    with pytest.raises(InputError, match=f"--checkpoint: '{tmp_path}/b' does not exist; .* double quotes") as error:
        config.require_paths("checkpoint", paths)
    assert """--checkpoint='"A,B",C'""" in str(error.value)
    config.require_paths("checkpoint", paths[1:2])  # One alone is the matter of whoever reads it.


def test_written_settings_come_back(parsed, tmp_path):
    made(tmp_path, 'a "b", c', "d")
    settings = EvaluationConfig(checkpoint=(f'{tmp_path}/a "b", c', f"{tmp_path}/d"), seeds=("0", "1"))
    (tmp_path / "flags.txt").write_text(config.to_lines(settings))
    assert parsed(f"--flagfile={tmp_path}/flags.txt") == settings
    assert "\n--seeds=0,1\n" in config.to_lines(settings)


@pytest.mark.parametrize("first", ["--records=r", "# a comment", "// another", "", "--flagfile={0}/other.txt"])
def test_a_byte_order_mark_before_a_flag_file_is_ignored(parsed, tmp_path, first):
    (tmp_path / "other.txt").write_text("--records=r\r\n", encoding="utf-8")
    (tmp_path / "flags.txt").write_text(f"{BOM}{first.format(tmp_path)}\n--seeds=3\n", encoding="utf-8")
    found = parsed(f"--flagfile={tmp_path}/flags.txt")
    assert found.seeds == ("3",) and found.records == ("r" if "=" in first else "")


def test_a_flag_file_of_another_encoding_is_refused_in_one_line(parsed, tmp_path, capsys):
    (tmp_path / "flags.txt").write_bytes("--seeds=3\n".encode("utf-16"))
    with pytest.raises(SystemExit):
        parsed(f"--flagfile={tmp_path}/flags.txt")
    assert capsys.readouterr().err.startswith("error: --flagfile is not UTF-8 text")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_loss_file_is_read_with_and_without_a_mark(tmp_path, encoding):
    (tmp_path / "loss.json").write_text(json.dumps({"lambdas": {"rgb/predict": 0.25}}), encoding=encoding)
    assert read_loss(tmp_path / "loss.json").lambdas == {"rgb/predict": 0.25}


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "loss.json"
    path.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(InputError, match="loss.json is not a loss file .it is no text in UTF-8.*; expected JSON"):
        read_loss(path)
    path.write_bytes(b"123456")
    with pytest.raises(ValueError, match="it is larger than 0 MiB"):
        text.read(path, most_bytes=5)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match="it is no regular file"):
        text.read(path)


@pytest.mark.parametrize("shard", ["../other.tfrecord", "/etc/passwd", "a/b"])
def test_a_manifest_names_no_file_outside_of_its_folder(tmp_path, shard):
    entry = VideoEntry("a.mp4", "train", "", 3, False, shard)
    Manifest({"size": 16, "fps": 12.5}, 16000, 1280, [entry], [], True, str(tmp_path)).save()
    with pytest.raises(InputError, match=f"manifest.json names '{shard}', which is not in its folder"):
        Manifest.load(str(tmp_path))


def test_nothing_is_unpickled():
    """NumPy is always told not to, and nothing that unpickles is imported."""
    loads = 0
    for folder in ("elo_tf", "export", "experiments"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    modules = {getattr(node, "module", ""), *(alias.name for alias in node.names)}
                    assert not modules & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}, path
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load", "torch.load"):
                    loads += 1
                    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                    assert given.get("allow_pickle") == "False", f"{path}:{node.lineno}"
    assert loads >= 5


@pytest.mark.parametrize(
    "change, message",
    [
        ({"learning_rate": float("nan")}, "--learning_rate=nan is not a finite number"),
        ({"learning_rate": float("inf")}, "--learning_rate=inf is not a finite number"),
        ({"learning_rate": 10**400}, "--learning_rate=1000.* is not a number"),
        ({"steps": 10**20}, "--steps=100000000000000000000 is more than 2147483647, the maximum"),
        ({"steps": 0}, "--steps=0 is less than 1, the minimum"),
        ({"momentum": 1.5}, "--momentum=1.5 is more than 1, the maximum"),
        ({"records": "a\0b"}, "--records='a.*b' is not a string or a path"),
        ({"tasks": ("rgb", "a\0b")}, "--tasks=.* is not a sequence of strings"),
    ],
)
def test_values_that_nothing_can_be_done_with_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        config.TrainSettings(**change)
