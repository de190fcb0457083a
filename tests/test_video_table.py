"""A table of videos has the entries that it was made of, and its columns are what these say."""

import itertools
import json
import random
import re

import numpy as np
import pytest

from elo_tf.data import manifest_file
from elo_tf.data.records import DamagedManifestError, Manifest, identity, indices, short_hash
from elo_tf.data.selection import Selection
from elo_tf.data.video_entry import UnusableVideo, VideoEntry, parse
from elo_tf.data.video_table import VideoTable
from elo_tf.runtime import json_text


def entries(count):
    """Entries of all kinds that versions of `prepare` have written, in an order of their own."""
    draws = random.Random(0)
    kinds = [
        {"file": (3, 1_700_000_000_123_456_789), "mark": 2**32 - 1},
        {"file": (3, 4), "mark": None},
        {"file": (3, -4), "mark": 7},  # Before 1970.
        {"file": (3, 10**30), "mark": 10**30},  # What a broken file system or a damaged manifest says.
        {"file": None, "mark": 7},
        {"file": (3, 4, 25.0), "mark": 7},
        {"file": (3.5, 4.5), "mark": 7},
        {"file": (3, 4), "mark": 7, "source": "a.mp4", "start": 2.5},
        {"file": (3, 4), "mark": 7, "warning": "a single frame"},
    ]
    return [
        VideoEntry(
            f"{draws.choice('äab')}/{number}", draws.choice(["train", "holdout"]), draws.choice(["", "a", "b"]),
            draws.randrange(1, 999), draws.random() < 0.5, f"shard-{draws.randrange(9)}", **draws.choice(kinds),
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 300, 9000])
def test_a_table_has_the_entries_that_it_was_made_of(count):
    given = entries(count)
    table = VideoTable.of(iter(given))
    assert len(table) == count and list(table) == given and table[5:300:7] == given[5:300:7]
    assert [tuple(map(type, entry)) for entry in table] == [tuple(map(type, entry)) for entry in given]
    assert list(itertools.chain.from_iterable(table.facts())) == [
        (each.id, each.label, each.split, each.frames, each.mark) for each in given
    ]
    if count:
        assert table[0] == given[0] and table[-1] == given[-1] and table[count - 1] == given[count - 1]
    for place in (count, -count - 1):
        with pytest.raises(IndexError):
            table[place]


def test_columns_and_parts_are_those_of_the_entries():
    given = entries(500)
    table = VideoTable.of(given)
    assert table.frames.tolist() == [each.frames for each in given]
    assert table.sound.tolist() == [each.sound for each in given]
    assert list(table.of_split("holdout")) == [each for each in given if each.split == "holdout"]
    assert len(table.of_split("test")) == 0
    places = np.array([7, 3, 3, 499])
    assert list(table.take(places)) == [given[place] for place in places]
    assert list(table.take(table.frames >= 500)) == [each for each in given if each.frames >= 500]
    assert table.values("label", {"b": 4, "a": 2}, -1).tolist() == [
        {"b": 4, "a": 2}.get(each.label, -1) for each in given
    ]
    names = sorted({each.shard for each in given})
    assert list(table.counts("shard").items()) == [(name, sum(each.shard == name for each in given)) for name in names]


def test_a_selection_counts_and_numbers_its_videos():
    manifest = Manifest({"size": 4}, 400, 32, entries(500), [], True, "RECORDS")
    selection = Selection.of(manifest, "train")
    found, places = selection.by_index()
    numbers = {identity(each.id)[0]: each for each in manifest.usable if each.split == "train"}
    assert found.tolist() == sorted(numbers) and indices([]).tolist() == []
    assert [selection.videos[place] for place in places.tolist()] == [numbers[index] for index in sorted(numbers)]
    assert selection.classes.tolist() == [{"": -1, "a": 0, "b": 1}[each.label] for each in selection.videos]
    chosen = Selection.of(manifest, "both", {each.id: 5 for each in manifest.usable[:3]})
    assert list(chosen.videos) == manifest.usable[:3] and chosen.classes.tolist() == [5, 5, 5]


def manifest_of(folder, count):
    unusable = [UnusableVideo(f"c/{number:04d}", "empty file", False, (0, 1)) for number in range(count // 3)]
    usable = sorted(entries(count), key=lambda entry: entry.id)
    manifest = Manifest({"size": 4, "fps": 12.5}, 16000, 1280, usable, unusable, True, str(folder))
    manifest.save()
    return manifest


@pytest.mark.parametrize("count", [0, 1, 7, 3072])
@pytest.mark.parametrize("indent", [None, 0, 1])
def test_a_manifest_means_the_same_in_any_layout(tmp_path, monkeypatch, count, indent):
    monkeypatch.setattr(manifest_file, "_BLOCK_LINES", 1024)  # 3072 videos and a third more are four whole blocks.
    manifest = manifest_of(tmp_path, count)
    text = (tmp_path / "manifest.json").read_text()
    if indent is not None:
        (tmp_path / "manifest.json").write_text(json.dumps(json.loads(text), indent=indent))
    parsed = []
    monkeypatch.setattr(manifest_file, "parse", lambda part: parsed.append(len(part)) or parse(part))
    found = Manifest.load(str(tmp_path))
    assert list(found.usable) == list(manifest.usable) and found.unusable == manifest.unusable
    assert found.fingerprint == manifest.fingerprint and found.counts == manifest.counts
    facts = [(each.id, each.label, each.split, each.frames, each.mark) for each in manifest.usable]
    facts = [each if each[-1] is not None else each[:-1] for each in facts]
    assert found.fingerprint == short_hash([manifest.settings, manifest.sample_rate, facts])
    if indent is None and count == 3072:
        assert len(parsed) == 5 and max(parsed) < len(text) / 3  # The head and the blocks.


@pytest.mark.parametrize(
    "old, new",
    [("}\n]\n}\n", "},\n]\n}\n"), ("}\n]\n}\n", "}\n]\n"), ("}\n]\n}\n", "}\n"), ("}\n]\n}\n", "}\n]\n}\n}\n"),
     ("},\n", "}\n"), ("},\n", "},,\n"), ('"schema": 1,\n', '"schema": 1\n'), ('"frames"', '"frames')],
)  # fmt: skip
def test_damage_is_named_at_its_place_in_the_file(tmp_path, monkeypatch, old, new):
    monkeypatch.setattr(manifest_file, "_BLOCK_LINES", 1)
    manifest_of(tmp_path, 6)
    text = (tmp_path / "manifest.json").read_text()
    assert old in text
    damaged = new.join(text.rsplit(old, 1))
    (tmp_path / "manifest.json").write_text(damaged)
    with pytest.raises(ValueError) as reason:
        json_text.parse(damaged)
    with pytest.raises(DamagedManifestError, match=re.escape(f"is damaged ({reason.value}); run python -m")):
        Manifest.load(str(tmp_path))
