"""λ over time as in Fig. 3 and 7: a row a λ, grouped by modality; a column a round or a step."""

from typing import Dict, List, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elo_tf.plots import style
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


def _label(name: str, codes: Mapping[str, str], group: str) -> str:
    """Of a row: what its group does not say of it, and its code, `shuffle  R-S`."""
    shown = name.partition("/")[2] if name.startswith(f"{group}/") else name
    code = codes.get(name, name)
    return shown if code == name else f"{shown}  {code}"


def lambda_map(
    values: np.ndarray,
    edges: np.ndarray,
    names: Sequence[str],
    codes: Mapping[str, str],
    modalities: Sequence[str],
    bar: str,
    across: str,
    title: str,
) -> Figure:
    """The figure.

    Args:
      values: [G,n] in [0,1].
      edges: [n+1], where columns begin and end.
      names: [G], of the λ.
      codes: Short form of each name; a name without one stands for itself.
      modalities: Groups of rows, in this order.
      bar: Label of the bar of colours.
      across: Label of the columns.
      title: Of the figure.
    """
    columns, groups = values.shape[1], by_modality(names, modalities)
    figure = style.new_figure(0.19 * len(values) + 0.1 * len(groups) + 1.1, title)
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
        axes.set_yticks(range(len(members)), [_label(names[index], codes, name) for index in members])
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=style.LABEL)
        axes.tick_params(length=0, labelbottom=axes is panels[-1], labelsize=style.TICK)
        axes.spines[:].set_visible(False)
    panels[-1].set_xlabel(across, fontsize=style.LABEL)
    figure.align_ylabels(panels)
    style.colour_bar(figure, image, panels, bar)
    return figure
