"""Table 4: searchers at equal training steps; and does a search improve accuracy, or fool its score?

    python -m experiments.table4 --worlds=second:31:0 --seeds=3 --budget=66 --folder=DIR
    python -m experiments.table4 --worlds=second:31:0 --seeds=3 --budget=66 --folder=DIR --searchers=cma_es \\
        --fitnesses=zipf,zipf_scale_free,agreement,weak
    python -m experiments.table4 --smoke              two searchers of a few trainings; no results

Every searcher searches by every fitness given, once a seed, with training steps for at most `--budget` candidates in
full; with rungs (`cma_es_rungs`) most candidates are trained shorter. The best are trained again under fresh seeds,
which name the winner. The true accuracies stand in the journals (`measured_search`), unseen by the searches. Searches
that have ended do not run again; tables and figure show all that the folder has of a world, by whichever command.

Hardware: 2 cores, one thread a candidate. A search of 66 candidates, 18 trainings to name the winner and one for its
report are 85 trainings of 250 steps: with the 14 terms of `fast` 1.9 hours on a busy machine (0.64 s a step), with nine
cheaper ones 1.1 hours (0.36 s).
Obtained on second:31:0 with --budget=24 --fitnesses=agreement, three seeds, 15 searches, 6.6 hours of one core: 1-layer
accuracy of the winners .268 +- .088 (grid), .253 +- .023 (CMA-ES with rungs), .221 +- .035 (CMA-ES), .198 +- .052
(random), .186 +- .084 (tournament); random losses .156, untrained .107. Over the 298 losses that were trained in full,
agreement with flow orders them by 1-layer accuracy with rho .68, .93 and .98 in the three seeds, the Zipf score free of
scale with -.43, .36 and -.22. CMA-ES by each fitness, one seed, four searches, 2.0 hours of one core: 1-layer accuracy
of the winners .094 (Zipf free of scale), .171 (Zipf as printed), .223 (agreement), .210 (ELo-weak); untrained .093.
See experiments/README.md, results/version_0.1/table4_second-31-0.md and results/version_0.1/by_fitness/.
"""

import dataclasses
import json
import math
import pathlib
import tempfile
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from elo_tf.config import Checked, EvolutionConfig, InputError, TaskConfig, from_flags, setting
from elo_tf.runtime import command_line, storage
from elo_tf.runtime.provenance import check_same
from elo_tf.search.evolution import base
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.rungs import Rungs
from experiments import courses, fig9_tables, markdown, rank_statistics, search_flags
from experiments.fig9_analysis import FITNESSES as SIGNS
from experiments.search_flags import MeasuredConfig
from experiments.truths import TRUTHS

# Row of the table -> strategy, and whether its candidates climb rungs.
SEARCHERS = {
    "cma_es": ("cma_es", False),
    "cma_es_rungs": ("cma_es", True),
    "tournament": ("tournament", False),
    "grid": ("grid", False),
    "random": ("random", False),
}
FITNESSES = ("zipf_scale_free", "zipf", "agreement", "weak")

# Searcher and fitness -> seed -> journal.
Journals = Dict[Tuple[str, str], Dict[int, Journal]]


@dataclasses.dataclass(frozen=True)
class Table4Config(Checked):
    """The flags of this experiment."""

    worlds: Tuple[str, ...] = setting(("second:31:0",), "worlds to search on, LIST:SEED:NUISANCE")
    searchers: Tuple[str, ...] = setting(tuple(SEARCHERS), "which searchers")
    fitnesses: Tuple[str, ...] = setting(("agreement",), f"what each of them searches by: {', '.join(FITNESSES)}")
    seeds: int = setting(3, "searches of each kind", low=1)
    budget: int = setting(66, "candidates whose training in full takes the steps that a search may use", low=4)
    population: int = setting(0, "candidates a round; 0 means 4 + 3 ln G", low=0)
    rungs: int = setting(2, "lengths of training of cma_es_rungs", low=2)
    rescore: int = setting(5, "best candidates that are trained again, besides the strategy's favourite", low=1)
    rescore_seeds: int = setting(3, "fresh seeds for each of them", low=1)

    def __post_init__(self):
        super().__post_init__()
        for name, known in (("searchers", tuple(SEARCHERS)), ("fitnesses", FITNESSES)):
            for given in getattr(self, name):
                if given not in known:
                    raise InputError(f"--{name}: {given!r} is unknown; choose from {', '.join(known)}")


