"""The architecture of setup.cfg holds: imports go one way, and evolution knows NumPy and cma only."""

import pathlib
import subprocess
import sys


def test_import_contracts_are_kept():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    root = pathlib.Path(__file__).parent.parent
    done = subprocess.run([*command, "--no-cache"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "4 kept, 0 broken" in done.stdout
