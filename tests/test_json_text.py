"""JSON and manifests that someone has changed are named as damaged, whatever they hold."""

import json

import pytest

from elo_tf.config import InputError
from elo_tf.data.manifest_lines import is_line
from elo_tf.data.records import DamagedManifestError, Manifest
from elo_tf.model.objective import read_loss
from elo_tf.networks.tower import Description, latest_checkpoint
from elo_tf.runtime import json_text
from elo_tf.search.journal.journal import Journal
from tests import towers

DEEP = '{"lambdas": ' + "[" * 200_000 + "]" * 200_000 + "}"


def test_what_is_nested_too_deeply_is_a_value_error():
    with pytest.raises(ValueError, match="nested too deeply"):
        json_text.parse(DEEP)
    assert json_text.parse(b'{"a": [1, null]}') == {"a": [1, None]}


@pytest.mark.parametrize(
    "value, kind, fits",
    [
        (1, int, True), (True, int, False), (1.0, int, False), (1, json_text.NUMBER, True),
        (0.5, json_text.NUMBER, True),
        (10**400, int, False), (float("nan"), json_text.NUMBER, False), (float("inf"), json_text.NUMBER, False),
        (None, (str, None), True), (None, str, False), ("a", str, True), ([], list, True), ({}, list, False),
        (False, bool, True), (-1e300, json_text.NUMBER, False),
    ],
)  # fmt: skip
def test_kinds_of_values(value, kind, fits):
    assert json_text.is_kind(value, kind) is fits
    if fits:
        json_text.check({"a": value}, {"a": kind})
    else:
        with pytest.raises(ValueError, match="'a' is "):
            json_text.check({"a": value}, {"a": kind})


def test_what_lacks_an_entry_or_is_no_object_is_named():
    with pytest.raises(ValueError, match="lacks 'b'"):
        json_text.check({"a": 1}, {"a": int, "b": int})
    with pytest.raises(ValueError, match="no JSON object"):
        json_text.check([1], {})


LINE = {"id": "a/1.mp4", "ok": True, "split": "train", "shard": "s", "label": "a", "frames": 3, "sound": False,
        "file": [3, 4]}  # fmt: skip
UNUSABLE = {"id": "b", "ok": False, "why": "no video"}
HEAD = {"schema": 1, "complete": True, "settings": {"size": 16, "fps": 12.5}, "sample_rate": 16000,
        "samples_per_frame": 1280, "set_aside": {}}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"id": 1}, {"id": ""}, {"id": "a\0b"}, {"id": "\ud800"}, {"ok": 1}, {"ok": None}, {"split": "both"},
     {"shard": None}, {"label": None}, {"frames": "3"}, {"frames": 0}, {"frames": 10**400}, {"frames": True},
     {"sound": "yes"}, {"file": [1]}, {"file": "x"}, {"source": 1}, {"start": "0"}, {"mark": "7"}, {"warning": None},
     {"why": 1}, {"again": "no"}, {"aside": None}],
)  # fmt: skip
def test_lines_of_a_manifest_are_what_they_are(change):
    assert all(map(is_line, (LINE, UNUSABLE, {**LINE, "id": "\udcff.mp4"})))
    line = UNUSABLE if change.keys() & {"why", "again", "aside"} else LINE
    assert not is_line({**line, **change})
    (name,) = change
    without = {each: value for each, value in line.items() if each != name}
    assert is_line(without) is (name in ("file", "source", "start", "mark", "warning", "again", "aside"))


@pytest.mark.parametrize(
    "change",
    [{"settings": {"size": 16}}, {"settings": {"size": "16", "fps": 12.5}}, {"settings": {"size": 16, "fps": 0}},
     {"settings": {"size": 10**6, "fps": 1}}, {"sample_rate": None}, {"samples_per_frame": 0}, {"complete": "yes"},
     {"set_aside": [1]}, {"videos": [None]}, {"videos": None}],
)  # fmt: skip
def test_a_changed_manifest_is_damaged(tmp_path, change):
    (tmp_path / "manifest.json").write_text(json.dumps({**HEAD, "videos": [LINE]}))
    assert Manifest.load(str(tmp_path)).counts["train"] == 1
    (tmp_path / "manifest.json").write_text(json.dumps({**HEAD, "videos": [LINE], **change}))
    with pytest.raises(DamagedManifestError, match="run python -m elo_tf.prepare again"):
        Manifest.load(str(tmp_path))


@pytest.mark.parametrize("content", [DEEP, '{"lambdas": {"a": 1%s}}' % ("0" * 400), '{"lambdas": []}', "[]", "1"])
def test_a_changed_loss_file_is_refused(tmp_path, content):
    (tmp_path / "loss.json").write_text(content)
    with pytest.raises(InputError, match="is not a loss file"):
        read_loss(tmp_path / "loss.json")


@pytest.mark.parametrize(
    "change", [{"fps": None}, {"size": 0}, {"frames": "8"}, {"loss": []}, {"stored_size": 10**400}]
)
def test_a_changed_description_of_a_tower_is_refused(tmp_path, change):
    towers.describe().save(tmp_path)
    content = {**json.loads((tmp_path / "tower.json").read_text()), **change}
    (tmp_path / "tower.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="is damaged"):
        Description.load(tmp_path / "tower.json")


@pytest.mark.parametrize(
    "change",
    [{"settings": {"steps": "9"}}, {"settings": {"steps": 9, "rungs": 2**62}}, {"seed": None}, {"names": "ab"},
     {"settings": {"steps": 9, "fitness": []}}, {"names": [1]}, {"settings": {"steps": 9, "reduction": 0, "rungs": 2}}],
)  # fmt: skip
def test_a_changed_head_of_a_journal_is_damage(tmp_path, change):
    head = {"record": "header", "version": 2, "seed": 0, "settings": {"steps": 9}, "names": ["a"]}
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps(head) + "\n")
    assert Journal.read(str(path)).names == ("a",)
    path.write_text(json.dumps({**head, **change}) + "\n")
    with pytest.raises(InputError, match="line 1 is damaged"):
        Journal.read(str(path))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'model_checkpoint_path: "/etc/ckpt-1"', b"x: [", b""])
def test_a_list_of_checkpoints_that_is_none_or_leads_elsewhere_names_none(tmp_path, content):
    (tmp_path / "ckpt-1.index").touch()
    (tmp_path / "checkpoint").write_bytes(b'model_checkpoint_path: "ckpt-1"')
    assert latest_checkpoint(tmp_path) == str(tmp_path / "ckpt-1")
    (tmp_path / "checkpoint").write_bytes(content)
    assert latest_checkpoint(tmp_path) is None
