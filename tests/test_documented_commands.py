"""Every command that a document, a docstring, a flag file or the Makefile gives has flags and values that exist."""

import collections
import json
import pathlib
import re
import shlex
import subprocess
import sys
from typing import Dict, Iterator, List, Tuple

import pytest

from tests import notebooks

ROOT = pathlib.Path(__file__).parents[1]
FOLDERS = ("elo_tf", "export", "experiments")
COMMAND = re.compile(r"python -m ((?:elo_tf|export|experiments)(?:\.\w+)+)(.*)")


def texts() -> Iterator[Tuple[str, str]]:
    """Name and text of all that may give a command to a reader."""
    paths = [ROOT / "README.md", ROOT / "Makefile", *sorted((ROOT / "docs").glob("*.md"))]
    for folder in FOLDERS:
        for ending in ("md", "py", "flags", "yaml", "config"):
            paths += sorted((ROOT / folder).rglob(f"*.{ending}"))
    for path in paths:
        yield str(path.relative_to(ROOT)), path.read_text()
    yield str(notebooks.NOTEBOOK.relative_to(ROOT)), notebooks.text()


def commands_of(text: str) -> Iterator[Tuple[str, List[str]]]:
    """Module and words of each command; a line that ends in a backslash goes on."""
    for line in re.sub(r"\\\\?\n\s*", " ", text).splitlines():
        for quoted in re.findall(r"`([^`]*)`", line) or [line]:
            match = COMMAND.search(quoted)
            if match and "{" not in quoted:  # Braces: a command that a program composes.
                yield match[1], _words(match[2])


def _words(rest: str) -> List[str]:
    """The flags and file names; a comment, a redirection and prose after two spaces or a quote are none of them."""
    rest = re.sub(r"\$\$?\([^)]*\)", "1", rest)
    rest = re.split(r"\s{2,}(?!-)|\s#|[|&>;\"]", rest)[0]
    try:
        words = shlex.split(rest)
    except ValueError:  # The apostrophe of a sentence.
        words = rest.split()
    # In the brackets of [--usage] stands what need not be given.
    words = [word if "[" in word[1:] else word.strip("[]") for word in words]
    return [word for word in words if word.startswith("-") or re.fullmatch(r"[\w./]+\.mp4", word)]


@pytest.fixture(scope="module")
def documented() -> Dict[str, Dict[Tuple[str, ...], str]]:
    """Module -> words of a command -> the first place that gives it."""
    found: Dict[str, Dict[Tuple[str, ...], str]] = collections.defaultdict(dict)
    for name, text in texts():
        for module, words in commands_of(text):
            found[module].setdefault(tuple(words), name)
    return found


def test_commands_are_found(documented):
    for module in ("prepare", "search", "train", "evaluate", "embed"):
        assert f"elo_tf.{module}" in documented
    readme = [words for words, place in documented["elo_tf.train"].items() if place == "README.md"]
    # The one that goes on in a second line.
    assert any("--save_every=1000" in words and "--loss=SEARCH/evolved_loss.json" in words for words in readme)
    assert "docs/your_videos.md" in {place for commands in documented.values() for place in commands.values()}
    assert sum(map(len, documented.values())) > 50


def test_modules_of_commands_exist(documented):
    for module in documented:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), (module, documented[module])


def test_flags_and_values_of_commands_exist(documented):
    given = {module: [list(words) for words in commands] for module, commands in documented.items()}
    # A flag that cannot be, to see that the check itself can fail.
    given["elo_tf.embed"].append(["--no_such_flag=1"])
    given["elo_tf.search"].append(["--fitness=beauty"])
    done = subprocess.run(
        [sys.executable, "-m", "tests.documented"], cwd=ROOT, input=json.dumps(given), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    complaints = json.loads(done.stdout)
    expected = [line for line in complaints if "no_such_flag" in line or "beauty" in line]
    assert len(expected) == 2, complaints
    assert [line for line in complaints if line not in expected] == []
