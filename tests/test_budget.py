"""The budget of a run: arithmetic by hand, measured records, and the page that users read."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from elo_tf.config import (
    BudgetConfig,
    DataConfig,
    EvolutionConfig,
    FinalRunConfig,
    FinalTrainConfig,
    FitnessConfig,
    InputError,
    ModelConfig,
    RunConfig,
    SearchSettings,
    TaskConfig,
    TrainConfig,
    TrainSettings,
)
from elo_tf.costs.accelerators import Accelerator, estimate
from elo_tf.costs.budget import BACKWARD_FACTOR, Plan, make_budget
from elo_tf.costs.budget_report import dry_run, text
from elo_tf.costs.record_sizes import measured
from elo_tf.data.records import Manifest
from elo_tf.model.objective import save_loss
from elo_tf.search import api as search_api
from elo_tf.search.settings import size_of
from elo_tf.train import api
from tests import videos
from tests.test_backbone import expected_weights

FLAGFILES = Path("experiments/flagfiles")
SEARCH = (RunConfig, DataConfig, ModelConfig, TaskConfig, TrainConfig, FitnessConfig, EvolutionConfig, BudgetConfig)
# The final training has neither a fitness nor a search.
FINAL = (FinalRunConfig, DataConfig, ModelConfig, TaskConfig, FinalTrainConfig, BudgetConfig)

# Machines that every page names, and what the paper says that its search took.
PRICED = ("V100", "A100", "H100", "TPU v3", "4,608 GPU-hours")

SMALL = Plan(
    DataConfig(frames=8, crop_size=16, batch_size=4),
    ModelConfig(modalities=("rgb",), tasks=("rgb/shuffle", "rgb/backward")),
    TaskConfig(),
    TrainConfig(steps=90, optimizer="sgd"),
    BudgetConfig(planned_videos=1000, planned_seconds=4.0, devices=2),
)

TRAINING = dataclasses.replace(SMALL, train=FinalTrainConfig(steps=90, optimizer="sgd"))


@pytest.fixture(scope="module")
def small():
    return make_budget(SMALL)


def settings(file, configs):
    """The dataclasses that a flag file gives, by type."""
    values = flags.FlagValues()
    for kind in configs:
        for field in dataclasses.fields(kind):
            define = {bool: flags.DEFINE_bool, int: flags.DEFINE_integer, float: flags.DEFINE_float}
            declared = type(field.default)
            if declared is tuple:
                flags.DEFINE_list(field.name, list(field.default), "", flag_values=values)
            else:
                define.get(declared, flags.DEFINE_string)(field.name, field.default, "", flag_values=values)
    values(["test", f"--flagfile={file}"])

    def fill(kind):
        chosen = {field.name: values[field.name].value for field in dataclasses.fields(kind)}
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()})

    return {kind: fill(kind) for kind in configs}


def searched(evolution):
    """How much a search over two weights trains, 90 steps a candidate."""
    return size_of(evolution, ("rgb/backward", "rgb/shuffle"), "value", 90)


def plan_of(made, **changes):
    train = made.get(FinalTrainConfig) or made[TrainConfig]
    return Plan(made[DataConfig], made[ModelConfig], made[TaskConfig], train, made[BudgetConfig], **changes)


def reduced(plan):
    """The plan with small towers and clips."""
    return dataclasses.replace(
        plan,
        data=dataclasses.replace(plan.data, crop_size=32, frames=8),
        model=dataclasses.replace(plan.model, backbone="tiny"),
    )


def test_memory_and_work_are_sums_of_what_was_counted(small):
    step = small.step
    # Float32 and momentum: weights, statistics, gradients, slots.
    assert small.slot_bytes == step.gradient_bytes == 4 * sum(step.parameters.values())
    work = small.work()
    assert work.memory == pytest.approx(
        step.weight_bytes + 2 * step.gradient_bytes + step.cast_bytes + step.clip_bytes + step.kept_bytes
    )
    assert work.operations == pytest.approx(4 * BACKWARD_FACTOR * (step.forward["rgb"] + step.forward["heads"]))


def test_device_hours_by_hand(small):
    # A device that does a step's operations in a second at half of its rate: 90 steps are 0.025 device-hours.
    rate = 2 * small.work().operations / 1e12
    device = Accelerator("by hand", 1, 1e6, {"float32": rate})
    seconds = estimate(device, "float32", small.work(), 0.5).seconds
    assert SMALL.train.steps * seconds / 3600 == pytest.approx(0.025)


@pytest.mark.parametrize(
    "changes, trainings, steps",
    [
        # 5 generations of 6, and the 2 best and the favourite with 2 fresh seeds.
        (dict(rescore=2, rescore_seeds=2), 5 * 6 + 3 * 2, (5 * 6 + 3 * 2) * 90),
        (dict(rescore=0), 30, 30 * 90),
        # Each generation: 6 of 30 steps, then 2 of 90.
        (dict(rescore=0, rungs=2, reduction=3.0), 5 * 8, 5 * (6 * 30 + 2 * 90)),
    ],
)
def test_a_search_by_hand(changes, trainings, steps):
    evolution = EvolutionConfig(generations=5, population=6, **changes)
    search = searched(evolution)
    assert (search.trainings, search.steps) == (trainings, steps)


def test_the_papers_figures_by_hand(small):
    # 200 million clips in 64 x 72 hours are 12.06 a second; 90 steps of 4 clips in 32 hours hardly any.
    assert "12.1 clips/s a GPU" in text(SMALL, small)
    page = text(dataclasses.replace(SMALL, search=searched(EvolutionConfig(generations=5, population=6))), small)
    assert "0.0 clips/s a GPU" in page and "48,000 if it is 6" in page


def test_a_step_in_parts_holds_a_part_and_computes_the_whole(small):
    plan = dataclasses.replace(
        TRAINING, train=FinalTrainConfig(steps=90, optimizer="sgd", accumulate=2), budget=BudgetConfig(devices=1)
    )
    parts = make_budget(plan)
    assert parts.step.batch == 2
    # Up to the few operations that a part does on each weight.
    extra = parts.work().operations - small.work().operations
    assert 0 <= extra <= 20 * sum(small.step.parameters.values())
    assert parts.work().memory == pytest.approx(parts.fixed_bytes + 2 * parts.bytes_a_clip)
    assert parts.work().memory < small.work().memory
    assert "2 clips a device, 2 times a step" in text(plan, parts)
    assert parts.fixed_bytes - small.fixed_bytes == parts.step.gradient_bytes  # Their sum, beside those of the part.
    for parts in (3, 4):
        with pytest.raises(InputError, match=f"--accumulate={parts} does not split the 4 clips of a device"):
            make_budget(dataclasses.replace(plan, train=FinalTrainConfig(accumulate=parts)))


def test_storage_of_planned_records_by_hand(small):
    # A crop of 16 is 7/8 of 24 at most; 12.5 frames a second with 1280 samples of 2 bytes each.
    assert small.frames == 1000 * 4 * 12.5
    assert small.records.sound == 2560
    assert small.records.rgb == pytest.approx(0.33 * 24**2)
    assert small.records.frame == small.records.rgb + small.records.flow + small.records.sound


def test_storage_of_records_is_measured(tmp_path):
    records = videos.noise_records(tmp_path)
    manifest = Manifest.load(str(records))
    sizes = measured(manifest)
    frames = sum(video.frames for video in manifest.usable)
    on_disk = sum(Path(path).stat().st_size for split in ("train", "holdout") for path in manifest.shards(split))
    # Besides frames, flow and sound there is what frames the records, some bytes an image.
    assert 0.9 * on_disk < sizes.frame * frames <= on_disk
    made = make_budget(dataclasses.replace(SMALL, manifest=manifest))
    assert made.counted and made.videos == len(manifest.usable) and made.frames == frames


def test_devices_share_a_batch_evenly_or_it_is_refused():
    assert TRAINING.clips_at_a_time == 2 and SMALL.clips_at_a_time == 4
    for devices in (3, 4, 8):
        with pytest.raises(InputError, match=f"--batch_size=4 does not give each of {devices} devices"):
            make_budget(dataclasses.replace(TRAINING, budget=BudgetConfig(devices=devices)))


def test_a_faulty_step_ends_with_an_error_after_the_page(capsys, small, monkeypatch):
    fault = "rgb/shuffle: kernel gets no gradient"
    faulty = dataclasses.replace(small, step=dataclasses.replace(small.step, faults=(fault,)))
    monkeypatch.setattr("elo_tf.costs.budget_report.make_budget", lambda plan: faulty)
    with pytest.raises(InputError, match="1 faults; first: rgb/shuffle"):
        dry_run(SMALL)
    assert f"1 FAULTS:\n  {fault}" in capsys.readouterr().out
    assert "checked" not in text(SMALL, faulty)


def test_the_flags_of_the_paper_are_the_papers():
    search, final = settings(FLAGFILES / "paper_search.flags", SEARCH), settings(FLAGFILES / "paper_final.flags", FINAL)
    assert (search[ModelConfig].backbone, final[ModelConfig].backbone) == ("r18", "r50")
    assert search[TrainConfig].learning_rate == final[FinalTrainConfig].learning_rate == 0.1
    assert search[TrainConfig].steps == 10_000 and search[EvolutionConfig].generations == 250
    assert (search[FitnessConfig].fitness, search[FitnessConfig].restarts) == ("zipf", 20)
    assert search[FitnessConfig].clusters == search[TaskConfig].pseudo_labels == 400
    # 100 epochs of 2 million clips.
    assert final[FinalTrainConfig].steps * final[DataConfig].batch_size == 200e6
    # The evolved loss fits: the terms of both are the same, and so are the settings that make them.
    assert search[TaskConfig] == final[TaskConfig]
    assert search[ModelConfig].tasks == final[ModelConfig].tasks


@pytest.mark.parametrize("path", sorted(FLAGFILES.glob("*.flags")), ids=lambda path: path.name)
def test_a_flag_file_sets_each_flag_once(path):
    # Of several the last would count, without a word.
    names = [line.partition("=")[0] for line in path.read_text().splitlines() if line.startswith("--")]
    assert names and len(set(names)) == len(names)


@pytest.mark.slow
@pytest.mark.parametrize("file, configs", [("search.flags", SEARCH), ("final.flags", FINAL)])
def test_the_flag_files_of_the_papers_size_build_with_small_towers(file, configs):
    """Those that have the defaults of this project; `test_the_paper_in_full` builds those of the paper's letter."""
    made = settings(FLAGFILES / f"paper_scale_{file}", configs)
    plan = reduced(plan_of(made, search=searched(made[EvolutionConfig]) if EvolutionConfig in made else None))
    budget = make_budget(plan)
    assert budget.step.faults == () and budget.step.terms == 45
    page = text(plan, budget)
    assert all(part in page for part in PRICED)


