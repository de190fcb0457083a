"""What is read is not executed, and every package is bounded: by the sources themselves."""

import ast
import configparser
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("elo_tf", "export") for path in (ROOT / folder).rglob("*.py"))
# Modules and functions that make programs of data.
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "system", "popen", "loads_pickle", "unsafe_load"}


def faults(text: str) -> list:
    """What in a program would execute what it reads."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None) or ""
            names = {alias.name.split(".")[0] for alias in node.names} | {module.split(".")[0]}
            found += sorted(names & FORBIDDEN_IMPORTS)
        elif isinstance(node, ast.Call):
            found += _of_call(node)
    return found


def _of_call(node: ast.Call) -> list:
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    owner = getattr(getattr(node.func, "value", None), "id", "")
    given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
    if given.get("shell"):
        return ["shell=True"]
    if owner in ("np", "numpy") and name == "load" and given.get("allow_pickle") is not False:
        return ["np.load that may unpickle"]
    # model.compile and re.compile are others.
    builtin = isinstance(node.func, ast.Name) or owner == "os"
    return [name] if name in FORBIDDEN_CALLS and builtin else []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_is_read_is_executed(path):
    assert faults(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from pickle import loads", "eval(text)", "exec(text, {})", "os.system(text)", "np.load(path)",
     "subprocess.run(text, shell=True)", "np.load(path, allow_pickle=True)", "import joblib as j"],
)  # fmt: skip
def test_what_would_execute_it_is_noticed(text):
    assert len(faults(text)) == 1
    assert faults("np.load(path, allow_pickle=False); re.compile(text); model.compile(); subprocess.run([text])") == []


def requirements():
    """(where, line) of each package that the project asks for."""
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        yield "requirements.txt", line.partition("#")[0].strip()
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    for extra, lines in parser["options.extras_require"].items():
        for line in lines.splitlines():
            yield extra, line.partition(";")[0].strip()


def test_every_package_is_bounded_above():
    lines = [(where, line) for where, line in requirements() if line]
    assert len(lines) > 20
    assert [each for each in lines if not re.search(r"(==|<)", each[1])] == []
