"""The journal: exact, append-only, readable after any death of its writer, and refusing what does not belong."""

import contextlib
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from elo_tf.config import FitnessConfig, InputError, RunConfig, TrainConfig
from elo_tf.data.records import Manifest
from elo_tf.data.video_entry import VideoEntry
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.header import MAY_DIFFER, make_header
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult

HEADER = {
    "seed": 3,
    "settings": {"steps": 9, "clusters": 50, "modalities": ("rgb", "flow"), "generations": 10},
    "names": ["rgb/shuffle", "rgb-flow/embed", "flow/distill/stage3"],
    "schema": "ab12",
    "packages": {"numpy": "1.26.4", "cma": "4.5.0"},
}
RESULT = TrialResult(9, 3, Fitness(0.1 + 0.2, None, 1e-17, 20, {"zipf": 1 / 3}), 12.5)
ROOT = pathlib.Path(__file__).parents[1]
FAILED = TrialResult(9, 3, Fitness(None, "collapsed: mean deviation 0 is below 0.001", None, 20, {}), 3.25)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal.jsonl")


def vectors(count=4, seed=0):
    return np.random.default_rng(seed).random((count, 3))


def begin(path):
    """A closed journal with one complete generation and one half told."""
    with Journal.open(path, HEADER) as journal:
        journal.note("untrained_agreement", 0.25)
        for candidate in journal.ask(vectors()):
            journal.tell(candidate, FAILED if candidate == 2 else RESULT)
        journal.ask(vectors(seed=1))
        journal.tell(5, RESULT)


def lines(path):
    with open(path) as file:
        return file.read().splitlines()


def rewrite(path, content):
    with open(path, "w") as file:
        file.write("\n".join(content) + "\n")


def test_everything_comes_back_exactly(path):
    begin(path)
    journal = Journal.read(path)
    first, second = journal.generations()
    np.testing.assert_array_equal(first.lambdas, vectors())
    np.testing.assert_array_equal(second.lambdas, vectors(seed=1))
    assert first.results == (RESULT, RESULT, FAILED, RESULT)
    assert second.results == (None, RESULT, None, None)
    assert (first.candidates, second.candidates) == ((0, 1, 2, 3), (4, 5, 6, 7))
    assert journal.names == tuple(HEADER["names"]) and journal.header["packages"] == HEADER["packages"]
    assert journal.notes == {"untrained_agreement": 0.25}


def test_a_search_that_asked_for_nothing_may_begin_anew_with_other_settings(path):
    with Journal.open(path, HEADER) as journal:
        journal.note("untrained", {"zipf": 0.25})
    other = {**HEADER, "seed": HEADER["seed"] + 1}
    with Journal.open(path, other) as journal:
        assert journal.notes == {} and journal.header["seed"] == other["seed"]
        journal.note("untrained", {"zipf": 0.5})
        journal.ask(vectors())
    with pytest.raises(InputError, match="seed: was"):
        Journal.open(path, HEADER)
    assert Journal.read(path).notes == {"untrained": {"zipf": 0.5}}


def test_fitness_of_a_generation_is_what_a_strategy_is_told(path):
    begin(path)
    first, second = Journal.read(path).generations()
    np.testing.assert_array_equal(first.fitness(), [RESULT.value, RESULT.value, np.inf, RESULT.value])
    assert first.complete and not second.complete and second.fitness() is None


@pytest.mark.parametrize("deviation", [None, 0.0])
def test_a_single_restart_has_no_standard_error(path, deviation):
    # Older journals have a deviation of 0.
    with Journal.open(path, HEADER) as journal:
        journal.tell(journal.ask(vectors())[0], TrialResult(9, 3, Fitness(0.1, None, deviation, 1, {}), 1.0))
    result = Journal.read(path).results()[0]
    assert result.fitness.deviation == deviation and result.error is None


