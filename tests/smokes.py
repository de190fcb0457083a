"""Experiments at their smallest size, as their users start them."""

import pathlib
import subprocess
import sys
from typing import List, Optional


def smoke(module: str, folder: Optional[pathlib.Path] = None) -> str:
    """What the smallest run of an experiment prints; in a folder, it leaves its worlds and towers for the next."""
    root = pathlib.Path(__file__).parents[1]
    command = [sys.executable, "-m", f"experiments.{module}", "--smoke", *([f"--folder={folder}"] if folder else [])]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def rows_of(table: str) -> List[str]:
    """First cells of the lines of a Markdown table, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [line.split("|")[1].strip() for line in lines if "---" not in line][1:]
