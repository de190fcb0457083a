"""docs/quickstart.ipynb: its cells, and how it is run.

python -m tests.notebooks        runs it as it stands, in a new folder, and stores its outputs in it
"""

import json
import os
import pathlib
import tempfile
from typing import Any, Dict, List, Mapping

from elo_tf.data.records import short_hash

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"
# Tag of the cell whose variables a run may change, as papermill has it.
PARAMETERS = "parameters"


def cells(kind: str) -> List[Dict[str, Any]]:
    """Its cells of a kind, `code` or `markdown`, in order."""
    found = json.loads(NOTEBOOK.read_text())["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in found if cell["cell_type"] == kind]


def text() -> str:
    """What it says to a reader: its cells of Markdown."""
    return "\n\n".join(cell["source"] for cell in cells("markdown"))


def digest() -> str:
    """Stands for its code."""
    return short_hash([cell["source"] for cell in cells("code")])


def execute(folder: pathlib.Path, parameters: Mapping[str, Any]) -> Any:
    """The notebook with the outputs of a run in a folder, with other values for some of its variables.

    A kernel runs the cells, not `exec`: it starts worker processes, and shows pictures, as where a reader runs them.
    For that the `dev` extra has nbclient and ipykernel, which any Jupyter has too.

    Raises:
      nbclient.exceptions.CellExecutionError: a cell has raised something.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    if parameters:
        number = next(n for n, cell in enumerate(notebook.cells) if PARAMETERS in cell.metadata.get("tags", ()))
        lines = (f"{name} = {value!r}" for name, value in parameters.items())
        notebook.cells.insert(number + 1, nbformat.v4.new_code_cell("\n".join(lines)))
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=None, resources=place, coalesce_streams=True)
    return client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})


def store(folder: pathlib.Path) -> None:
    """Runs the notebook in a folder, and stores the outputs without progress bars and without the folder's name."""
    import nbformat

    notebook = execute(folder, {})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # When it began and ended.
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if "text" in output:
                    output.text = output.text.replace(f"{folder}/", "")
    notebook.metadata["code"] = digest()
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        store(pathlib.Path(place))
