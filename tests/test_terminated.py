"""SIGTERM to the commands themselves, in the middle of their work: status 143, one line, what is finished is kept."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from elo_tf.data.records import Manifest, check_records
from tests import videos
from tests.test_interruptions import FLAGS
from tests.warm_search import _alive

ROOT = pathlib.Path(__file__).parents[1]


def terminated(condition, module, *flags):
    """What a command says on stderr that is told to end as soon as the condition holds; its group is told, as by
    schedulers, its workers with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *flags],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[1]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    begun = time.monotonic()
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 143 and time.monotonic() - begun < 25
    while _alive(process.pid):  # Its workers have been killed; that they are gone may take a moment.
        assert time.monotonic() < begun + 30
        time.sleep(0.05)
    assert "Traceback" not in errors
    return errors.strip().splitlines()[-1].rpartition("\r")[2]


def test_prepare_keeps_its_shards(tmp_path):
    for number in range(6):
        videos.plain(tmp_path / "videos" / f"{number}.mp4", frames=300)
    records = tmp_path / "records"
    flags = f"--videos={tmp_path / 'videos'}", f"--records={records}", "--workers=local:1", "--size=64"
    said = terminated(lambda: list(records.glob(".partial/*")), "elo_tf.prepare", *flags)
    assert said == "terminated; what is finished is kept"
    manifest = Manifest.load(str(records))
    assert manifest.usable and not manifest.complete and list(check_records(manifest)) == []


@pytest.mark.slow
def test_search_keeps_its_journal(tmp_path):
    records, journal = videos.noise_records(tmp_path), tmp_path / "run" / "journal.jsonl"
    flags = *FLAGS, f"--records={records}", f"--run_dir={tmp_path / 'run'}", "--workers=local:1"
    said = terminated(lambda: journal.exists() and b'"told"' in journal.read_bytes(), "elo_tf.search", *flags)
    assert said == "terminated; what is finished is kept" and journal.read_bytes().endswith(b"\n")
