"""The search as its users run it: what it writes, how it continues, how it refuses bad input."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from elo_tf import search
from elo_tf.config import InputError, SearchSettings, from_arguments
from elo_tf.model.objective import load_loss, save_loss
from elo_tf.runtime.append_only import AppendOnlyFile
from elo_tf.search.reporting import report
from tests import videos
from tests.test_training_log import scalars

FLAGS = (
    "--frames=4 --crop_size=16 --batch_size=4 --modalities=rgb,audio --steps=4 --optimizer=adam --learning_rate=0.001 "
    "--tasks=rgb/reconstruct,rgb/shuffle,rgb-audio/embed --fitness=agreement --clusters=2 --restarts=3 "
    "--scoring_clips=20 --generations=2 --population=4 --rescore=1 --rescore_seeds=2 --workers=local:1"
).split()


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return videos.noise_records(tmp_path_factory.mktemp("search"))


def command(*flags):
    words = [sys.executable, "-m", "elo_tf.search", *flags]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start(records, run_dir, *flags):
    return command(*FLAGS, f"--records={records}", f"--run_dir={run_dir}", *flags)


def run(records, run_dir, *flags):
    """The same in this process, where the command adds nothing: its start would take longer than the search."""
    given = [*FLAGS, f"--records={records}", f"--run_dir={run_dir}", *flags]
    return search.run(from_arguments(SearchSettings, given))


def refused(records, run_dir, *flags):
    """The one line with which it refuses."""
    with pytest.raises(InputError) as error:
        run(records, run_dir, *flags)
    assert "\n" not in str(error.value)
    return str(error.value)


def finish(process):
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


@pytest.fixture(scope="module")
def unbroken(records, tmp_path_factory):
    """A search that was left alone."""
    run_dir = tmp_path_factory.mktemp("unbroken") / "run"
    code, output, errors = finish(start(records, run_dir))
    assert code == 0, errors
    return run_dir, output


def found(run_dir):
    """What must not depend on interruptions."""
    loss = json.loads((run_dir / "evolved_loss.json").read_text())
    return {name: loss[name] for name in ("lambdas", "fitness", "candidate", "evaluations", "schema_hash")}


def test_writes_everything_about_a_run(unbroken):
    run_dir, output = unbroken
    names = {str(path.relative_to(run_dir)) for path in run_dir.rglob("*") if path.is_file()}
    names = {name for name in names if not name.startswith(("tensorboard/", "best_embeddings/"))}
    expected = {"journal.jsonl", "flags.txt", "evolved_loss.json", "clusters.npz", "report.html"}
    figures = {f"figures/{name}.png" for name in ("lambdas", "fitness", "best_loss", "health", "clusters")}
    assert names == expected | figures
    loss = json.loads((run_dir / "evolved_loss.json").read_text())
    assert set(loss["lambdas"]) == {"rgb/reconstruct", "rgb/shuffle", "rgb-audio/embed"}
    assert all(0 <= value <= 1 for value in loss["lambdas"].values())
    # Eight candidates; then the best and the strategy's favourite, each with two fresh seeds.
    assert loss["evaluations"] == 12 and loss["fitness"]["restarts"] == 3 and loss["fitness"]["seeds"] == 2
    records = [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
    [finalists] = [record for record in records if record["record"] == "finalists"]
    told = [record for record in records if record["record"] == "told"]
    best = min((record for record in told if record["seed"] == 0), key=lambda record: record["value"])
    assert finalists["candidates"] == [best["candidate"], 8]
    first = finalists["seeds"][0]
    kept = [(best["candidate"], 0), (best["candidate"], first), (8, first)]
    files = sorted(path.name for path in (run_dir / "best_embeddings").iterdir())
    assert files == sorted(f"{candidate:05d}-4-{seed}.npz" for candidate, seed in kept)
    assert "Training the winner" not in output  # It is shown from what was kept.
    means = {
        candidate: np.mean([each["value"] for each in told if each["candidate"] == candidate and each["seed"] != 0])
        for candidate in finalists["candidates"]
    }
    assert loss["candidate"] == min(means, key=means.get) and loss["fitness"]["value"] == min(means.values())
    assert "winner" in output and str(run_dir / "evolved_loss.json") in output
    assert [line.split()[0] for line in output.splitlines() if "/2 " in line[:12]] == ["1/2", "2/2"]


def test_tensorboard_has_the_course_and_the_hyper_parameters(unbroken):
    run_dir, _ = unbroken
    course = scalars(run_dir / "tensorboard" / "search")
    assert [step for step, _ in course["search/best"]] == [0, 1]
    lowest = np.inf
    for candidate in range(8):
        tags = scalars(run_dir / "tensorboard" / f"{candidate:05d}")
        assert "_hparams_/session_start_info" in tags and tags["candidate/zipf"][0][0] == 4
        lowest = min(lowest, tags["candidate/fitness"][0][1])
    assert course["search/best"][-1][1] == pytest.approx(lowest)


def test_report_needs_nothing_but_the_run_directory(unbroken, tmp_path):
    run_dir, _ = unbroken
    for name in ("journal.jsonl", "clusters.npz"):
        (tmp_path / name).write_bytes((run_dir / name).read_bytes())
    code, output, errors = finish(command(f"--report={tmp_path}"))
    assert code == 0 and output.strip() == str(tmp_path / "report.html"), errors
    pages = [(path / "report.html").read_text() for path in (run_dir, tmp_path)]
    assert "Missing" not in pages[0]
    # All but the folder's name and the time is the same.
    first, again = (page.splitlines() for page in pages)
    assert sum(line != other for line, other in zip(first, again)) <= 3 and len(first) == len(again)
    with pytest.raises(InputError, match="/nowhere/journal.jsonl does not exist"):
        report.redraw("/nowhere")


@pytest.mark.slow
def test_clusters_that_a_killed_search_did_not_save_are_made_afterwards(unbroken, records, tmp_path, capfd):
    run_dir, _ = unbroken
    (tmp_path / "journal.jsonl").write_bytes((run_dir / "journal.jsonl").read_bytes())
    run(records, tmp_path)
    assert "again for the report" in capfd.readouterr().out
    assert (tmp_path / "clusters.npz").read_bytes() == (run_dir / "clusters.npz").read_bytes()
    assert (tmp_path / "journal.jsonl").read_bytes() == (run_dir / "journal.jsonl").read_bytes()


@pytest.mark.slow
def test_units_shares_and_the_record_of_each_training(records, tmp_path):
    flags = ["--loss_units=gradient", "--log_every=2", "--share_every=3", "--generations=1", "--population=3"]
    # What an attempt that was lost has left.
    (tmp_path / "tensorboard" / "00000").mkdir(parents=True)
    (tmp_path / "tensorboard" / "00000" / "events.out.tfevents.1.training").write_bytes(b"torn")
    run(records, tmp_path, *flags)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    (units,) = [line["value"] for line in lines if line["record"] == "note" and line["name"] == "loss_units"]
    loss = json.loads((tmp_path / "evolved_loss.json").read_text())
    assert loss["units"] == units and set(units) == set(loss["lambdas"]) and min(units.values()) > 0
    assert load_loss(tmp_path / "evolved_loss.json", list(units)).units == units
    for candidate in ("00000", "00001", "00002"):
        tags = scalars(tmp_path / "tensorboard" / candidate)
        for name in units:
            assert [step for step, _ in tags[f"loss/{name}"]] == [0, 2]
            assert [step for step, _ in tags[f"lambda/{name}"]] == [0]
        shares = [dict(tags[f"share/{name}"]) for name in units]
        for step in (0, 3):
            assert sum(each[step] for each in shares) == pytest.approx(1, abs=1e-5)
    # The units of the journal are those of its continuation.
    run(records, tmp_path, *flags, "--generations=2")
    again = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert sum(line["record"] == "note" and line["name"] == "loss_units" for line in again) == 1


@pytest.mark.slow
def test_the_flags_file_repeats_the_search_with_two_workers_one_of_them_killed(unbroken, tmp_path):
    flags = [f"--flagfile={unbroken[0]}/flags.txt", f"--run_dir={tmp_path / 'run'}", "--workers=local:2"]
    process = command(*flags)
    deadline, killed = time.monotonic() + 200, False
    while not killed and time.monotonic() < deadline and process.poll() is None:
        path = tmp_path / "run" / "journal.jsonl"
        workers = children(process.pid)
        if path.exists() and '"asked"' in path.read_text() and len(workers) == 2:
            # It has decoded the videos to train on and those to score on, for all others.
            assert len(mapped_frames(workers[0])) == 2
            os.kill(workers[0], signal.SIGKILL)
            killed = True
        time.sleep(0.05)
    code, _, errors = finish(process)
    assert killed and code == 0, errors
    assert found(tmp_path / "run") == found(unbroken[0])


def children(pid):
    """Workers of a search: its child processes, without the one that tracks shared memory."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        pids = [int(text) for text in file.read().split()]
    return [pid for pid in pids if "spawn_main" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()]


