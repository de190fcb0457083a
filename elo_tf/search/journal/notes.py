"""Names of the facts that a journal notes once for a search."""

from typing import Any, Dict, List, Mapping

# Units of the terms, by name.
UNITS = "loss_units"
_DESCENT = "descent-{}"


def descent(number: int) -> str:
    """Name of the note of a training that learned λ (`--strategy=gradient`)."""
    return _DESCENT.format(number)


def descents(notes: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """All descents that are noted, in order; see `elo_tf.search.trials.descent.Descended`."""
    found: List[Dict[str, Any]] = []
    while descent(len(found)) in notes:
        found.append(notes[descent(len(found))])
    return found
