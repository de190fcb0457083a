"""The verbs as functions: the README's programs, what a package costs, what a run leaves in its process."""

import contextlib
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from elo_tf import embed, evaluate, prepare, search, train
from elo_tf.config import InputError, SearchSettings, from_arguments
from export import saved_model
from tests import modules, trainings, videos

ROOT = pathlib.Path(__file__).parents[1]

# In the README's programs: what is as large as users want it, and what tests can wait for.
SMALL = {
    'videos="DIR", records="RECORDS"': 'videos="DIR", records="RECORDS", size=24, holdout_fraction=0.75',
    "crop_size=56": 'crop_size=16, frames=4, batch_size=4, modalities=("rgb", "flow"), tasks=("rgb/*shuffle",)',
    "clusters=20": 'clusters=2, scoring_clips=20, restarts=2, population=3, rescore=0, workers="local:1"',
    "generations=10": "generations=1, health_gate=False",
    "steps=64": "steps=2",
    "steps=1000": "steps=2",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with 20 rendered videos in DIR."""
    folder = tmp_path_factory.mktemp("api")
    made = prepare.run(
        prepare.Settings(
            world=20, labelled_per_class=0, world_seconds=0.96, world_size=32, size=24, workers="local:1",
            videos=folder / "world", records=folder / "records",
        )
    )  # fmt: skip
    assert made.manifest.counts["train"] + made.manifest.counts["holdout"] == 20 and made.labelled is None
    (folder / "DIR").symlink_to(folder / "world" / "unlabelled")
    return folder


def program(first: str) -> str:
    """The README's program that begins with this line, with small numbers in place of large ones."""
    (found,) = re.findall(rf"^```python\n({re.escape(first)}\n.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    for large, small in SMALL.items():
        found = found.replace(large, small)
    return found


@pytest.mark.slow
def test_the_search_of_the_readme_runs(world, monkeypatch):
    monkeypatch.chdir(world)
    text = program("from elo_tf import prepare, search, train")
    assert all(small in text for small in SMALL.values())
    names = {}
    exec(compile(text, "README.md", "exec"), names)
    found, trained = names["found"], names["trained"]
    assert set(found.lambdas) == {"rgb/shuffle"} and found.report.is_file()
    assert trained.finished and trained.step == 2 and trained.run_dir == pathlib.Path("RUN")
    clips = tf.random.uniform([2, 4, 16, 16, 3])
    exported = tf.saved_model.load("MODELS/elo_rgb/1")(clips)
    np.testing.assert_allclose(exported, names["network"](clips)["embedding"], atol=1e-5)
    # What the search was told is in its flag file, in the form that a command or a program takes.
    again = from_arguments(SearchSettings, ["--flagfile=SEARCH/flags.txt"])
    assert again.tasks == ("rgb/*shuffle",) and again.generations == 1 and not again.health_gate


def test_the_features_of_the_readme_are_those_of_the_videos(world, monkeypatch, capsys):
    monkeypatch.chdir(world)
    modules.save_means(world / "MODELS" / "elo_rgb" / "9")  # Newer than what the program above may have left.
    names = {}
    exec(compile(program("from elo_tf import embed"), "README.md", "exec"), names)
    result = names["result"]
    assert len(result.ids) == 20 and result.notices == () and result.matches == ()
    assert capsys.readouterr().out.splitlines()[-1] == f"{result.ids[-1]} (5,)"
    # A look-up alone: a video is nearest to itself.
    query = world / "DIR" / result.ids[3]
    settings = embed.Settings(model="MODELS/elo_rgb", output="embeddings.npz", query=query, neighbours=2)
    first, second = embed.run(settings).matches
    assert first.entry.id == result.ids[3] and first.similarity == pytest.approx(1) and second.similarity < 1


def test_a_package_costs_nothing_until_something_of_it_is_asked_for():
    verbs = ("prepare", "search", "train", "evaluate", "embed")
    code = (
        f"import sys; from elo_tf import {', '.join(verbs)}\n"
        f"for verb in ({', '.join(verbs)}):\n"
        "    assert {'run', 'Settings', 'Result'} <= set(dir(verb)), dir(verb)\n"
        "    assert not hasattr(verb, 'walk')\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'absl', 'cv2', 'numpy', 'tensorflow'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    return videos.noise_records(tmp_path_factory.mktemp("noise"))


def test_a_training_that_was_interrupted_goes_on_in_the_same_process_to_the_same_weights(noise, tmp_path):
    before = tf.keras.mixed_precision.global_policy()
    settings = trainings.settings(noise, tmp_path / "whole", precision="mixed_bfloat16", save_every=1)
    whole = train.run(settings)
    asked = iter((False, True))
    halves = trainings.settings(noise, tmp_path / "halves", precision="mixed_bfloat16", save_every=1)
    stopped = train.run(halves, interruption=contextlib.nullcontext(lambda: next(asked)))
    assert (stopped.step, stopped.steps, stopped.finished) == (2, 3, False)
    finished = train.run(halves)
    assert finished.finished and whole.finished
    for found, expected in zip(finished.tower().network.get_weights(), whole.tower().network.get_weights()):
        np.testing.assert_array_equal(found, expected)
    # What follows in this process is not trained in bfloat16 for it.
    assert tf.keras.mixed_precision.global_policy().name == before.name == "float32"


def test_a_keyboard_interrupt_passes_and_the_run_directory_is_free_again(noise, tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    settings = trainings.settings(noise, tmp_path / "run", save_every=1)
    with pytest.raises(KeyboardInterrupt):
        train.run(settings, interruption=contextlib.nullcontext(interrupt))
    assert train.run(settings).finished


def test_a_run_directory_that_is_removed_or_damaged_can_be_exported_in_the_end(noise, tmp_path):
    run, steps = tmp_path / "run", iter(range(3))
    settings = trainings.settings(noise, run, save_every=1)

    def is_asked():
        if next(steps) == 0:
            shutil.rmtree(run)
        return False

    done = train.run(settings, interruption=contextlib.nullcontext(is_asked))
    assert done.finished and done.tower().step == 3
    about = (run / "tower.json").read_bytes()
    (run / "tower.json").write_bytes(b"")
    (run / "loss.json").unlink()
    assert train.run(settings).tower().step == 3
    assert (run / "tower.json").read_bytes() == about and (run / "loss.json").exists()


def test_a_program_gives_paths_and_lists_where_a_flag_has_text():
    loose = SearchSettings(records=pathlib.Path("a"), tasks="fast", modalities=["rgb", "flow"], learning_rate=1)
    given = ["--records=a", "--tasks=fast", "--modalities=rgb,flow", "--learning_rate=1"]
    assert loose == from_arguments(SearchSettings, given) and loose.modalities == ("rgb", "flow")
    assert evaluate.Settings(seeds=(0, 1), checkpoint=pathlib.Path("run")).seeds == ("0", "1")


@pytest.mark.parametrize(
    "values, message",
    [
        ({"generations": "3"}, "--generations='3' is not a whole number"),
        ({"flip": 1}, "--flip=1 is not True or False"),
        ({"learning_rate": True}, "--learning_rate=True is not a number"),
        ({"tasks": 3}, "--tasks=3 is not a sequence of strings"),
        ({"run_dir": None}, "--run_dir=None is not a string or a path"),
        ({"steps": 0}, "--steps=0 is less than 1, the minimum"),
        ({"scoring_clips": 3}, "--scoring_clips=3 cannot form --clusters=50"),
    ],
)
def test_values_of_another_type_or_out_of_range_are_refused_by_name(values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        SearchSettings(**values)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--stepz=3"], "stepz"),
        (["3"], "'3' is not a flag"),
        (["--flagfile=/nowhere"], "/nowhere"),
    ],
)
def test_arguments_that_no_command_takes_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        from_arguments(SearchSettings, arguments)


def test_errors_are_exceptions(tmp_path):
    for verb, settings in (
        (prepare, prepare.Settings(records=tmp_path)),
        (search, search.Settings(run_dir=tmp_path)),
        (train, train.Settings(loss="equal")),
        (evaluate, evaluate.Settings(records=tmp_path)),
        (embed, embed.Settings(model=tmp_path)),
        (saved_model, saved_model.Settings(output=tmp_path)),
    ):
        with pytest.raises(InputError, match="is (missing|not given)"):
            verb.run(settings)