def mapped_frames(pid):
    """Files without a name whose decoded frames a worker reads: numbers of inodes."""
    lines = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split()[4] for line in lines if "memfd:elo_tf" in line}


def test_a_finished_search_runs_nothing_again(unbroken, records, capfd):
    run_dir, _ = unbroken
    before = (run_dir / "journal.jsonl").read_bytes()
    result = run(records, run_dir)
    assert "winner" in capfd.readouterr().out
    loss = json.loads(result.loss.read_text())
    assert (result.lambdas, result.candidate) == (loss["lambdas"], loss["candidate"])
    assert (result.fitness, result.error) == (loss["fitness"]["value"], loss["fitness"]["error"])
    assert (run_dir / "journal.jsonl").read_bytes() == before


def test_two_searches_on_one_run_directory(records, tmp_path):
    with AppendOnlyFile(tmp_path / "journal.jsonl", "busy"):
        assert "is in use by another search" in refused(records, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--records="], "--records is not given"),
        (["--fitness=zpif"], "--fitness='zpif' is unknown; choose from predictability, agreement"),
        (["--steps=many"], "steps"),
        (["--stepz=3"], "stepz"),
        (["extra"], "'extra' is not a flag"),
    ],
)
def test_bad_input_is_one_line(records, tmp_path, flags, message):
    code, _, errors = finish(start(records, tmp_path / "run", *flags))
    lines = [line for line in errors.splitlines() if line.strip()]
    assert code == 2 and len(lines) == 1 and lines[0].startswith("error: "), errors
    assert message in lines[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--records=/nowhere"], "--records=/nowhere is not a folder"),
        (["--run_dir=s3://bucket/run"], "--run_dir=s3://bucket/run is not a local path"),
        (["--modalities=rgb,depth"], "'depth' is unknown; choose from rgb, grey, flow, audio"),
        (["--tasks=rgb/suffle"], "'rgb/suffle' matches no term"),
        (["--tasks=audio/*shuffle"], "gives the RGB tower no gradient: none of audio/shuffle teaches it"),
        (["--tasks=grey/colorize"], "'grey/colorize' matches no term; known with these modalities: paper, fast, rgb/"),
        (["--tasks=rgb/shuffle", "--shuffle_frames=9"], "--shuffle_frames=9 cannot be shuffled among 4 frames"),
        (["--strategy=annealing"], "'annealing' is unknown; choose from cma_es"),
        (["--strategy=fixed"], "--strategy=fixed with 0 --lambda_files; only 'fixed' takes them"),
        (["--lambda_files=a.json,b.json"], "--strategy=cma_es with 2 --lambda_files; only 'fixed' takes them"),
        (["--strategy=fixed", "--lambda_files=/nowhere.json"], "loss file /nowhere.json does not exist"),
        (["--initial_loss=/nowhere.json"], "loss file /nowhere.json does not exist"),
        (["--strategy=tournament", "--pool=9"], "a tournament of 25 cannot be drawn from a pool of 9"),
        (["--tournament_size=0"], "--tournament_size=0 is less than 1, the minimum"),
        (["--rungs=4"], "--rungs=4: 4 rungs with a reduction of 3 leave no step of 4 for the shortest"),
        (["--rungs=2", "--reduction=1.1"], "--rungs=2: 2 rungs with a reduction of 1.1 have (4, 4) steps"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_written(records, tmp_path, flags, message):
    assert message in refused(records, tmp_path / "run", *flags)
    assert not (tmp_path / "run").exists()


TERMS = ("rgb/shuffle", "rgb/reconstruct", "rgb-audio/embed")


@pytest.mark.parametrize(
    "names, units, message",
    [
        (("rgb/shuffle", "flow/shuffle"), None, "is for other terms"),
        (TERMS, dict.fromkeys(TERMS, 2.0), "has lambdas for --loss_units=gradient, this search has --loss_units=value"),
    ],
)
def test_a_loss_file_of_another_genome_is_one_line(records, tmp_path, names, units, message):
    save_loss(tmp_path / "loss.json", names, [0.5] * len(names), {}, units)
    flags = ["--strategy=fixed", f"--lambda_files={tmp_path}/loss.json"]
    assert message in refused(records, tmp_path / "run", *flags)


@pytest.mark.slow
def test_given_losses_are_scored_in_order_and_none_may_change(records, tmp_path, capfd):
    def write(folder, losses):
        """The flags for these losses, {name: lambda} each, written to files of the folder."""
        folder.mkdir(exist_ok=True)
        for index, loss in enumerate(losses):
            save_loss(folder / f"{index}.json", list(loss), list(loss.values()), {"fitness": index})
        paths = ",".join(str(folder / f"{index}.json") for index in range(len(losses)))
        return ["--strategy=fixed", "--population=2", "--generations=9", f"--lambda_files={paths}"]

    losses = [dict(zip(TERMS, lambdas)) for lambdas in ((0.1, 0.2, 0.3), (1.0, 0.0, 0.0), (0.0, 0.5, 1 / 3))]
    run(records, tmp_path / "run", *write(tmp_path / "losses", losses))
    assert "The strategy stopped: all 3 vectors have been told" in capfd.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    asked = [line["lambdas"] for line in lines if line["record"] == "asked"]
    assert [len(lambdas) for lambdas in asked] == [2, 1]
    assert sum(asked, []) == [[loss[name] for name in lines[0]["names"]] for loss in losses]
    # The same losses may lie elsewhere; others may not take their place.
    run(records, tmp_path / "run", *write(tmp_path / "moved", losses))
    losses[1]["rgb/shuffle"] = 0.9
    message = refused(records, tmp_path / "run", *write(tmp_path / "losses", losses))
    assert "was made with other settings (lambda_files_hash: was" in message


@pytest.mark.slow
def test_a_mended_flag_is_enough_after_a_false_start(records, tmp_path):
    assert "--clusters=40 is more than the" in refused(records, tmp_path, "--clusters=40", "--scoring_clips=400")
    assert (tmp_path / "journal.jsonl").exists()
    run(records, tmp_path, "--generations=1", "--population=3", "--steps=1")
    assert (tmp_path / "evolved_loss.json").exists()


def test_records_without_a_manifest(tmp_path):
    assert "has no records" in refused(tmp_path, tmp_path / "run")


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--steps=5", "--generations=3"], "steps: was 4, now 5"),
        (["--strategy=random"], "strategy: was cma_es, now random"),
        (["--workers=foo"], "--workers='foo' is not understood"),
    ],
)
def test_a_run_stays_as_it_is_where_flags_are_refused(unbroken, records, flags, message):
    run_dir, _ = unbroken
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    error = refused(records, run_dir, *flags)
    assert message in error and "generations" not in error
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_too_many_failures_end_a_search_and_the_same_command_goes_on(records, tmp_path):
    flags = ["--population=3", "--learning_rate=1e30", "--warmup_steps=0", "--retries=0", "--rescore=0"]
    for generation in (0, 1):
        error = refused(records, tmp_path, *flags)
        message = f"3 of 3 trainings of 4 steps in generation {generation} failed, more than --max_failures=0.75 allows"
        assert message in error and "not finite" in error
        lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
        assert [line["generation"] for line in lines if line["record"] == "asked"] == list(range(generation + 1))
    assert not (tmp_path / "evolved_loss.json").exists()
    # A kill between the last result and the end of the command: the same end again, not the next generation.
    written = (tmp_path / "journal.jsonl").read_bytes()
    (tmp_path / "journal.jsonl").write_bytes(b"".join(written.splitlines(keepends=True)[:-1]))
    assert message in refused(records, tmp_path, *flags)
    assert (tmp_path / "journal.jsonl").read_bytes() == written


@pytest.mark.slow
def test_no_feasible_candidate_is_an_error_that_says_why(records, tmp_path):
    flags = ["--generations=1", "--population=3", "--rungs=2", "--reduction=2", "--min_deviation=1000"]
    error = refused(records, tmp_path / "run", *flags)
    assert "none of 3 candidates was feasible" in error and "first reason: collapsed" in error
    assert not (tmp_path / "run" / "evolved_loss.json").exists()
    assert os.path.getsize(tmp_path / "run" / "journal.jsonl") > 0
