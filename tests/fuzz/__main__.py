"""Tries spoilt files, odd flags and odd answers on all commands for some minutes, and keeps what breaks a promise.

    make fuzz MINUTES=20                     or
    python -m tests.fuzz --minutes=20 --folder=runs/fuzz [--seed=1 --targets=video,manifest]
    python -m tests.fuzz --folder=runs/fuzz --seed=1 --only=137            that case again, with what it says

FOLDER/seeds are the whole files, made once (ELO_TF_CLIPS names a folder of clips to spoil besides). A case follows from
the seed and its number. FOLDER/findings/SEED-NUMBER has the files of each finding and `finding.txt`. The exit status is
1 if there are any.
"""

import argparse
import collections
import importlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
from typing import List

from tests.fuzz.sandbox import make_folder, try_case
from tests.fuzz.seeds import PARTS
from tests.fuzz.targets import NEEDS, TARGETS

ROOT = pathlib.Path(__file__).parents[2]
# Imported before cases are forked; none of them uses TensorFlow as it is imported.
_SLOW = ("elo_tf.evaluate.api", "elo_tf.train.api", "elo_tf.search.api", "elo_tf.embed.api", "elo_tf.prepare.api",
         "export.saved_model", "export.client", "elo_tf.search.reporting.report", "tests.towers")  # fmt: skip


def prepare(folder: pathlib.Path, targets: List[str]) -> None:
    """Makes the seeds that the targets need, where they are missing, and imports what cases need."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    needed = {part for name in targets for part in NEEDS[name]}
    parts = [part for part in PARTS if part in needed]
    subprocess.run([sys.executable, "-m", "tests.fuzz.seeds", str(folder / "seeds"), *parts], cwd=ROOT, check=True)
    for name in _SLOW:
        importlib.import_module(name)


def try_number(folder: pathlib.Path, seed: int, number: int, targets: List[str]) -> str:
    """Tries a case; returns the name of its target, with `!` behind it if it is a finding."""
    drawn = random.Random(f"{seed}/{number}")
    name = targets[number % len(targets)]
    place = make_folder(folder / "cases" / f"{seed}-{number}")
    case = TARGETS[name](drawn, folder / "seeds", place)
    fault = try_case(case, place)
    if fault is None:
        shutil.rmtree(place)
        return name
    kept = folder / "findings" / f"{seed}-{number}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(exist_ok=True)
    place.rename(kept)
    (kept / "finding.txt").write_text(f"{name}: {case.about}\n{fault}\n")
    print(f"\n{kept}: {name}: {case.about[:200]}\n{fault[-1200:]}", flush=True)
    return f"{name}!"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "runs" / "fuzz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--cases", type=int, default=sys.maxsize, help="end after so many")
    parser.add_argument("--only", type=int, help="number of a single case")
    given = parser.parse_args()
    folder, targets = given.folder.absolute(), given.targets.split(",")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "cases", ignore_errors=True)
    prepare(folder, targets)
    tried: collections.Counter = collections.Counter()
    number, end = given.only or 0, time.monotonic() + 60 * given.minutes
    last = number + (1 if given.only is not None else given.cases)
    while number < last and time.monotonic() < end:
        tried[try_number(folder, given.seed, number, targets)] += 1
        number += 1
    for name in targets:
        print(f"{name:<14} {tried[name] + tried[f'{name}!']:>6} cases, {tried[f'{name}!']} findings")
    return int(any(name.endswith("!") for name in tried))


if __name__ == "__main__":
    sys.exit(main())
