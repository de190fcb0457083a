"""RUN_DIR/lambdas.jsonl: the weights of a training that learns them, and the loss file made from them at the end.

{"step": 50, "lambdas": [0.5, 0.61, ...], "outer": 0.93}       a line an entry, in the order of the terms
learned_loss.json      mean over the second half of the path, a loss like that of a search
figures/lambdas.png    the path, as Fig. 3 and 7
"""

import dataclasses
import json
import pathlib
from typing import Dict, Mapping, Optional, Sequence

import numpy as np

from elo_tf.config import InputError, TaskConfig
from elo_tf.data.clips import MODALITIES
from elo_tf.model.objective import save_loss
from elo_tf.model.weighting.base import averaged
from elo_tf.plots.files import save
from elo_tf.plots.lambda_map import lambda_map
from elo_tf.runtime.append_only import AppendOnlyFile

EVERY = 10  # steps between entries
FILE, LOSS, FIGURE = "lambdas.jsonl", "learned_loss.json", "figures/lambdas.png"


class LambdaPath:
    """The weights of a run at some of its steps.

    Args:
      directory: Of the run.
      names: Of the terms.
      done: Steps that the run has done: later entries, which a killed program leaves, are cut off.

    Raises:
      InputError: the file is damaged, or another training holds it.
    """

    def __init__(self, directory: pathlib.Path, names: Sequence[str], done: int):
        self._directory = directory
        self._names = tuple(names)
        self._file = AppendOnlyFile(directory / FILE, f"{directory / FILE} is in use by another training")
        lines = self._file.lines()
        try:
            self.entries = [entry for entry in map(json.loads, lines) if entry["step"] <= done]
        except (ValueError, KeyError, TypeError) as error:
            self._file.close()
            raise InputError(f"{directory / FILE} is damaged ({error}); remove it, and a new path starts") from None
        self._file.cut(sum(len(line) + 1 for line in lines[: len(self.entries)]))

    def add(self, step: int, lambdas: np.ndarray, outer: Optional[float]) -> None:
        """Notes the weights [G] after so many steps, and the outer objective at their last update, if there is one."""
        if self.entries and self.entries[-1]["step"] >= step:
            return
        entry = {"step": step, "lambdas": lambdas.astype(float).tolist()}
        self.entries.append(entry if outer is None else {**entry, "outer": outer})
        self._file.append(f"{json.dumps(self.entries[-1])}\n".encode())

    def close(self) -> None:
        """Gives the file up."""
        self._file.close()

    def conclude(self, codes: Mapping[str, str], task: TaskConfig, units: Optional[Dict[str, float]], by: str) -> None:
        """Draws the path and writes the loss that it comes to.

        Args:
          codes: Short form of each name.
          task: How the terms are formed.
          units: Of the terms.
          by: Name of the weighting. Only weights in [0,1] are written as a loss.
        """
        values = np.array([entry["lambdas"] for entry in self.entries])  # [n,G]
        steps = np.array([entry["step"] for entry in self.entries], float)
        self._draw(values, steps, codes)
        if values.min() < 0 or values.max() > 1:
            return
        about = {"task": dataclasses.asdict(task), "strategy": by, "training_steps": int(steps[-1])}
        save_loss(self._directory / LOSS, self._names, averaged(values).tolist(), about, units)

    def _draw(self, values: np.ndarray, steps: np.ndarray, codes: Mapping[str, str]) -> None:
        middles = (steps[1:] + steps[:-1]) / 2
        edges = np.concatenate([steps[:1], middles, steps[-1:] + (1 if len(steps) == 1 else 0)])
        shown = values / max(1.0, values.max())
        bar = "λ" if values.max() <= 1 else f"weight / {values.max():.3g}"
        figure = lambda_map(
            shown.T, edges, self._names, codes, tuple(MODALITIES), bar, "step", "Weights over the training"
        )
        path = self._directory / FIGURE
        path.parent.mkdir(exist_ok=True)
        save(figure, path)
