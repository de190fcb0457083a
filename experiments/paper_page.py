"""One page of all claims: the paper's numbers, ours, their ratio, and whether the claim holds here.

    python -m experiments.paper_page                      reads experiments/results, writes experiments/paper.md
    python -m experiments.paper_page --smoke              prints the page; writes nothing

Claims are listed in `claims`, their rules are in `claim_rules`; the tables below them are those of the results. What
has not run is said to be so.

Hardware: seconds on one core.
"""

import dataclasses
import itertools
import pathlib
from typing import List

from elo_tf.config import Checked, InputError, from_flags, setting
from elo_tf.runtime import command_line, storage
from experiments import markdown
from experiments.claim_rules import NOT_RUN, Outcome, Results
from experiments.claims import CLAIMS, Claim

# Files of results -> what they show; a pattern may have several.
TABLES = {
    "table1": "Table 1",
    "demo_worlds": "Table 1 over the five terms of the demo",
    "table2": "Table 2",
    "label_budgets": "Table 3, Fig. 5",
    "unlabelled_videos": "Fig. 6",
    "evolution": "Figs. 3, 7, 8",
    "table4_*": "Table 4",
    "fig9_*": "Fig. 9",
    "real_videos_*": "real videos",
}

INTRODUCTION = """# What of the paper holds here

Made by `python -m experiments.paper_page` from the results in `experiments/results`. The paper's numbers are of
ResNet-50 on HMDB51 and Kinetics, ours of small towers on rendered worlds, or of few real clips: not accuracies are to
be compared, but what beats what, and by which factor. A claim *holds* if it does beyond two standard errors over runs
(three or more), *does not hold* if the contrary does, and else *cannot be told*. Where more is not better, as for the
share of labels needed, a ratio below 1 is the better one.
"""


@dataclasses.dataclass(frozen=True)
class PageConfig(Checked):
    """The flags of the page."""

    results: str = setting("experiments/results", "folder of results", path=True)
    page: str = setting("experiments/paper.md", "file of the page", path=True)
    smoke: bool = setting(False, "prints the page, writes nothing")


def line(claim: Claim, outcome: Outcome) -> str:
    """The line of a claim in the table."""
    ratio = ""
    if claim.size and outcome.size is not None:
        ratio = f"{outcome.size / claim.size:.2f}"
    cells = [claim.text, claim.place, claim.paper, outcome.ours, ratio, outcome.verdict, outcome.reason]
    return markdown.row(cells)


def page(results: Results, folder: pathlib.Path) -> str:
    """The whole page as Markdown."""
    outcomes = [claim.read(results) for claim in CLAIMS]
    head = ["claim", "where", "paper", "here", "ratio of sizes", "verdict", "why"]
    lines = [
        INTRODUCTION,
        *markdown.head(head),
        *(line(claim, outcome) for claim, outcome in zip(CLAIMS, outcomes)), "",
        tally(outcomes), "",
    ]  # fmt: skip
    for pattern, title in TABLES.items():
        lines += _section(pattern, title, results, folder)
    return "\n".join(lines).rstrip() + "\n"


def tally(outcomes: List[Outcome]) -> str:
    """How many claims have which verdict."""
    counts = {}
    for outcome in outcomes:
        counts[outcome.verdict] = counts.get(outcome.verdict, 0) + 1
    return f"{len(outcomes)} claims: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))


def _section(pattern: str, title: str, results: Results, folder: pathlib.Path) -> List[str]:
    """Command, cost and table of results, or that there are none; long tables are linked, not copied."""
    found = results.all(pattern)
    if not found:
        return [f"## {title}", "", f"{NOT_RUN.capitalize()}.", ""]
    lines = [f"## {title}", ""]
    for name, content in found.items():
        lines += [f"[{name}.md](results/{name}.md): `{content['command']}`", ""]
        if "worlds" in content or name.startswith("real_videos"):
            facts = {key: content[key] for key in ("worlds", "budget", "test videos", "cost") if key in content}
            about = [f"{key}: {', '.join(fact) if isinstance(fact, dict) else fact}" for key, fact in facts.items()]
            lines += ["; ".join(about), "", *_table_of(folder / f"{name}.md"), ""]
    return lines


def _table_of(path: pathlib.Path) -> List[str]:
    """The lines of tables in a file of results.

    Raises:
      InputError: the numbers are there, the file is not.
    """
    try:
        written = path.read_text().splitlines()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist, {path.stem}.json does; make both again") from None
    tables = [list(lines) for is_table, lines in itertools.groupby(written, _is_of_table) if is_table]
    return [line for table in tables for line in ("", *table)][1:]


def _is_of_table(line: str) -> bool:
    return line.startswith("|")


def main() -> None:
    config = from_flags(PageConfig)
    folder = pathlib.Path(config.results)
    if not folder.is_dir():
        raise InputError(f"--results={folder} is not a folder; run the experiments first")
    text = page(Results(folder), folder)
    if not config.smoke:
        storage.write_text(config.page, text)
    print(text)


if __name__ == "__main__":
    command_line.run(main, __doc__, [PageConfig])
