"""Rules that decide from results whether a claim of the paper holds here (`claims` lists the claims).

    results/*.json -> Results -> rule -> Outcome (ours, verdict, reason) -> `paper_page`

A rule answers whether a claim holds here beyond two standard errors (`contrasts`), not whether a number is met; where
the claim has a size, the ratio to the paper's stands beside it. Nothing is guessed: a rule without its results says so.
"""

import dataclasses
import json
import pathlib
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from elo_tf.config import InputError
from experiments import contrasts, demo_worlds, fig9_analysis, label_budgets, table1, unlabelled_videos
from experiments.contrasts import FAILS, HOLDS, UNTOLD, Estimate, Values

NOT_RUN = "not run"
MARGIN = 0.05  # Of accuracy: what is behind by less counts as equal where the paper says that two are.
_SEARCHERS = ("cma_es", "tournament", "grid", "random")  # As the paper orders them, the best first.


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What our results say of a claim.

    Attributes:
      ours: Our numbers, as text.
      verdict: `contrasts.HOLDS`, `FAILS`, `UNTOLD`, or `NOT_RUN`.
      reason: Why, in a few words.
      size: Ours in the unit of `claims.Claim.size`; None where there is none.
    """

    ours: str
    verdict: str
    reason: str
    size: Optional[float] = None


class Results:
    """The results of a folder, read when they are asked for.

    Args:
      folder: Of the JSON files.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder

    def content(self, name: str) -> Optional[Dict[str, Any]]:
        """Of NAME.json; None where there is none.

        Raises:
          InputError: it cannot be read.
        """
        path = self._folder / f"{name}.json"
        if not path.exists():
            return None
        try:
            content = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}); make it again") from None
        if not isinstance(content, dict) or "command" not in content:
            raise InputError(f"{path} is no file of results of this version; make it again")
        return content

    def all(self, pattern: str) -> Dict[str, Dict[str, Any]]:
        """Name -> content of all files that match."""
        found = {path.stem: self.content(path.stem) for path in sorted(self._folder.glob(f"{pattern}.json"))}
        return {name: content for name, content in found.items() if content}

    def values(self, name: str, column: str, of_runs: Sequence[str] = ()) -> Dict[str, Dict[Any, float]]:
        """Row -> run -> accuracy in a column, of the file of a table; empty where there is none.

        Args:
          name: Of the file.
          column: Key of a run.
          of_runs: Further keys of a run, such as `labels`, that become part of the row's name.
        """
        found: Dict[str, Dict[Any, float]] = {}
        for row in (self.content(name) or {}).get("rows", ()):
            for run in row["runs"]:
                if column in run:
                    key = "|".join([row["row"], *(str(run[each]) for each in of_runs)])
                    found.setdefault(key, {})[run["world"], run["seed"]] = run[column]
        return found


def ahead(table: str, column: str, row: str, other: str, times: float = 1.0) -> Callable[[Results], Outcome]:
    """A rule: a row is ahead of another, or of a multiple of it; its size is the difference in points, or the ratio."""

    def read(results: Results) -> Outcome:
        values = results.values(table, column)
        return compare(values, row, other, times, f"python -m experiments.{table}")

    return read


def compare(values: Values, row: str, other: str, times: float, command: str) -> Outcome:
    """Whether a row is above so many times another, by the runs that both have."""
    gain = contrasts.contrast({row: 1, other: -times}, values)
    if not gain.runs:
        lacking = [name for name in (row, other) if not values.get(name)]
        return Outcome("", NOT_RUN, f"no runs of {' and '.join(lacking) or 'both'}; {command}")
    runs = contrasts.by_run({row: 1, other: 1}, values)
    both = [contrasts.estimate([values[name][run] for run in runs]) for name in (row, other)]
    ours = f"{row} {both[0].percent}, {other} {both[1].percent}"
    ratio = contrasts.ratio(row, other, values)
    size = ratio if times != 1 else 100 * gain.mean
    named = f"{row} - {times:g} x {other}" if times != 1 else "difference"
    return Outcome(ours, gain.verdict, because(gain, named), size)


def because(gain: Estimate, named: str = "difference") -> str:
    """A verdict in words."""
    if gain.runs < contrasts.FEWEST_RUNS:
        return f"{named} {gain.points} points in {gain.runs} runs; fewer than {contrasts.FEWEST_RUNS} tell nothing"
    return f"{named} {gain.points} points, {gain.runs} runs"


def not_behind(table: str, column: str, row: str, other: str) -> Callable[[Results], Outcome]:
    """A rule: a row is behind another by less than `MARGIN`, as where two are said to do equally well."""

    def read(results: Results) -> Outcome:
        values = results.values(table, column)
        plain = compare(values, row, other, 1.0, f"python -m experiments.{table}")
        if not plain.ours:
            return plain
        gain = contrasts.contrast({row: 1, other: -1}, values)
        verdict = dataclasses.replace(gain, mean=gain.mean + MARGIN).verdict
        return dataclasses.replace(
            plain, verdict=verdict, reason=f"{plain.reason}; asked: behind by less than {MARGIN:.0%}"
        )

    return read


