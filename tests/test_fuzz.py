"""Fuzzing in its short form: a few spoilt files of each kind; and that a broken promise would be seen."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.fuzz import mutations, sandbox
from tests.fuzz.targets import TARGETS

ROOT = pathlib.Path(__file__).parents[1]
# Those of a fraction of a second; `make fuzz` has all.
QUICK = ("video", "validate", "manifest", "lists", "loss", "journal", "flags")


def broken(folder, run, status=0):
    """What is said of a case, in a process that has not used TensorFlow."""
    code = f"""
import pathlib, sys, os
from tests.fuzz.sandbox import Case, make_folder, try_case
place = make_folder(pathlib.Path({str(folder / "case")!r}))
(place / "in" / "given").write_text("x")
def run():
    {run}
print(try_case(Case("", run), place))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "run, said",
    [
        ("sys.exit(2)", "status 2 without a word"),
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("os.kill(os.getpid(), 11)", "status -11"),
        ("sys.exit(7)", "status 7"),
        ("import time, tests.fuzz.sandbox as s; import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\n"
         "    while True: pass", "hangs"),
        ("pathlib.Path('stray').touch()", "changed outside of its folders"),
        ("pathlib.Path.home().joinpath('stray').touch()", "changed outside of its folders"),
        ("place.joinpath('in/given').write_text('yy')", "changed outside of its folders"),
        ("place.joinpath('out/.a.b.1.partial').touch()", "half-written"),
        ("print('error: no', file=sys.stderr); sys.exit(2)", "None\n"),
        ("place.joinpath('out/a').touch()", "None\n"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_seen(tmp_path, run, said):
    assert said in broken(tmp_path, run)


def test_mutations_spoil_and_repeat():
    import random

    content = bytes(range(256)) * 4
    spoilt = [mutations.spoil_bytes(random.Random(seed), content) for seed in range(50)]
    assert spoilt == [mutations.spoil_bytes(random.Random(seed), content) for seed in range(50)]
    assert sum(each != content for each in spoilt) > 45
    value = {"a": [1, {"b": 2}], "c": "d"}
    texts = [mutations.spoil_json(random.Random(seed), value) for seed in range(50)]
    assert len(set(texts)) > 30 and value == {"a": [1, {"b": 2}], "c": "d"}
    assert (
        mutations.spoil_bytes(random.Random(0), b"") is not None
        and mutations.spoil_text(random.Random(0), "") is not None
    )


def test_every_target_is_a_case_and_its_status_is_a_promise():
    assert set(QUICK) < set(TARGETS) and len(TARGETS) >= 15 and sandbox.STATUSES == (0, 1, 2, 130, 143)


def test_a_few_spoilt_files_of_each_kind(tmp_path):
    """Fixed seed: what is found here once is mended and stays so."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("ELO_TF_CLIPS", None)
    command = [sys.executable, "-m", "tests.fuzz", f"--folder={tmp_path}", "--cases=35", f"--targets={','.join(QUICK)}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert done.stdout.count(" 0 findings") == len(QUICK)
