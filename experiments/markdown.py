"""Tables as lines of Markdown."""

from typing import List, Sequence


def row(cells: Sequence[str]) -> str:
    """One row."""
    return f"| {' | '.join(cells)} |"


def head(titles: Sequence[str]) -> List[str]:
    """The two lines that a table begins with."""
    return [row(titles), "|" + " --- |" * len(titles)]


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> List[str]:
    """A whole table."""
    return [*head(titles), *map(row, rows)]
