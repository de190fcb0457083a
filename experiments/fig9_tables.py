"""The tables of Fig. 9 as Markdown."""

import math
from typing import Dict, List, Sequence

import numpy as np

from experiments import markdown, rank_statistics
from experiments.fig9_analysis import (
    FITNESSES,
    PICKED_OF,
    TARGETS,
    Candidate,
    World,
    mean_rho,
    noise,
    partial_spearman,
    pearson,
    picked,
    spearman,
)
from experiments.truths import TRUTHS


def write(world: World) -> str:
    """All tables of a world as Markdown."""
    groups, seeds = world.groups(), sorted({each.seed for each in world.candidates})
    lines = [
        f"{len(world.candidates)} trainings; of the first of the seeds {', '.join(map(str, seeds))}: "
        + ", ".join(f"{len(own)} {name}" for name, own in groups.items())
        + (f". Agreement and the gate are of {world.agrees_with}" if world.agrees_with else "")
        + f". Untrained tower: {_number(world.untrained['true/kmeans'])} / {_number(world.untrained['true/linear'])}; "
        f"above chance is a 1-layer accuracy over {_number(world.chance)}. Signs are such that a good fitness "
        f"correlates positively; intervals are {rank_statistics.LEVEL:.0%}, over losses.",
    ]
    for name, own in groups.items():
        lines += ["", f"## Correlation, {name} ({len(own)} losses): Pearson r; Spearman rho", ""]
        lines += markdown.table(["fitness", *TARGETS], [[score, *_cells(own, score)] for score in world.fitnesses])
    lines += ["", "## What the scores read besides: the effective rank of the features", "", *_ranks(world)]
    lines += ["", f"## Best of {PICKED_OF} losses by each fitness", "", *_picks(world)]
    lines += ["", "## The same losses under other seeds", "", *_noises(world)]
    lines += ["", "## Variants of the fitness", "", *_variants(world)]
    return "\n".join(lines) + "\n"


def _cells(candidates: Sequence[Candidate], score: str) -> List[str]:
    return [
        "; ".join(with_interval(statistic(candidates, score, target)) for statistic in (pearson, spearman))
        if score != target
        else ""
        for target in TARGETS
    ]


def _ranks(world: World) -> List[str]:
    """How far a score only tells features of few dimensions from those of many, of which the search knows anyway."""
    rank, truth = "effective_rank", "true/linear"
    head = ["fitness", "rho, effective rank", "rho, 1-layer", "rho, 1-layer, at equal effective rank"]
    rows = [
        [name]
        + [with_interval(spearman(world.first, name, target)) for target in (rank, truth)]
        + [with_interval(partial_spearman(world.first, name, truth, rank))]
        for name in world.fitnesses
    ]
    return markdown.table(head, rows)


def _picks(world: World) -> List[str]:
    groups = world.groups()
    means = [
        _number(np.mean([each.measured[truth] for each in groups[name]]) if groups[name] else math.nan)
        for name in ("all", "passed the gate")
        for truth in TRUTHS
    ]
    rows = [
        [name, *(_number(picked(world.first, score, truth, gated)) for gated in (False, True) for truth in TRUTHS)]
        for name, score in [(name, name) for name in world.fitnesses] + [(f"oracle, {name}", name) for name in TRUTHS]
    ]
    gate = f"behind the gate by {world.agrees_with}" if world.agrees_with else "behind the gate"
    head = ["picked by", *TRUTHS, *(f"{truth}, {gate}" for truth in TRUTHS)]
    return markdown.table(head, [["chance: mean of them", *means], *rows])


def _noises(world: World) -> List[str]:
    rows = []
    for name in (*world.fitnesses, *TRUTHS):
        found = noise(world, name)
        rows.append([name, *(_number(found[part]) if found else "" for part in ("within", "between", "reliability"))])
    return markdown.table(["", "s.d. between seeds", "s.d. between losses", "reliability"], rows)


def _variants(world: World) -> List[str]:
    head = [
        "varied",
        "variant",
        "rho, k-means",
        "rho, 1-layer",
        "rho, 1-layer, above chance",
        "best of 16",
        "behind the gate",
        "reliability",
    ]
    rows = []
    for family, names in world.families.items():
        for place, name in enumerate(names):
            found = noise(world, name)
            rows.append([
                family, name + (" (the search's own)" if place == 0 else ""),
                *(with_interval(spearman(world.first, name, truth)) for truth in TRUTHS),
                with_interval(spearman(world.groups()["above chance"], name, "true/linear")),
                *(_number(picked(world.first, name, "true/linear", gated)) for gated in (False, True)),
                _number(found["reliability"]) if found else "",
            ])  # fmt: skip
    return markdown.table(head, rows)


def summarise(found: Sequence[World]) -> str:
    """Per family: the variant that the worlds of `choose` prefer, and what it is worth on those of `report`."""
    parts = {part: [world for world in found if world.part == part] for part in ("choose", "report")}
    lines = [f"{part}: {', '.join(world.name for world in own) or 'no world yet'}" for part, own in parts.items()]
    lines += ["", "Mean over the worlds of Spearman's rho with 1-layer accuracy.", ""]
    rows = []
    families: Dict[str, List[str]] = {}
    for world in found:  # Worlds of other settings have variants of their own.
        for family, names in world.families.items():
            own = families.setdefault(family, [])
            own += [name for name in names if name not in own]
    for family, names in families.items():
        means = {part: [mean_rho(own, name) for name in names] for part, own in parts.items()}
        chosen = int(np.nanargmax(means["choose"])) if np.isfinite(means["choose"]).any() else None
        for place, name in enumerate(names):
            is_own = any(world.families.get(family, [""])[0] == name for world in found)
            marks = [mark for mark, given in (("own", is_own), ("chosen", place == chosen)) if given]
            rows.append([family, name, *(_number(means[part][place]) for part in parts), ", ".join(marks)])
    lines += markdown.table(["varied", "variant", "choose", "report", ""], rows)
    rows = []
    for name in FITNESSES:
        # Agreement with sound and with flow are two fitnesses.
        for modality in sorted({world.agrees_with for world in found}) if name.startswith("agreement") else [None]:
            means = [
                mean_rho([world for world in own if modality in (None, world.agrees_with)], name)
                for own in parts.values()
            ]
            rows.append([f"{name} with {modality}" if modality else name, *map(_number, means)])
    return "\n".join([*lines, "", *markdown.table(["fitness in the journal", *parts], rows)]) + "\n"


def _number(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:.3f}".replace("0.", ".", 1)


def with_interval(values: Sequence[float]) -> str:
    """`.87 [.78, .93]`."""
    shown = ["–" if not math.isfinite(value) else f"{value:.2f}".replace("0.", ".", 1) for value in values]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]" if math.isfinite(values[0]) else shown[0]
