"""Accuracies measured beside the fitness, on labels that no search sees (`measured_search`)."""

from typing import Dict, Optional, Tuple

TRUTHS = ("true/kmeans", "true/linear")


def truth_of(diagnostics: Dict[str, float]) -> Optional[Tuple[float, ...]]:
    """`TRUTHS` of a result, or None where they could not be measured."""
    return tuple(diagnostics[name] for name in TRUTHS) if all(name in diagnostics for name in TRUTHS) else None
