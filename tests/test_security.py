"""What is read is not executed, and every package is bounded: by the sources themselves."""

import ast
import configparser
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("elo_tf", "export") for path in (ROOT / folder).rglob("*.py"))
# Functions that make programs of data. That nothing is unpickled, test_flags.py sees to.
FORBIDDEN_CALLS = {"eval", "exec", "compile", "system", "popen"}


def faults(text: str) -> list:
    """What in a program would execute what it reads."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            found += _of_call(node)
    return found


def _of_call(node: ast.Call) -> list:
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    owner = getattr(getattr(node.func, "value", None), "id", "")
    given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
    if given.get("shell"):
        return ["shell=True"]
    # model.compile and re.compile are others.
    builtin = isinstance(node.func, ast.Name) or owner == "os"
    return [name] if name in FORBIDDEN_CALLS and builtin else []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_is_read_is_executed(path):
    assert faults(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    ["eval(text)", "exec(text, {})", "os.system(text)", "os.popen(text)", "subprocess.run(text, shell=True)"],
)
def test_what_would_execute_it_is_noticed(text):
    assert len(faults(text)) == 1
    assert faults("re.compile(text); model.compile(); subprocess.run([text])") == []


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
