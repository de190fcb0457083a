"""λ over time as in Fig. 3 and 7: a row a λ, grouped by modality; a column a round or a step."""

from typing import Dict, List, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elo_tf.plots.palette import MAP

# Up to here single columns can be told apart on paper, and get gaps.
FEW_COLUMNS = 60


def by_modality(names: Sequence[str], modalities: Sequence[str]) -> Dict[str, List[int]]:
    """Places of the λ in `names` by modality, those of two modalities last."""
    groups: Dict[str, List[int]] = {name: [] for name in (*modalities, "pairs")}
    for index, name in enumerate(names):
        modality = name.split("/", 1)[0]
        groups[modality if modality in modalities else "pairs"].append(index)
    return {title: members for title, members in groups.items() if members}


def lambda_map(
    values: np.ndarray,
    edges: np.ndarray,
    groups: Mapping[str, Sequence[int]],
    labels: Sequence[str],
    bar: str,
    across: str,
    title: str,
) -> Figure:
    """The figure.

    Args:
      values: [G,n] in [0,1].
      edges: [n+1], where columns begin and end.
      groups: Title -> places of its λ (`by_modality`).
      labels: [G], of the rows.
      bar: Label of the bar of colours.
      across: Label of the columns.
      title: Of the figure.
    """
    columns = values.shape[1]
    width = min(max(0.2 * columns, 2.4), 8.0)
    figure = Figure(figsize=(width + 2.4, 0.2 * len(values) + 0.1 * len(groups) + 1.1), layout="constrained")
    heights = [len(members) for members in groups.values()]
    panels: List[Axes] = list(figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0])
    for axes, (name, members) in zip(panels, groups.items()):
        image = axes.pcolormesh(
            edges,
            np.arange(len(members) + 1) - 0.5,
            values[list(members)],
            vmin=0.0,
            vmax=1.0,
            cmap=MAP,
            edgecolors="white" if columns <= FEW_COLUMNS else "face",
            linewidth=0.6 if columns <= FEW_COLUMNS else 0.0,
        )
        axes.invert_yaxis()
        axes.set_yticks(range(len(members)), [labels[index] for index in members], fontsize=8)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        axes.tick_params(length=0, labelbottom=axes is panels[-1])
        axes.spines[:].set_visible(False)
    panels[-1].set_xlabel(across)
    figure.align_ylabels(panels)
    figure.colorbar(image, ax=panels, label=bar, fraction=0.05, pad=0.02)
    figure.suptitle(title, fontsize=11)
    return figure
