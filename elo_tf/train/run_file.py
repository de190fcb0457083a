"""RUN_DIR/run.json: everything that the result of a training depends on, checked when it resumes."""

import dataclasses
import json
import pathlib
from typing import Any, Dict

from elo_tf.config import InputError, TaskConfig, WeightingConfig
from elo_tf.data.records import Manifest, short_hash
from elo_tf.runtime import json_text, text
from elo_tf.runtime.provenance import check_same, packages
from elo_tf.runtime.storage import write_text
from elo_tf.train.settings import Settings
from elo_tf.train.terms import Terms

FILE = "run.json"

# Settings that may change when a training is continued: where things lie, what it runs on, what is recorded of it.
# Not `resident_gb`: records that are streamed come in another order than those in memory.
MAY_DIFFER = (
    "records", "run_dir", "loss", "like", "tasks", "modalities", "threads", "distribute", "tpu", "cluster_minutes",
    "grace_seconds", "steps_a_call", "save_every", "keep", "log_every", "share_every", "pictures_every",
)  # fmt: skip


def facts_of(settings: Settings, task: TaskConfig, terms: Terms, manifest: Manifest) -> Dict[str, Any]:
    """All that the result depends on, of JSON types; the manifest is that of the records."""
    values: Dict[str, Any] = {}
    for each in (settings.run, settings.data, settings.model, task, settings.train):
        values.update(dataclasses.asdict(each))
    if settings.weighting != WeightingConfig():  # Runs of versions without it go on.
        values.update(dataclasses.asdict(settings.weighting))
    return {
        "settings": values,
        "lambdas": terms.lambdas,
        "units": terms.units or {},
        "records_hash": manifest.fingerprint,
        "packages": packages(),
    }


def number_of(facts: Dict[str, Any]) -> int:
    """20 bits that follow from all that processes which train together must have in common."""
    common = {name: value for name, value in facts["settings"].items() if name not in MAY_DIFFER}
    return int(short_hash({**facts, "settings": common})[:5], 16)


def begin(directory: pathlib.Path, facts: Dict[str, Any]) -> None:
    """Notes what a new run depends on."""
    if not (directory / FILE).exists():
        write_text(directory / FILE, json.dumps(facts, indent=2) + "\n")


def check_run(directory: pathlib.Path, facts: Dict[str, Any]) -> None:
    """Compares what the run depends on with what was noted when it began.

    Raises:
      InputError: the directory has another run, or a damaged one.
    """
    path = directory / FILE
    if not path.exists():
        others = [name for name in ("journal.jsonl", "checkpoints") if (directory / name).exists()]
        if others:
            raise InputError(f"--run_dir={directory} has {others[0]} of another run; use another directory")
        return
    try:
        before = json_text.parse(text.read(path))
        json_text.check(before, {})
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); use another --run_dir") from None
    remedy = "restore the settings or use another run directory"
    check_same(path, before, json.loads(json.dumps(facts)), remedy, MAY_DIFFER)
