"""The structure of the package: the contracts of .importlinter hold, and there is no circle of files or of folders."""

import graphlib
import pathlib
import subprocess
import sys

import grimp
import pytest


def test_import_contracts_are_kept():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    root = pathlib.Path(__file__).parent.parent
    done = subprocess.run([*command, "--no-cache"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "4 kept, 0 broken" in done.stdout


@pytest.fixture(scope="module")
def imports():
    """Module -> modules of the package that it imports."""
    graph = grimp.build_graph("elo_tf", cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_circle_of_files(imports):
    graphlib.TopologicalSorter(imports).prepare()  # Raises `CycleError`, which names the circle.


def test_no_circle_of_folders(imports):
    folders = {module.rpartition(".")[0] for module in imports}

    def folder(module):
        return module if module in folders else module.rpartition(".")[0]

    between = {name: set() for name in folders}
    for module, others in imports.items():
        between[folder(module)] |= {folder(other) for other in others} - {folder(module)}
    graphlib.TopologicalSorter(between).prepare()