def plan(searcher: str, config: Table4Config, steps: int, terms: int) -> EvolutionConfig:
    """The settings of a search that uses the budget, or as much of it as whole rounds can.

    Args:
      searcher: Key of `SEARCHERS`.
      config: The flags.
      steps: Of a training in full.
      terms: G.

    Raises:
      InputError: the budget is less than a round.
    """
    strategy, climbs = SEARCHERS[searcher]
    population = config.population or base.create("random", terms, 0).population
    pool = max(population, config.budget // 4)
    evolution = EvolutionConfig(
        strategy=strategy, population=population, rungs=config.rungs if climbs else 1, rescore=config.rescore,
        rescore_seeds=config.rescore_seeds, pool=pool, max_failures=1.0,
        tournament_size=max(2, pool // 4),  # A quarter, as by default; of one alone, none would be better.
    )  # fmt: skip
    # In a round in which enough candidates are feasible to fill all rungs.
    a_round = Rungs.of(steps, evolution.rungs, evolution.reduction).training_steps(population)
    rounds = config.budget * steps // a_round
    if not rounds:
        raise InputError(f"--budget={config.budget} is less than a round of {searcher}, {population} candidates")
    return dataclasses.replace(evolution, generations=rounds)


def read(world: pathlib.Path) -> Journals:
    """All searches of a world that have results, finished or not.

    Raises:
      InputError: one of them has another genome, other steps or clips than the first: they are not to be compared.
    """
    from elo_tf.search.journal.header import MAY_DIFFER

    # How they search, by what, and the seed.
    varied = {*MAY_DIFFER, "fitness", "seed", *(field.name for field in dataclasses.fields(EvolutionConfig))}
    found: Journals = {}
    first: Optional[Journal] = None
    for searcher in SEARCHERS:
        for fitness in FITNESSES:
            for path in sorted(world.glob(f"table4-{searcher}-{fitness}-*/journal.jsonl")):
                seed = path.parent.name.rsplit("-", 1)[1]
                journal = Journal.read(str(path))
                if seed.isdecimal() and journal.results():
                    first = first or journal
                    check_same(path, first.header, journal.header, "remove it, or give another --folder", varied)
                    found.setdefault((searcher, fitness), {})[int(seed)] = journal
    return found


def rows(journals: Journals) -> List[Dict[str, Any]]:
    """The numbers of each searcher and fitness, each a list over seeds."""
    table = []
    for (searcher, fitness), own in journals.items():
        winners = [won for won in map(courses.winner, own.values()) if won]
        costs = [courses.cost(journal) for journal in own.values()]
        table.append({
            "searcher": searcher,
            "fitness": fitness,
            "seeds": list(own),
            **{name: [each[name] for each in costs] for name in costs[0]},
            "winners": {name: [won[name] for won in winners] for name in courses.QUANTITIES},
            "drift": [courses.drift(journal) for journal in own.values()],
            "order": [courses.order(journal) for journal in own.values()],
        })  # fmt: skip
    return table


def write(journals: Journals) -> str:
    """The tables as Markdown."""
    head = ["searcher", "by", "searches", "trainings", "infeasible", "steps", "re-scoring steps", "minutes"]
    head += ["winner's fitness", "winner's k-means", "winner's 1-layer"]
    lines = markdown.head(head)
    table = rows(journals)
    for row in table:
        counts = [f"{np.mean(row[name]):.0f}" for name in ("trainings", "infeasible", "steps", "rescoring")]
        cells = [row["searcher"], row["fitness"], str(len(row["seeds"])), *counts]
        cells += [f"{np.mean(row['seconds']) / 60:.0f}", *(_spread(values) for values in row["winners"].values())]
        lines.append(markdown.row(cells))
    lines += ["", "Minutes are of workers, a search. ± is the s.d. over searches.", "", *_baselines(journals), ""]
    head = ["searcher", "by", "mean fitness, first -> last round", "k-means", "1-layer", "rho, fitness and 1-layer"]
    lines += markdown.head(head)
    for row in table:
        cells = [_change([each[name] for each in row["drift"] if each]) for name in courses.QUANTITIES]
        lines.append(markdown.row([row["searcher"], row["fitness"], *cells, _spread(row["order"])]))
    lines += ["", *_worth(journals)]
    return "\n".join(lines) + "\n"


def _worth(journals: Journals) -> List[str]:
    """How each fitness orders all losses of a seed that any search trained in full: Spearman's rho with 1-layer."""
    losses: Dict[int, Dict[Tuple[float, ...], Mapping[str, float]]] = {}
    for own in journals.values():
        for seed, journal in own.items():
            losses.setdefault(seed, {}).update(courses.measured(journal))
    seeds = sorted(losses)
    head = ["rho with 1-layer", *(f"seed {seed}, {len(losses[seed])} losses" for seed in seeds)]
    rows = []
    for name, sign in SIGNS.items():
        cells = []
        for seed in seeds:
            known = [each for each in losses[seed].values() if name in each]
            pairs = np.array([[sign * each[name], each[TRUTHS[-1]]] for each in known]).reshape(-1, 2).T
            spearman = rank_statistics.spearman
            cells.append(fig9_tables.with_interval([spearman(*pairs), *rank_statistics.interval(spearman, *pairs)]))
        rows.append([name, *cells])
    note = f"A good fitness has rho > 0; intervals are {rank_statistics.LEVEL:.0%}, over losses. Searches visit good"
    note += " ones more often, so that `fig9`, which draws them, is the fairer judge."
    return [*markdown.table(head, rows), "", note]


def _baselines(journals: Journals) -> List[str]:
    """The untrained tower, and losses at random: what a search has to beat."""
    from elo_tf.search.reporting.report import UNTRAINED

    untrained = {seed: journal.notes[UNTRAINED] for own in journals.values() for seed, journal in own.items()}
    values = [_spread([each[name] for each in untrained.values()]) for name in TRUTHS]
    lines = [f"Untrained tower, k-means / 1-layer: {' / '.join(values)}."]
    of_random = [own for (searcher, _), own in journals.items() if searcher == "random"]
    drawn = [courses.all_truths(journal) for journal in (of_random[0].values() if of_random else ())]
    if any(len(each) for each in drawn):
        means = np.array([each.mean(axis=0) for each in drawn if len(each)])
        count = sum(map(len, drawn))
        lines.append(f"Mean of {count} random losses: {' / '.join(_spread(column) for column in means.T)}.")
    return lines


def _spread(values: Sequence[float]) -> str:
    """`.310 ± .012`, s.d. with n - 1 in the denominator."""
    values = np.array([value for value in values if math.isfinite(value)])
    if not len(values):
        return "–"
    deviation = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}".replace("0.", ".")


def _change(pairs: Sequence[Tuple[float, float]]) -> str:
    if not pairs:
        return "–"
    return " -> ".join(_spread(column) for column in zip(*pairs))


def publish(name: str, world: pathlib.Path, folder: pathlib.Path, about: Mapping[str, str]) -> str:
    """Writes the tables, numbers and figure of a world; returns the tables."""
    from elo_tf.plots.files import save
    from elo_tf.search.reporting.report import UNTRAINED
    from experiments import table4_plots

    journals = read(world)
    text = write(journals)
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"table4_{name.replace(':', '-')}"
    head = [f"# Table 4, world {name}", "", *(f"{key}: {value}  " for key, value in about.items()), ""]
    storage.write_text(folder / f"{stem}.md", "\n".join([*head, text]))
    # What does not exist, such as the fitness of a generation without a feasible candidate, is null.
    numbers = json.loads(json.dumps({**about, "rows": rows(journals)}), parse_constant=lambda _: None)
    storage.write_text(folder / f"{stem}.json", json.dumps(numbers, indent=1) + "\n")
    found = {key: [courses.course(journal) for journal in own.values()] for key, own in journals.items()}
    first = next(iter(next(iter(journals.values())).values()))
    save(table4_plots.curves(found, first.notes[UNTRAINED], name), folder / f"{stem}.png")
    return text


def main() -> None:
    from experiments import measured_search

    config, shared, task = from_flags(Table4Config), from_flags(MeasuredConfig), from_flags(TaskConfig)
    with tempfile.TemporaryDirectory() as temporary:
        if shared.smoke:
            folder = shared.folder or temporary
            shared = dataclasses.replace(shared.small(), folder=folder, results=f"{temporary}/results")
            config = Table4Config(
                ("main:0:0.2",), ("cma_es_rungs", "random"), seeds=1, budget=4, population=4, rescore=1, rescore_seeds=1
            )
        for name in config.worlds:
            records = shared.prepare(name, shared.place())
            # All searchers at the first seed, then at the next: what is interrupted has some of everything.
            for seed in range(config.seeds):
                for fitness in config.fitnesses:
                    for searcher in config.searchers:
                        settings = shared.settings(records, seed, fitness, task)
                        terms = len(measured_search.term_names(settings))
                        evolution = plan(searcher, config, shared.steps, terms)
                        directory = records.parent / f"table4-{searcher}-{fitness}-{seed}"
                        print(f"{name}: {searcher} by {fitness}, seed {seed}", flush=True)
                        measured_search.search(settings, evolution, directory, shared.processes)
                        text = publish(name, records.parent, pathlib.Path(shared.results), search_flags.head("table4"))
            print(text, flush=True)


if __name__ == "__main__":
    command_line.run(main, __doc__, [Table4Config, MeasuredConfig, TaskConfig])
