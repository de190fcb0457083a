"""The documents name only files, symbols, tests and flags that exist, and docs/paper.md leaves nothing out."""

import ast
import functools
import itertools
import pathlib
import re
from typing import Dict, Iterator, List, NamedTuple, Set, Tuple
from xml.etree import ElementTree

import numpy as np
import pytest

import elo_tf
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from tests import notebooks

ROOT = pathlib.Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "export").rglob("*.md"),
                 ROOT / "experiments" / "README.md", notebooks.NOTEBOOK)
)  # fmt: skip
PROGRAMS = ("elo_tf", "export", "experiments")
# Of absl, of this project's Makefile, of other programs.
FOREIGN_FLAGS = {"help", "flagfile", "logdir", "wait", "rm", "enable_batching", "smoke"}

LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FLAG = re.compile(r"(?<![\w-])--([a-zA-Z_]\w*)(?:=([^\s,;`)]*))?")
ITEMS = [f"{kind} {number}" for kind, last in (("Eq.", 8), ("Table", 4), ("Fig.", 9)) for number in range(1, last + 1)]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


class Flag(NamedTuple):
    """What the code declares of a flag."""

    is_bool: bool
    choices: Tuple[str, ...]


@functools.cache
def parsed(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text())


def symbols(path: pathlib.Path) -> Set[str]:
    """Functions, classes and constants of a module, and members of its classes as `Class.member`."""
    found: Set[str] = set()
    for node in parsed(path).body:
        names = _names(node)
        found |= names
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{member}" for inner in node.body for member in _names(inner)}
    return found


def _names(node: ast.stmt) -> Set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


@functools.cache
def declared_flags() -> Dict[str, Flag]:
    """Every flag of every command: fields made by `setting`, and what `flags.DEFINE_...` or `define_path` declares."""
    found: Dict[str, Flag] = {}
    for path in itertools.chain.from_iterable((ROOT / folder).rglob("*.py") for folder in PROGRAMS):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.AnnAssign) and _calls(node.value, "setting"):
                kind = node.annotation.id if isinstance(node.annotation, ast.Name) else ""
                found[node.target.id] = Flag(kind == "bool", _choices(node.value))
            elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name.startswith("DEFINE_") or name == "define_path":
                    found[node.args[0].value] = Flag(name == "DEFINE_bool", ())
    return found