def test_a_strategy_that_ends_early_counts_what_it_asks_for():
    # The lattice {0, 1/2, 1} of two weights has 8 points besides zero: 2 rounds of 4, however many are wanted.
    evolution = EvolutionConfig(strategy="grid", generations=50, population=4, rescore=0)
    search = searched(evolution)
    assert (search.generations, search.trainings) == (2, 8)


def test_impossible_rungs_are_refused():
    evolution = EvolutionConfig(rungs=9, population=6)
    with pytest.raises(InputError, match="--rungs=9"):
        searched(evolution)


def test_a_search_is_priced_without_records_and_nothing_is_written(tmp_path, capsys):
    chosen = SearchSettings(
        run_dir=tmp_path / "run", modalities="rgb", tasks="rgb/shuffle", crop_size=16, generations=5, population=6
    )
    search_api.dry_run(chosen, BudgetConfig())
    assert "5 generations of 6 candidates" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_training_is_priced_as_it_would_run(tmp_path, capsys):
    """Of the terms that its loss leaves in the graph, the videos of its records, its epochs and parts."""
    records = videos.noise_records(tmp_path)
    counted = Manifest.load(str(records)).counts["train"]
    loss = tmp_path / "loss.json"
    save_loss(loss, ["rgb/predict", "rgb/shuffle", "rgb-audio/embed"], [0.005, 0.5, 0.0], {"task": {}})
    settings = TrainSettings(loss=loss, records=records, epochs=3, batch_size=4, crop_size=16)
    one = BudgetConfig(devices=1)
    api.dry_run(dataclasses.replace(settings, accumulate=2), one)
    out = capsys.readouterr().out
    assert "tiny towers of rgb; 1 terms; float32" in out and "2 clips a device, 2 times a step" in out
    assert f"A training is {round(3 * counted / 4)} steps of 4 clips" in out
    # Nor is approved what the training would refuse.
    for changes, budget in (
        ({}, BudgetConfig(devices=4)),
        ({"accumulate": 4}, one),
        ({"share_every": 2, "distribute": "mirrored"}, one),
    ):
        with pytest.raises(InputError, match="^--"):
            api.dry_run(dataclasses.replace(settings, **changes), budget)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command, backbone, more", [("search", "r18", ()), ("train", "r50", ("100% of that",))], ids=["search", "final"]
)
def test_the_paper_in_full(command, backbone, more):
    file = FLAGFILES / f"paper_{'final' if command == 'train' else command}.flags"
    done = subprocess.run(
        [sys.executable, "-m", f"elo_tf.{command}", f"--flagfile={file}", "--dry_run"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^rgb tower +{expected_weights(backbone) / 1e6:.2f} M ", done.stdout, re.MULTILINE)
    assert all(part in done.stdout for part in ("45 terms", "checked: every term is one number", *PRICED, *more))