def best_of(results: Results, column: str, rows: Sequence[str]) -> Tuple[str, Dict[str, Dict[Any, float]]]:
    """The row of table 1 that is best, and all its values."""
    values = results.values("table1", column)
    return contrasts.best(rows, values), values


def evolved_over_random(results: Results) -> Outcome:
    """Evolved without labels by the project's default, over random losses, k-means."""
    row = table1.EVOLVED["default"][0]
    values = results.values("table1", "kmeans")
    return sized_by_ratio(
        compare(values, row, table1.RANDOM, 1.0, "python -m experiments.table1"), row, table1.RANDOM, values
    )


def sized_by_ratio(plain: Outcome, row: str, other: str, values: Values) -> Outcome:
    """A comparison of two rows whose size is their ratio, not their difference in points."""
    return dataclasses.replace(plain, size=contrasts.ratio(row, other, values)) if plain.ours else plain


def in_the_demo(column: str, other: str, as_ratio: bool = False) -> Callable[[Results], Outcome]:
    """A rule: the evolved loss over another row of the demo, over its worlds; its size is in points, or the ratio."""

    def read(results: Results) -> Outcome:
        worlds = (results.content("demo_worlds") or {}).get("worlds", {})
        values: Dict[str, Dict[Any, float]] = {}
        for world, content in worlds.items():
            for row, columns in content["rows"].items():
                values.setdefault(demo_worlds.LABELS[row], {})[world] = columns[column][0]
        row, beside = demo_worlds.LABELS["evolved"], demo_worlds.LABELS[other]
        plain = compare(values, row, beside, 1.0, "python -m experiments.demo_worlds")
        return sized_by_ratio(plain, row, beside, values) if as_ratio else plain

    return read


def share_of_supervised(column: str) -> Callable[[Results], Outcome]:
    """A rule: evolved losses go at least the paper's part of the way from untrained to labels of other classes."""
    place = {"kmeans": 0, "linear": 1}[column]
    paper = table1.PAPER
    own = table1.EVOLVED["default"][1]
    low, high = paper[table1.UNTRAINED][place], paper[table1.LABELS][place]
    target = (own[place] - low) / (high - low)

    def read(results: Results) -> Outcome:
        row, values = table1.EVOLVED["default"][0], results.values("table1", column)
        # row - low >= target (high - low)
        weights = {row: 1.0, table1.UNTRAINED: target - 1, table1.LABELS: -target}
        gain = contrasts.contrast(weights, values)
        if not gain.runs:
            return Outcome("", NOT_RUN, "lacks runs of evolved, untrained or labels; python -m experiments.table1")
        share = contrasts.share(row, table1.UNTRAINED, table1.LABELS, values)
        return Outcome(f"{share:.2f}", gain.verdict, because(gain, f"beyond {target:.2f} of the way"), share)

    return read


def over_best_single(results: Results) -> Outcome:
    """Evolved by the default over the best single task, one layer."""
    best, values = best_of(results, "linear", tuple(table1.SINGLE))
    if not best:
        return Outcome("", NOT_RUN, "no runs of single tasks; python -m experiments.table1")
    return compare(values, table1.EVOLVED["default"][0], best, 1.0, "python -m experiments.table1")


def every_single_over_untrained(results: Results) -> Outcome:
    """Every single task over no training, one layer."""
    values = results.values("table1", "linear")
    gains = {row: contrasts.contrast({row: 1, table1.UNTRAINED: -1}, values) for row in table1.SINGLE}
    known = {row: gain for row, gain in gains.items() if gain.runs}
    if len(known) < len(gains):
        return Outcome(
            "", NOT_RUN, f"{len(known)} of {len(gains)} single tasks have runs; python -m experiments.table1"
        )
    verdicts = [gain.verdict for gain in known.values()]
    verdict = FAILS if FAILS in verdicts else UNTOLD if UNTOLD in verdicts else HOLDS
    others = [row for row, gain in known.items() if gain.verdict != HOLDS]
    ours = ", ".join(f"{row} {gain.points}" for row, gain in known.items())
    return Outcome(ours, verdict, f"not shown for {', '.join(others)}" if others else "all beyond two standard errors")


