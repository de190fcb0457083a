"""Result files of an experiment: a table to read and its numbers as JSON, each with its provenance."""

import json
import pathlib
from typing import Any, Mapping, Union

from elo_tf.runtime import storage


def write(
    stem: Union[str, pathlib.Path], title: str, about: Mapping[str, Any], text: str, numbers: Mapping[str, Any]
) -> None:
    """Writes STEM.md and STEM.json; makes their folder where there is none.

    Args:
      stem: Path of both files, without their suffix.
      title: Heading of the table.
      about: Command, hardware, duration and whatever else; a line each above the table, and the first keys of the JSON.
      text: The table.
      numbers: Further keys of the JSON.
    """
    stem = pathlib.Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}: {value}" for name, value in about.items()]
    storage.write_text(f"{stem}.md", "\n".join([f"# {title}", "", *lines, "", text]))
    storage.write_text(f"{stem}.json", json.dumps({**about, **numbers}, indent=1) + "\n")