def test_floats_keep_their_bits(path):
    odd = np.array([[0.1, np.nextafter(1.0, 0.0), 5e-324], [1 / 3, 0.0, 1.0]])
    with Journal.open(path, HEADER) as journal:
        journal.ask(odd)
    assert Journal.read(path).generations()[0].lambdas.tobytes() == odd.tobytes()


def test_goes_on_where_it_ended(path):
    begin(path)
    before = lines(path)
    with Journal.open(path, HEADER) as journal:
        journal.tell(4, RESULT)
        journal.tell(6, RESULT)
        journal.tell(7, FAILED)
        assert journal.ask(vectors()) == (8, 9, 10, 11)
    assert lines(path)[: len(before)] == before
    assert [generation.complete for generation in Journal.read(path).generations()] == [True, True, False]


def test_each_generation_is_on_disk_as_one_line_when_ask_returns(path):
    with Journal.open(path, HEADER) as journal:
        journal.ask(vectors())
        record = json.loads(lines(path)[-1])
    assert record["candidates"] == [0, 1, 2, 3] and record["lambdas"] == vectors().tolist()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"settings": {**HEADER["settings"], "clusters": 100}}, "clusters: was 50, now 100"),
        ({"settings": {"steps": 9, "clusters": 50, "modalities": ("rgb", "flow")}}, "generations: was 10, now absent"),
        ({"settings": {**HEADER["settings"], "extra": 1}}, "extra: was absent, now 1"),
        ({"seed": 4}, "seed: was 3, now 4"),
        ({"schema": "cd34"}, "schema: was ab12, now cd34"),
        ({"packages": {"numpy": "1.26.4", "cma": "4.6.0"}}, "cma: was 4.5.0, now 4.6.0"),
    ],
)
def test_another_search_is_refused_with_the_difference(path, change, message):
    begin(path)
    before = lines(path)
    with pytest.raises(InputError, match=message):
        Journal.open(path, {**HEADER, **change})
    assert lines(path) == before
    Journal.open(path, HEADER).close()


def test_a_header_alone_gives_way_to_other_settings(path):
    Journal.open(path, HEADER).close()
    Journal.open(path, {**HEADER, "seed": 4}).close()
    assert Journal.read(path).header["seed"] == 4 and len(lines(path)) == 1


def test_a_setting_that_only_prolongs_the_search_may_differ(path):
    begin(path)
    longer = {**HEADER, "settings": {**HEADER["settings"], "generations": 20}}
    with pytest.raises(InputError, match="generations: was 10, now 20"):
        Journal.open(path, longer)
    Journal.open(path, longer, may_differ=["generations"]).close()


def test_a_second_search_is_refused_while_the_first_runs(path):
    with Journal.open(path, HEADER) as journal:
        with pytest.raises(InputError, match="in use by another search"):
            Journal.open(path, HEADER)
        code = f"from elo_tf.search.journal.journal import Journal\nJournal.open({path!r}, {HEADER!r})"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        assert other.returncode and "InputError" in other.stderr and "in use by another search" in other.stderr
        journal.ask(vectors())
        assert len(Journal.read(path).generations()) == 1
    Journal.open(path, HEADER).close()


@pytest.mark.parametrize("tail", ['{"record": "told", "candid', "\0" * 40, '{"record": "asked", "λ'])
def test_a_torn_last_line_is_cut_off(path, tail):
    begin(path)
    whole = lines(path)
    with open(path, "a") as file:
        file.write(tail)
    assert len(Journal.read(path).generations()) == 2
    with Journal.open(path, HEADER) as journal:
        assert lines(path) == whole
        journal.tell(4, RESULT)
    assert lines(path)[:-1] == whole
    assert Journal.read(path).generations()[1].results[0] == RESULT


