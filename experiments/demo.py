"""What `make demo` ends with: one table, one picture, and in a sentence what they mean.

    python -m experiments.demo --evaluation=runs/demo/evaluation --picture=runs/demo/demo.png

Reads the results of `elo_tf.evaluate` for the towers that were trained by the evolved loss, by random ones, and by all
terms at weight 1, beside the untrained tower. Random losses have one row, their mean, as in the paper's Table 1; a line
below the table says how far they lie apart. Errors are standard errors of a proportion of the test videos; that of the
mean of random losses has their spread in it as well, since others could have been drawn. One is ahead of another if the
difference is more than two standard errors of the difference, taken as of independent towers.
"""

import json
import math
import pathlib
import statistics
import typing
from typing import Collection, Dict, List, NamedTuple, Sequence

from elo_tf.config import InputError, define_path
from elo_tf.plots.palette import BLUE, GREY, INK, ORANGE, PINK
from elo_tf.runtime import command_line

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

_EVALUATION = define_path("evaluation", "", "folder of results of python -m elo_tf.evaluate")
_PICTURE = define_path("picture", "", "file of the picture, .png")

# Name of the run directory, or of the baseline -> what it is called, and its colour. A row of several runs has those
# whose names begin so: random-1, random-2, ...
ROWS = {
    "evolved": ("evolved loss", BLUE),
    "random": ("random losses", ORANGE),
    "equal": ("all terms at 1", PINK),
    "scratch": ("untrained", GREY),
}
COLUMNS = {"kmeans": "k-means", "linear": "1-layer", "neighbours": "precision@5"}


class Share(NamedTuple):
    """A proportion of test videos, and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} ± {100 * self.error:.1f}"

    @classmethod
    def of(cls, value: float, videos: int) -> "Share":
        """A share of so many videos."""
        return cls(value, math.sqrt(value * (1 - value) / videos))

    @classmethod
    def mean(cls, shares: Sequence["Share"]) -> "Share":
        """Of several losses, drawn out of many, on the same videos, whose errors therefore do not average out."""
        values, errors = zip(*shares)
        spread = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        return cls(statistics.fmean(values), math.hypot(statistics.fmean(errors), spread))

    def ahead_of(self, other: "Share") -> bool:
        """Whether it is larger by more than two standard errors of the difference."""
        return self.value - other.value > 2 * math.hypot(self.error, other.error)


# Row -> column -> share.
Results = Dict[str, Dict[str, Share]]


class Evaluation(NamedTuple):
    """What was measured: means over the runs of each row, and the 1-layer accuracies of the runs with random losses."""

    results: Results
    random: List[float]


def read(folder: pathlib.Path, rows: Collection[str] = tuple(ROWS)) -> Evaluation:
    """The results of an evaluation.

    Args:
      folder: That of the evaluation.
      rows: Beginnings of the names of its runs and baselines.

    Raises:
      InputError: there are none, or they lack a row or a column.
    """
    path = folder / "results.json"
    try:
        measured = json.loads(path.read_text())["measurements"]
        runs: Dict[str, Dict[str, List[Share]]] = {name: {column: [] for column in COLUMNS} for name in rows}
        for each in measured:
            row = each["entrant"].split("-")[0]
            if row in rows and each["protocol"] in COLUMNS:
                runs[row][each["protocol"]].append(Share.of(each["accuracy"], each["test_videos"]))
    except FileNotFoundError:
        raise InputError(f"--evaluation={folder} has no results.json; evaluate first") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no file of results ({error}); evaluate again") from None
    lacking = [f"{protocol} of {name}" for name in rows for protocol in COLUMNS if not runs[name][protocol]]
    if lacking:
        raise InputError(f"{path} lacks {', '.join(lacking)}; evaluate them too")
    results = {name: {column: Share.mean(found) for column, found in columns.items()} for name, columns in runs.items()}
    return Evaluation(results, [share.value for share in runs["random"]["linear"]] if "random" in rows else [])


def table(results: Results) -> str:
    """The results in percent."""
    lines = [["trained by", *COLUMNS.values()]]
    lines += [[ROWS[name][0], *(str(results[name][column]) for column in COLUMNS)] for name in ROWS]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def spread(random: Sequence[float]) -> str:
    """What the row of random losses stands for."""
    if len(random) == 1:
        return "one random loss"
    each = ", ".join(f"{100 * accuracy:.1f}" for accuracy in random)
    return f"random losses: the mean of {len(random)}, whose 1-layer accuracies are {each}"


def sentence(results: Results) -> str:
    """What the 1-layer accuracies mean."""
    evolved = results["evolved"]["linear"]
    others = [name for name in ROWS if name != "evolved"]
    ahead = [name for name in others if evolved.ahead_of(results[name]["linear"])]
    behind = [name for name in others if results[name]["linear"].ahead_of(evolved)]
    even = [name for name in others if name not in ahead + behind]
    parts = [
        f"{word} {_names(names)}"
        for word, names in (("ahead of", ahead), ("even with", even), ("behind", behind))
        if names
    ]
    return (
        f"With one layer on its features, the tower of the evolved loss tells {100 * evolved.value:.0f} % of the "
        f"videos' classes, {', '.join(parts)} (ahead and behind: by more than two standard errors)."
    )


def _names(names: List[str]) -> str:
    shown = [f"{ROWS[name][0]}" for name in names]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def picture(results: Results) -> "Figure":
    """A panel a column, a bar a row, with two standard errors either way."""
    from elo_tf.plots import style

    figure = style.new_figure(2.9, width=8.0)
    panels = figure.subplots(1, len(COLUMNS), sharey=True)
    for axes, (column, title) in zip(panels, COLUMNS.items()):
        for place, (name, (label, colour)) in enumerate(ROWS.items()):
            share = results[name][column]
            axes.bar(place, 100 * share.value, yerr=200 * share.error, color=colour, ecolor=INK, capsize=3, label=label)
            axes.text(place, 100 * share.value + 200 * share.error + 0.8, f"{100 * share.value:.0f}", ha="center",
                      fontsize=style.LABEL, color=INK)  # fmt: skip
        style.tidy(axes, title=title)
        axes.set_xticks([])
        axes.margins(y=0.15)
    panels[0].set_ylabel("% of test videos, ± 2 s.e.", fontsize=style.LABEL)
    handles, labels = panels[0].get_legend_handles_labels()
    style.legend_below(figure, dict(zip(labels, handles)), columns=len(ROWS))
    return figure


def main() -> None:
    from elo_tf.plots.files import save

    for flag in (_EVALUATION, _PICTURE):
        if not flag.value:
            raise InputError(f"--{flag.name} is missing; see --help")
    results, random = read(pathlib.Path(_EVALUATION.value))
    save(picture(results), pathlib.Path(_PICTURE.value))
    print(f"{table(results)}\nin percent of the test videos, ± standard error; {spread(random)}\n{sentence(results)}")
    print(f"as a picture: {_PICTURE.value}")


if __name__ == "__main__":
    command_line.run(main, __doc__, [])
