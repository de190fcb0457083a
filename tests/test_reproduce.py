"""Every command of docs/reproduce.md, in its order, on a miniature of the folders that the page names."""

import json
import os
import pathlib
from typing import Any, List, Tuple, Type

import numpy as np
import pytest
from absl import flags

from elo_tf import config, evaluate, prepare, search, train
from tests import test_documented_commands as documented
from tests import videos

ROOT = pathlib.Path(__file__).parents[1]
VERBS = {"elo_tf.prepare": prepare, "elo_tf.search": search, "elo_tf.train": train, "elo_tf.evaluate": evaluate}
CLIPS = ("--frames=4", "--crop_size=16", "--batch_size=4", "--mel_bins=4", "--precision=float32", "--backbone=tiny")
# Module -> flags that make its commands small; they come last, and so count.
SMALL = {
    "elo_tf.prepare": ("--size=24", "--workers=local:1"),
    "elo_tf.search": (
        *CLIPS, "--workers=local:1", "--generations=1", "--population=3", "--steps=2", "--warmup_steps=1",
        "--clusters=2", "--scoring_clips=12", "--restarts=2", "--rescore=0", "--labelled_clips=12", "--nohealth_gate",
        "--tasks=rgb/shuffle,rgb-flow/embed,flow/distill/stage4",
    ),
    "elo_tf.train": (
        *CLIPS, "--steps=1", "--warmup_steps=1", "--save_every=1", "--steps_a_call=1", "--distribute=one",
        "--drop_below=0",
    ),
    "elo_tf.evaluate": (
        "--train_clips=1", "--test_clips=1", "--batch_size=4", "--finetune_steps=1", "--restarts=2", "--threads=0",
    ),
}  # fmt: skip
GENOME = "--tasks=rgb/shuffle,rgb-flow/embed"  # In place of all 45 terms, for losses that nobody searched for.
# The table of twelve networks and three protocols is made of one split, the others as the page has them.
SPLITS_OF_TABLE1 = "--splits=HMDB51_LISTS"
BUDGETS = "--label_budgets=400,2000,4000,8000,20000,40000,80000,120000,160000,all"


def commands() -> List[Tuple[str, List[str]]]:
    """Module and words of each command of the page, in its order."""
    return list(documented.commands_of((ROOT / "docs" / "reproduce.md").read_text()))


def small(module: str, words: List[str]) -> List[str]:
    """The words of a command with what makes it small."""
    words = ["--label_budgets=4,all" if word == BUDGETS else word for word in words]
    own = list(SMALL[module])
    if SPLITS_OF_TABLE1 in words:
        own.append("--split=1")
    if module == "elo_tf.prepare" and not any(word.startswith("--holdout_fraction=") for word in words):
        own.append("--holdout_fraction=0.5")  # The default score needs ten videos that are held out.
    if "--nodistillation" in words:
        own[-1] = GENOME
    if module == "elo_tf.train" and not any(word.startswith("--tasks=") for word in words):
        own.append(GENOME)
    return [*words, *own]


def parse(kind: Type, words: List[str]) -> Any:
    """The settings of a verb; its flag files may also price it."""
    values = flags.FlagValues()
    config.define_flags(kind, config.BudgetConfig, values=values)
    assert values(["", *words]) == [""], "all words are flags"
    return config.from_flags(kind, values)


def write_videos(folder: pathlib.Path) -> None:
    """The folders of the page: noise with sound, two classes, lists in which each video of three trains or tests."""
    random = np.random.default_rng(0)

    def write(*names: str) -> None:
        for name in names:
            frames = random.integers(0, 255, [20, 6, 6, 3], np.uint8).repeat(4, axis=1).repeat(4, axis=2)
            videos.write(folder / name, frames, sound=random.integers(-9000, 9000, 20 * 1280).astype(np.int16))

    for place in range(40):
        write(f"UNLABELLED/{place}.mp4")
    os.symlink(folder / "UNLABELLED", folder / "UNLABELLED_PART")
    shown = [f"{name}/{place}.mp4" for name in ("run", "walk") for place in range(6)]
    train, test = [name for name in shown if name[-5] < "4"], [name for name in shown if name[-5] >= "4"]
    write(*(f"HMDB51/{name}" for name in shown), *(f"HMDB51_TRAIN/{name}" for name in train))
    os.symlink(folder / "HMDB51", folder / "UCF101")
    lists = {"UCF101_LISTS/classInd.txt": ["1 run", "2 walk"]}
    for split in (1, 2, 3):
        for name in ("run", "walk"):
            codes = [f"{place}.mp4 {1 if place < 4 else 2}" for place in range(6)]
            lists[f"HMDB51_LISTS/{name}_test_split{split}.txt"] = codes
        lists[f"UCF101_LISTS/trainlist0{split}.txt"] = [f"{each} {1 + each.startswith('walk')}" for each in train]
        lists[f"UCF101_LISTS/testlist0{split}.txt"] = test
    for part, places in (("train", range(4)), ("val", range(4, 6))):
        rows = [(name, f"{name}clip{place:03d}", 1, 11) for name in ("run", "walk") for place in places]
        write(*(f"KINETICS/{part}/{name}/{video}_000001_000011.mp4" for name, video, _, _ in rows))
        lines = [",".join(map(str, row)) for row in rows]
        lists[f"KINETICS_LISTS/kinetics_{part}.csv"] = ["label,youtube_id,time_start,time_end", *lines]
    for name, lines in lists.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("\n".join(lines) + "\n")


def test_the_page_has_all_steps_and_names_what_earlier_ones_make():
    found = commands()
    assert {module for module, _ in found} == {*VERBS, "experiments.evolution_figures"}
    made = {
        word.partition("=")[2] for _, words in found for word in words if word.startswith(("--records=", "--run_dir="))
    }
    for module, words in found:
        given = dict(word[2:].partition("=")[::2] for word in words)
        for run in given.get("checkpoint", "").split(",") if module == "elo_tf.evaluate" else ():
            assert run in made, run
        loss = given.get("loss", "")
        assert not loss.endswith(".json") or loss.split("/")[0] in made, loss


@pytest.mark.slow
def test_every_command_runs_on_a_miniature(tmp_path, monkeypatch):
    write_videos(tmp_path)
    os.symlink(ROOT / "experiments", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    for module, words in commands():
        if module not in VERBS or "--dry_run" in words:
            continue  # What needs no data; `test_documented_commands` parses it.
        VERBS[module].run(parse(VERBS[module].Settings, small(module, words)))
    for table, protocols in (("TABLE1", 3), ("TABLE2", 1), ("TABLE3", 1)):
        content = json.loads((tmp_path / table / "results.json").read_text())
        assert len({each["protocol"] for each in content["measurements"]}) == protocols
        shown = (tmp_path / table / "table.md").read_text()
        assert "| scratch |" in shown and "| ELO |" in shown
    splits = {each["split"] for each in json.loads((tmp_path / "TABLE2" / "results.json").read_text())["measurements"]}
    assert splits == {"1", "2", "3"}
    alone = json.loads((tmp_path / "SEARCH_ALONE" / "evolved_loss.json").read_text())["lambdas"]
    assert not [name for name in alone if "distill" in name]