def test_torn_anywhere_it_is_readable_and_goes_on(path):
    begin(path)
    with open(path, "rb") as file:
        content = file.read()
    for size in range(0, len(content), 23):
        with open(path, "wb") as file:
            file.write(content[:size])
        with Journal.open(path, HEADER) as journal:
            journal.ask(vectors())
        with open(path, "rb") as file:
            kept = content[: content.rfind(b"\n", 0, size) + 1]
            assert file.read().startswith(kept)


@pytest.mark.parametrize(
    "number, damage",
    [
        (1, lambda line: line[:40]),
        (1, lambda line: line.replace('"version": 2', '"version": 1')),
        (1, lambda line: line.replace("header", "note")),
        (1, lambda line: line.replace('"steps": 9', '"steps": 9, "rungs": 4')),
        (3, lambda line: line.replace("asked", "esked")),
        (3, lambda line: line.replace('"generation": 0', '"generation": 1')),
        (3, lambda line: line.replace("[[0.", "[[7.")),
        (3, lambda line: line.replace("[[0.", "[[[0.")),
        (4, lambda line: ""),
        (4, lambda line: "[]"),
        (4, lambda line: line.replace('"candidate": 0', '"candidate": 1.5')),
        (4, lambda line: line.replace('"value": 0.3', '"value": NaN, "was": 0.3')),
        (4, lambda line: line.replace('"value": 0.3', '"value": "0.3", "was": 0.3')),
        (4, lambda line: line.replace('"deviation"', '"deviatiom"')),
        (5, lambda line: line.replace('"candidate": 1', '"candidate": 0')),
        (9, lambda line: line.replace('"candidate": 5', '"candidate": 99')),
    ],
)
def test_damage_elsewhere_is_an_error_that_names_the_line(path, number, damage):
    begin(path)
    content = lines(path)
    broken = damage(content[number - 1])
    assert broken != content[number - 1]
    content[number - 1] = broken
    rewrite(path, content)
    for attempt in (lambda: Journal.read(path), lambda: Journal.open(path, HEADER)):
        with pytest.raises(InputError, match=rf"line {number} is damaged"):
            attempt()
    assert lines(path) == content


def test_a_line_lost_from_the_middle_is_noticed(path):
    begin(path)
    content = lines(path)
    rewrite(path, content[:2] + content[3:])
    with pytest.raises(InputError, match="line 3 is damaged .*candidate 0 was not asked for"):
        Journal.read(path)


def test_no_journal_to_read(path):
    with pytest.raises(InputError, match="does not exist"):
        Journal.read(path)
    open(path, "w").close()
    with pytest.raises(InputError, match="records no search"):
        Journal.read(path)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda journal: journal.tell(0, RESULT), "has a result already"),
        (lambda journal: journal.tell(8, RESULT), "was not asked for"),
        (
            lambda journal: journal.tell(4, TrialResult(9, 3, Fitness(float("nan"), None, 0.0, 20, {}), 1.0)),
            "not JSON compliant",
        ),
        (
            lambda journal: journal.tell(4, TrialResult(9, 3, Fitness(0.1, None, 0.0, 20, {"a": float("inf")}), 1.0)),
            "not JSON compliant",
        ),
        (lambda journal: journal.tell(4, TrialResult(9, 3, Fitness(None, None, None, 20, {}), 1.0)), "either a value"),
        (lambda journal: journal.tell(4, TrialResult(9, 3, Fitness(0.1, "why", 0.1, 20, {}), 1.0)), "either a value"),
        (
            lambda journal: journal.tell(4, TrialResult(9, 3, Fitness(0.1, None, None, 20, {}), 1.0)),
            "needs a deviation",
        ),
        (
            lambda journal: journal.tell(4, TrialResult(9, 3, Fitness(None, "why", 0.0, 1, {}), 1.0)),
            "needs a deviation",
        ),
        (lambda journal: journal.ask(np.zeros((2, 4))), "for 3 names"),
        (lambda journal: journal.ask(np.full((2, 3), 1.5)), "outside"),
        (lambda journal: journal.note("untrained_agreement", 0.3), "there already"),
    ],
)
def test_what_does_not_belong_is_not_written(path, wrong, message):
    begin(path)
    before = lines(path)
    with Journal.open(path, HEADER) as journal:
        with pytest.raises(ValueError, match=message):
            wrong(journal)
        assert lines(path) == before
        journal.tell(4, RESULT)