def labels_needed(results: Results) -> Outcome:
    """The share of labels with which ELo reaches what the untrained network reaches with all."""
    by_row = results.values("label_budgets", "finetune", ["labels"])
    curves: Dict[str, Dict[float, Dict[Any, float]]] = {}
    for name, runs in by_row.items():
        row, labels = name.rsplit("|", 1)
        curves.setdefault(row, {})[int(labels)] = runs
    if not {label_budgets.UNTRAINED, label_budgets.EVOLVED} <= set(curves):
        return Outcome("", NOT_RUN, "no runs of untrained and ELo; python -m experiments.label_budgets")
    means = {row: {labels: np.mean(list(own.values())) for labels, own in each.items()} for row, each in curves.items()}
    share = label_budgets.share_of_labels(means, label_budgets.EVOLVED)
    budgets = sorted(curves[label_budgets.EVOLVED])
    # By the rung of the ladder that is nearest below half of the labels, within runs.
    half = max((labels for labels in budgets if labels <= budgets[-1] / 2), default=budgets[0])
    rows = {"ELo": curves[label_budgets.EVOLVED][half], "all": curves[label_budgets.UNTRAINED][budgets[-1]]}
    gain = contrasts.contrast({"ELo": 1, "all": -1}, rows)
    ours = "never" if share is None else f"{share:.0%} of the labels"
    return Outcome(ours, gain.verdict, because(gain, f"ELo with {half} labels over untrained with all:"), share)


def more_videos(fixed: str) -> Callable[[Results], Outcome]:
    """A rule: the most unlabelled videos over the fewest, and no step down beyond two standard errors."""

    def read(results: Results) -> Outcome:
        by_row = results.values("unlabelled_videos", "accuracy", ["videos"])
        found = {int(name.rsplit("|", 1)[1]): own for name, own in by_row.items() if name.rsplit("|", 1)[0] == fixed}
        if len(found) < 2:
            return Outcome("", NOT_RUN, "python -m experiments.unlabelled_videos")
        gain = unlabelled_videos.whole_gain(found)
        means = [f"{videos}: {100 * np.mean(list(found[videos].values())):.1f}" for videos in sorted(found)]
        monotone = unlabelled_videos.is_monotone(unlabelled_videos.steps_up(found))
        verdict = gain.verdict if monotone else FAILS
        reason = because(gain, "most over fewest:") + ("" if monotone else "; a step goes down")
        return Outcome(", ".join(means), verdict, reason)

    return read


def searchers(results: Results) -> Outcome:
    """CMA-ES over the other searchers at equal steps, 1-layer accuracy of the winners, by search seed."""
    by_searcher: Dict[str, Dict[Tuple[str, int], float]] = {}
    for name, content in results.all("table4_*").items():
        for row in content["rows"]:
            if row["searcher"] in _SEARCHERS:
                for seed, value in zip(row["seeds"], row["winners"]["true/linear"]):
                    by_searcher.setdefault(row["searcher"], {})[f"{name} {row['fitness']}", seed] = value
    gains = {
        other: contrasts.contrast({"cma_es": 1, other: -1}, by_searcher) for other in _SEARCHERS[1:]
    }  # fmt: skip
    if not all(gain.runs for gain in gains.values()):
        return Outcome("", NOT_RUN, "python -m experiments.table4")
    verdicts = [gain.verdict for gain in gains.values()]
    verdict = FAILS if FAILS in verdicts else HOLDS if set(verdicts) == {HOLDS} else UNTOLD
    ours = ", ".join(f"over {other} {gain.points}" for other, gain in gains.items())
    return Outcome(ours, verdict, f"{min(gain.runs for gain in gains.values())} searches each")


def zipf_orders_losses(results: Results) -> Outcome:
    """Spearman's rho between the Zipf score as printed and k-means accuracy over random losses, world by world."""
    found = {}
    for content in results.all("fig9_*").values():
        world = fig9_analysis.World.from_json(content)
        if world.part != "report":
            continue  # Settings were chosen on it.
        found[world.name] = fig9_analysis.spearman(world.first, "zipf", "true/kmeans")[0]
    return correlation(found)


def correlation(found: Mapping[str, float]) -> Outcome:
    """Whether correlations of several worlds are above 0 beyond two standard errors of their mean."""
    if not found:
        return Outcome("", NOT_RUN, "python -m experiments.fig9")
    mean = contrasts.estimate(list(found.values()))
    ours = ", ".join(f"{name} {value:+.2f}" for name, value in found.items())
    return Outcome(ours, mean.verdict, f"mean {mean.mean:+.2f} of {mean.runs} worlds", mean.mean)


def terms_agree(results: Results) -> Outcome:
    """Whether searches agree on which terms rise and fall, more than chance."""
    content = results.content("evolution")
    if not content:
        return Outcome("", NOT_RUN, "python -m experiments.evolution_figures")
    same = [name for name, way in zip(content["terms"], content["directions"]) if not way.startswith("differs")]
    chance = content["expected by chance"]
    ours = f"{len(same)} of {len(content['terms'])} terms go one way in {len(content['searches'])} searches"
    if len(content["searches"]) < contrasts.FEWEST_RUNS:
        return Outcome(ours, UNTOLD, f"{chance:.1f} would by chance; too few searches")
    verdict = HOLDS if len(same) > chance + contrasts.ERRORS * np.sqrt(chance) else UNTOLD
    return Outcome(ours, verdict, f"{chance:.1f} would by chance")
