"""Commands that error messages name as the remedy: each is given as it stands there, and mends the fault.

A message with a command that no case below meets fails `test_every_command_in_a_message_is_given`.
"""

import ast
import configparser
import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from elo_tf.config import EmbedSettings, IngestConfig, InputError, PrepareSettings, SearchSettings, from_arguments
from elo_tf.data.records import Manifest
from elo_tf.embed.table import Entry, Table
from elo_tf.evaluate.videos.damage import UnreadableError
from elo_tf.prepare import api as prepare
from elo_tf.prepare.convert import convert
from elo_tf.runtime.workers.local import LocalEngine
from tests import videos

ROOT = pathlib.Path(__file__).parents[1]
COMMAND = re.compile(r"python -m ((?:elo_tf|export)\.\w+)((?: --\w+(?:=[^\s;,)]+)?)*)")
# "the folder of python -m ..." and "records that python -m ... wrote" tell where something comes from.
REFERENCE = re.compile(r"\b(of|that|one of) (?=python -m)")
# (module, flags) that the cases below give; {...} stands for a value.
GIVEN = {
    ("elo_tf.prepare", ""),
    ("elo_tf.prepare", "--validate"),
    ("elo_tf.prepare", "--frames_fps=25"),
    ("elo_tf.embed", "--videos=DIR --output={}"),
    ("export.client", "--rest"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Four videos, and their records."""
    folder = tmp_path_factory.mktemp("remedies")
    for number in range(4):
        videos.plain(folder / "videos" / f"{number}.mp4")
    convert(folder / "videos", folder / "records", IngestConfig(size=16, holdout_fraction=0.5), LocalEngine(1))
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy of the records, `records`, and a way to the videos."""
    shutil.copytree(made / "records", tmp_path / "records")
    (tmp_path / "videos").symlink_to(made / "videos")
    return tmp_path


def give(message: str, folder: pathlib.Path) -> None:
    """Gives the command of a message, with the folders and settings that the user gave at first."""
    module, flags = COMMAND.search(REFERENCE.sub("", message)).groups()
    assert module == "elo_tf.prepare", message
    if "--validate" in flags:
        prepare.validate(folder / "records")
        return
    own = [f"--videos={folder / 'videos'}", f"--records={folder / 'records'}", "--size=16", "--holdout_fraction=0.5",
           "--workers=local:1"]  # fmt: skip
    prepare.run(from_arguments(PrepareSettings, [*own, *flags.split()]))


def refusal(call) -> str:
    """The message of what a call refuses."""
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", ["", "[1, 2", '{"schema": 1}', '{"videos": []}'])
def test_a_damaged_manifest_is_rebuilt(folder, content):
    path = folder / "records" / "manifest.json"
    whole = json.loads(path.read_text())
    path.write_text(content)
    give(refusal(lambda: Manifest.load(str(folder / "records"))), folder)
    assert json.loads(path.read_text()) == whole


def test_an_unfinished_conversion_is_completed(folder):
    path = folder / "records" / "manifest.json"
    path.write_text(path.read_text().replace('"complete": true', '"complete": false'))
    give(refusal(Manifest.load(str(folder / "records")).require_complete), folder)
    Manifest.load(str(folder / "records")).require_complete()


def test_records_that_are_missing_are_made(folder):
    from elo_tf.search import api

    shutil.rmtree(folder / "records")
    settings = SearchSettings(records=folder / "records", run_dir=folder / "run")
    give(refusal(lambda: api.run(settings)), folder)
    assert len(Manifest.load(str(folder / "records")).usable) == 4
    (folder / "empty").mkdir()
    assert COMMAND.search(refusal(lambda: Manifest.load(str(folder / "empty"))))[2] == ""


def test_damaged_records_are_found_and_made_again(folder):
    import tensorflow as tf

    from elo_tf.data.reader import reading

    manifest = Manifest.load(str(folder / "records"))
    shard = pathlib.Path(manifest.shards("train")[0])
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-20])

    def read():
        with reading(manifest.folder):
            list(tf.data.TFRecordDataset(str(shard)))

    message = refusal(read)
    assert COMMAND.search(str(UnreadableError(manifest.folder, {"a": "b"})))[2] == " --validate"
    # What is named as damaged is deleted, as the message says, and converted again.
    found = refusal(lambda: give(message, folder))
    assert shard.name in found and "delete them and rerun the conversion" in found
    shard.unlink()
    give("python -m elo_tf.prepare", folder)
    assert sorted(Manifest.load(str(folder / "records")).counts.items()) == sorted(manifest.counts.items())
    give(message, folder)


def test_folders_of_images_are_read_as_videos(folder):
    import cv2

    (folder / "videos").unlink()
    for number in range(12):
        path = folder / "videos" / "walk" / f"img_{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full([32, 32, 3], 20 * number, np.uint8))
    shutil.rmtree(folder / "records")
    give(refusal(lambda: give("python -m elo_tf.prepare", folder)), folder)
    assert [entry.id for entry in Manifest.load(str(folder / "records")).usable] == ["walk"]


def test_embeddings_that_are_missing_can_be_made_by_what_is_said(tmp_path):
    path = tmp_path / "table.npz"
    module, flags = COMMAND.search(refusal(lambda: Table.load(path))).groups()
    settings = from_arguments(EmbedSettings, flags.split())
    assert module == "elo_tf.embed" and settings.output == str(path) and settings.videos == "DIR"
    Table({"fps": 1.0}, [Entry("a", np.zeros(2, np.float32), 1, [1, 1], "", np.zeros([0, 2]), np.zeros(0, int))]).save(
        path
    )
    assert len(Table.load(path).entries) == 1


def messages():
    """(file, text) of each string in a `raise` or a constant of a module; {} stands for what is filled in."""
    for path in sorted(each for folder in ("elo_tf", "export") for each in (ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        parts = [node for node in ast.walk(tree) if isinstance(node, (ast.Raise, ast.Assign))]
        nodes = [inner for part in parts for inner in ast.walk(part)]
        pieces_of = {id(each) for node in nodes if isinstance(node, ast.JoinedStr) for each in node.values}
        for node in nodes:
            if id(node) in pieces_of:
                continue
            if isinstance(node, ast.JoinedStr):
                pieces = [each.value if isinstance(each, ast.Constant) else "{}" for each in node.values]
                yield path, "".join(pieces)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value


@pytest.mark.slow
def test_every_command_in_a_message_is_given():
    found = set()
    for path, text in messages():
        for module, flags in COMMAND.findall(REFERENCE.sub("# ", text).replace("# python -m", "")):
            found.add((module, flags.strip()))
            assert (module, flags.strip()) in GIVEN, f"{path}: {text}"
    assert found == GIVEN
    assert [text for _, text in messages() if re.search(r"run prepare\b", text)] == [], "not a command as it stands"


def test_extras_in_messages_exist():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    named = {extra for _, text in messages() for extra in re.findall(r"pip install .*?\[(\w+)\]", text)}
    assert named == {"ray", "serving"} <= set(parser["options.extras_require"])