def test_a_journal_that_was_only_read_cannot_be_written(path):
    begin(path)
    with pytest.raises(ValueError, match="not open for writing"):
        Journal.read(path).tell(4, RESULT)


@contextlib.contextmanager
def disk_full_after(size):
    """Files of this process cannot grow above `size` bytes: the last write is cut short, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 1, 50, 300])
def test_a_full_disk_leaves_a_readable_journal_that_goes_on(path, room):
    begin(path)
    whole = lines(path)
    with Journal.open(path, HEADER) as journal:
        with disk_full_after(os.path.getsize(path) + room), pytest.raises(OSError):
            journal.ask(vectors(40))
        assert lines(path) == whole
        assert len(journal.generations()) == 2
        assert journal.ask(vectors(40)) == tuple(range(8, 48))
    assert len(Journal.read(path).generations()) == 3


WRITER = """
import sys
import numpy as np
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.journal.journal import Journal
journal = Journal.open(sys.argv[1], {header!r})
generator = np.random.default_rng(len(journal.generations()))
for generation in journal.generations():
    for candidate, result in zip(generation.candidates, generation.results):
        if result is None:
            journal.tell(candidate, TrialResult(9, 3, Fitness(candidate / 7, None, 0.0, 20, {{}}), 1.0))
            print("told", candidate, flush=True)
while True:
    for candidate in journal.ask(generator.random((5, 3))):
        print("asked", candidate, flush=True)
        journal.tell(candidate, TrialResult(9, 3, Fitness(candidate / 7, None, 0.0, 20, {{}}), 1.0))
        print("told", candidate, flush=True)
"""


def test_nothing_that_was_acknowledged_is_lost_to_sigkill(path):
    chance = random.Random(0)
    acknowledged = set()
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER.format(header=HEADER), path], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.wait()
        process.stdout.close()
        acknowledged |= {tuple(line.split()) for line in rest.splitlines(keepends=True) if line.endswith("\n")}
        with Journal.open(path, HEADER) as journal:
            generations = journal.generations()
        told = {number: result for own in generations for number, result in zip(own.candidates, own.results) if result}
        assert list(told) == list(range(len(told)))
        assert all(result.value == number / 7 for number, result in told.items())
        assert {int(number) for kind, number in acknowledged if kind == "told"} <= set(told)
        assert all(generation.complete for generation in generations[:-1])
    assert len(acknowledged) > 10  # More on a machine that is not busy.


def test_other_videos_or_labels_under_the_same_path_are_refused(path, tmp_path):
    def header(label):
        entry = VideoEntry("a.mp4", "train", label, 9, False, "x")
        for name in ("records", "labelled"):
            (tmp_path / name).mkdir(exist_ok=True)
            videos = [entry if name == "labelled" else entry._replace(label="")]
            Manifest({"size": 16, "fps": 12.5}, 16000, 1280, videos, [], True, str(tmp_path / name)).save()
        fitness = FitnessConfig(labelled=str(tmp_path / "labelled"))
        configs = RunConfig(records=str(tmp_path / "records")), TrainConfig(), fitness
        return make_header(0, configs, HEADER["names"], Manifest.load(str(tmp_path / "records")), None)

    with Journal.open(path, header("jump"), MAY_DIFFER) as journal:
        journal.ask(vectors())
    Journal.open(path, header("jump"), MAY_DIFFER).close()
    with pytest.raises(InputError, match="labelled_hash: was [0-9a-f]{16}, now [0-9a-f]{16}"):
        Journal.open(path, header("fall"), MAY_DIFFER)
