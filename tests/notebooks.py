"""The cells of docs/quickstart.ipynb."""

import json
import pathlib
from typing import Any, Dict, List

NOTEBOOK = pathlib.Path(__file__).parents[1] / "docs" / "quickstart.ipynb"


def cells(kind: str) -> List[Dict[str, Any]]:
    """Its cells of a kind, `code` or `markdown`, in order."""
    found = json.loads(NOTEBOOK.read_text())["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in found if cell["cell_type"] == kind]


def text() -> str:
    """What it says to a reader: its cells of Markdown."""
    return "\n\n".join(cell["source"] for cell in cells("markdown"))