def _calls(node, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _choices(call: ast.Call) -> Tuple[str, ...]:
    """The values allowed, where they are written out."""
    try:
        return tuple(ast.literal_eval(next(word.value for word in call.keywords if word.arg == "choices")))
    except (StopIteration, ValueError):
        return ()


def flag_faults(text: str) -> List[str]:
    """Flags that no command has, `--no` before one that is not true or false, values that are not among its choices."""
    known, faults = declared_flags(), []
    for name, value in FLAG.findall(text):
        flag = known.get(name) or (known.get(name[2:]) if name.startswith("no") else None)
        if name in FOREIGN_FLAGS:
            continue
        if flag is None or (name not in known and not flag.is_bool):
            faults.append(f"--{name} is no flag")
        elif flag.choices:
            unknown = [word for word in re.findall(r"\w+", value) if word not in flag.choices]
            faults += [f"--{name}={word} is no choice" for word in unknown]
    return faults


def prose(path: pathlib.Path) -> str:
    """A document without its programs and commands, which `test_documented_commands` parses."""
    return FENCE.sub("", notebooks.text() if path == notebooks.NOTEBOOK else path.read_text())


def links(path: pathlib.Path) -> Iterator[Tuple[str, str]]:
    """(text, target) of the links to files of the project."""
    for text, target in LINK.findall(prose(path)):
        if "://" not in target and not target.startswith("#"):
            yield text, target.partition("#")[0]


def symbol_of(text: str, path: pathlib.Path) -> str:
    """What a link to a module means in it: a symbol in a code span, a test by its sentence; "" for the whole file."""
    if path.suffix != ".py" or text.strip("`").endswith(".py"):
        return ""
    return text.strip("`") if text.startswith("`") else f"test_{text.replace(' ', '_')}"


def file_faults(document: pathlib.Path, text: str) -> List[str]:
    """Names in code spans that look like files or folders of the project and are none."""
    tops = {path.name for path in ROOT.iterdir()}
    places = (ROOT, document.parent)
    faults = []
    for span in CODE.findall(text):
        name = span.rstrip("/")
        top = name.partition("/")[0]
        is_file = re.fullmatch(r"[\w./-]+\.(py|md|flags|yaml|config|cff|svg)", name)
        is_place = "/" in span and top in tops - {"runs"} and re.fullmatch(r"[\w./-]+", name)
        if (is_file or is_place) and not any((place / name).exists() for place in places):
            faults.append(span)
    return faults


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
class TestEveryDocument:
    def test_names_flags_that_exist(self, document):
        assert flag_faults(prose(document)) == []

    def test_names_files_that_exist(self, document):
        assert file_faults(document, prose(document)) == []

    def test_links_to_files_and_symbols_that_exist(self, document):
        for text, target in links(document):
            path = (document.parent / target).resolve()
            assert path.exists(), target
            name = symbol_of(text, path)
            assert not name or name in symbols(path), f"{name} is not in {target}"


def test_a_wrong_name_is_noticed():
    assert flag_faults("`--no_such_flag`") == ["--no_such_flag is no flag"]
    assert flag_faults("`--noclusters`") == ["--noclusters is no flag"]
    assert flag_faults("`--fitness=zipf|beauty`") == ["--fitness=beauty is no choice"]
    assert flag_faults("`--fitness=zipf`, `--nohealth_gate` and `--clusters=12`") == []
    assert file_faults(ROOT / "README.md", "`elo_tf/nowhere.py` and `elo_tf/tasks/`") == ["elo_tf/nowhere.py"]
    assert "Objective.total" in symbols(ROOT / "elo_tf" / "model" / "objective.py")
    assert symbol_of("a wrong name is noticed", pathlib.Path(__file__)) in symbols(pathlib.Path(__file__))
    assert symbol_of("a wrong name passes", pathlib.Path(__file__)) not in symbols(pathlib.Path(__file__))


class TestPaper:
    """docs/paper.md, a table row for each thing that the paper has."""

    text = (ROOT / "docs" / "paper.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]

    @pytest.mark.parametrize("item", ITEMS)
    def test_every_equation_table_and_figure_has_a_row(self, item):
        # In the column of the paper.
        assert any(re.search(rf"{re.escape(item)}\b", row.split(" | ")[0]) for row in self.rows)

    def test_every_departure_that_the_code_states_is_in_a_row_that_links_to_it(self):
        rows = [row for row in self.rows if "**Departure" in row]
        stated = [
            path
            for folder in PROGRAMS
            for path in sorted((ROOT / folder).rglob("*.py"))
            if re.search(r"\bDepartures?\b", path.read_text())
        ]
        assert len(stated) > 10
        missing = [
            str(path.relative_to(ROOT))
            for path in stated
            if not any(f"(../{path.relative_to(ROOT)})" in row for row in rows)
        ]
        assert missing == []

    def test_every_row_with_code_names_a_test(self):
        lacking = [row for row in self.rows if "(../elo_tf/" in row and "](../tests/" not in row]
        assert lacking == []


def test_the_program_of_the_search_page_prints_every_candidate(tmp_path, monkeypatch, capsys):
    directory = tmp_path / "SEARCH"
    directory.mkdir()
    header = {"seed": 0, "settings": {"steps": 9}, "names": ["rgb/shuffle"]}
    with Journal.open(str(directory / "journal.jsonl"), header) as journal:
        first, _ = journal.ask(np.array([[0.25], [0.5]]))
        journal.tell(first, TrialResult(9, 0, Fitness(0.75, None, 0.1, 5, {"gain": 0.25}), 1.0))
    (program,) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / "search.md").read_text(), re.DOTALL | re.MULTILINE
    )
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    shown = capsys.readouterr().out.splitlines()
    assert shown == ["0 {'rgb/shuffle': 0.25} (0.75, None, {'gain': 0.25})", "1 {'rgb/shuffle': 0.5} None"]


def test_the_overview_is_readable_on_any_background_and_by_itself():
    picture = (ROOT / "docs" / "overview.svg").read_text()
    root = ElementTree.fromstring(picture)
    _, _, width, height = map(float, root.get("viewBox").split())
    shapes = [element for element in root if element.tag.endswith("}rect")]
    first = shapes[0].attrib
    assert (float(first["width"]), float(first["height"]), first["fill"]) == (width, height, "#fff")
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", picture) == []
    # Every box with words in it lies inside of the picture.
    assert all(float(box.get("x", 0)) + float(box.get("width")) <= width for box in shapes)


def test_changelog_and_citation_are_of_this_version():
    released = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    cited = re.findall(r"^version: (\S+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert released[0] == elo_tf.__version__ and cited == [elo_tf.__version__]
