"""Fig. 9: does the label-free fitness order losses as labels would, and which way to compute it does so best?

    python -m experiments.fig9 --part=choose --folder=DIR      worlds and losses on which settings are chosen
    python -m experiments.fig9 --part=report --folder=DIR      others, on which the choice is reported
    python -m experiments.fig9 --summary                       both, from experiments/results
    python -m experiments.fig9 --smoke                         four losses of three steps; no results

Losses (all ones, single terms, uniform, sparse; by default 100) are evaluated as the strategy `fixed`, some of them
again under other seeds. Each fitness in the journal is held against ELo-weak and against k-means and 1-layer accuracy
on held-out labels, which no search sees (`measured_search`): Pearson's r and Spearman's rho with bootstrap intervals,
also among those losses alone that taught something, and the truth of the best of 16. Every choice that the paper leaves
open is computed again from the saved embeddings (`fitness_variants`). What has ended does not run again. Writes
fig9_<world>.md, .json, .png and _ranks.png.

Hardware: 2 cores, one thread a candidate. A world takes 116 trainings of 250 steps of 32 clips. With the 14 terms of
`fast` a step took 0.64 s on a busy machine, about 2.6 hours for a world; 0.36 s and 1.5 hours with nine terms,
without grey. Some minutes for the variants and the rendering come to it.
Obtained on second:301 with --losses=40 --repeats=6 --repeat_seeds=1 --steps=96 --videos=1200, 15 minutes: r with
1-layer accuracy .95 for predictability, .92 for agreement with flow, .50 for the Zipf score as printed, .95 for
ELo-weak.
With version 0.1, on second:31:0 with --losses=100 --repeats=4 --repeat_seeds=1 --videos=2000
--modalities=rgb,flow,audio --agree_with=audio, 73 minutes beside other work: Spearman's rho against 1-layer accuracy is
.54 for the Zipf score as printed, .50 for that free of scale, -.80 for agreement with sound, .90 for agreement with
flow, .92 for ELo-weak. On main:3:0 with --losses=100 --repeats=8 --agree_with=flow, 70 minutes beside other work: -.07,
-.28, agreement with flow .55, ELo-weak .84. To choose on, main:5:0 with --losses=60 --repeats=0, 45 minutes: agreement
with flow .78, with K = 12 .87, which is .83 on main:3:0; the Zipf scores -.11 and -.28. third:21:0 was not run. See
results/version_0.1/fig9_summary.md.
"""

import dataclasses
import json
import pathlib
import tempfile
import typing
from typing import Dict, List, Sequence, Tuple

import numpy as np

from elo_tf.config import Checked, EvolutionConfig, InputError, TaskConfig, from_flags, setting
from elo_tf.runtime import command_line, storage
from elo_tf.search.journal.journal import Journal
from experiments import fig9_tables, search_flags
from experiments.fig9_analysis import Candidate, World
from experiments.search_flags import MeasuredConfig

if typing.TYPE_CHECKING:
    from elo_tf.search.trials.candidate import Settings

# Part -> worlds where none are given, and the first seed: of the losses, the weights and the order of the clips.
PARTS = {"choose": (("main:5:0", "third:21:0"), 0), "report": (("second:31:0", "main:3:0"), 1000)}
ROUND = 10  # losses in a round of the search


@dataclasses.dataclass(frozen=True)
class Fig9Config(Checked):
    """The flags of this experiment."""

    part: str = setting("choose", "which worlds and seeds: to choose settings on, or to report", choices=tuple(PARTS))
    worlds: Tuple[str, ...] = setting((), "worlds in place of those of the part, LIST:SEED:NUISANCE")
    losses: int = setting(100, "losses of a world", low=4)
    repeats: int = setting(8, "losses that are trained under other seeds too", low=0)
    repeat_seeds: int = setting(2, "how many other seeds", low=0)
    summary: bool = setting(False, "write fig9_summary.md and all tables anew from the results; train nothing")


def draw_losses(terms: int, count: int, seed: int) -> List[Tuple[str, Tuple[float, ...]]]:
    """(kind, lambdas [G]) of losses: one `ones`, `single` terms (at most a third), then `uniform` and `sparse` in turn.

    A sparse loss has uniform weights on 2 to G/3 of its terms, drawn at random, and 0 elsewhere.
    """
    generator = np.random.default_rng(seed)
    drawn = [("ones", np.ones(terms))]
    corners = generator.permutation(terms)[: min(terms, count // 3)]
    drawn += [("single", np.eye(terms)[place]) for place in sorted(corners)]
    while len(drawn) < count:
        kind = ("uniform", "sparse")[len(drawn) % 2]
        weights = generator.random(terms)
        if kind == "sparse":
            size = generator.integers(min(2, terms), max(3, terms // 3 + 1))
            weights[generator.permutation(terms)[size:]] = 0.0
        drawn.append((kind, weights))
    return [(kind, tuple(weights.tolist())) for kind, weights in drawn[:count]]


def evaluate(
    settings: "Settings", losses: Sequence[Tuple[int, str, Tuple[float, ...]]], directory: pathlib.Path, processes: int
) -> Tuple[Journal, List[Candidate]]:
    """Trains and scores losses, (number, kind, lambdas); returns the journal, and what came of each."""
    from experiments import fitness_variants, measured_search

    rounds = -(-len(losses) // ROUND)
    evolution = EvolutionConfig(
        strategy="fixed", generations=rounds, population=ROUND, rescore=0, max_failures=1.0
    )  # fmt: skip
    vectors = tuple(lambdas for *_, lambdas in losses)
    journal = measured_search.search(settings, evolution, directory, processes, vectors, keep_embeddings=True)
    seed = settings.run.seed
    variants = fitness_variants.evaluate(directory / "embeddings", settings.fitness, seed)
    results = [result for generation in journal.generations() for result in generation.results]
    candidates = []
    for place, (result, (number, kind, lambdas)) in enumerate(zip(results, losses)):
        shown = {
            name: value for name, value in result.diagnostics.items() if not name.startswith(("loss/", "seconds/"))
        }
        candidates.append(Candidate(number, kind, seed, lambdas, result.reason, shown, variants.get(place, {})))
    return journal, candidates


def run_world(name: str, config: Fig9Config, shared: MeasuredConfig, task: TaskConfig, folder: pathlib.Path):
    """Runs what is missing of a world; returns it, and the seconds that its trainings took."""
    from elo_tf.data.records import Manifest
    from elo_tf.search.reporting.report import UNTRAINED
    from experiments import fitness_variants, measured_search

    records = shared.prepare(name, folder)
    seed = PARTS[config.part][1]
    terms = len(measured_search.term_names(shared.settings(records, seed, "zipf_scale_free", task)))
    losses = [(number, *loss) for number, loss in enumerate(draw_losses(terms, config.losses, seed))]
    chosen = np.random.default_rng(seed + 1).permutation(len(losses))[: config.repeats]
    repeated = [losses[number] for number in sorted(chosen)]
    candidates, seconds = [], 0.0
    untrained: Dict[str, float] = {}
    for offset in range(1 + (config.repeat_seeds if repeated else 0)):
        settings = shared.settings(records, seed + offset, "zipf_scale_free", task)
        directory = records.parent / f"fig9-{config.part}-{seed + offset}"
        journal, found = evaluate(settings, repeated if offset else losses, directory, shared.processes)
        candidates += found
        seconds += sum(result.seconds for result in journal.results())
        untrained = untrained or journal.notes[UNTRAINED]
    families = fitness_variants.families(settings.fitness)
    names = {family: [each.name for each in variants] for family, variants in families.items()}
    videos = len(Manifest.load(settings.fitness.labelled).of_split("holdout"))
    return World(name, config.part, videos, untrained, names, tuple(candidates)), seconds


def publish(world: World, folder: pathlib.Path, about: Dict[str, str]) -> str:
    """Writes the tables and figures of a world; returns the tables."""
    from elo_tf.plots.files import save
    from experiments import fig9_plots

    folder.mkdir(parents=True, exist_ok=True)
    stem = f"fig9_{world.name.replace(':', '-')}"
    text = fig9_tables.write(world)
    head = [f"# Fig. 9, world {world.name}", "", *(f"{name}: {value}  " for name, value in about.items()), ""]
    storage.write_text(folder / f"{stem}.md", "\n".join([*head, text]))
    storage.write_text(folder / f"{stem}.json", json.dumps({**about, **dataclasses.asdict(world)}) + "\n")
    save(fig9_plots.scatter(world), folder / f"{stem}.png")
    save(fig9_plots.rankings(world), folder / f"{stem}_ranks.png")
    return text


def summarise(folder: pathlib.Path) -> str:
    """Writes the table over all worlds that have results, and theirs anew.

    Raises:
      InputError: there are none.
    """
    paths = sorted(folder.glob("fig9_*.json"))
    if not paths:
        raise InputError(f"--results={folder} has no fig9_<world>.json; run a part first")
    worlds, facts = [], {field.name for field in dataclasses.fields(World)}
    for path in paths:
        content = json.loads(path.read_text())
        worlds.append(World.from_json(content))
        publish(worlds[-1], folder, {name: value for name, value in content.items() if name not in facts})
    text = fig9_tables.summarise(worlds)
    storage.write_text(folder / "fig9_summary.md", f"# Fig. 9 over worlds\n\n{text}")
    return text


def main() -> None:
    config, shared, task = from_flags(Fig9Config), from_flags(MeasuredConfig), from_flags(TaskConfig)
    if config.summary:
        print(summarise(pathlib.Path(shared.results)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        if shared.smoke:
            folder = shared.folder or temporary
            shared = dataclasses.replace(shared.small(), folder=folder, results=f"{temporary}/results")
            config = dataclasses.replace(config, worlds=("main:0:0.2",), losses=4, repeats=2, repeat_seeds=1)
        for name in config.worlds or PARTS[config.part][0]:
            world, seconds = run_world(name, config, shared, task, shared.place())
            minutes = f"{seconds / 60:.0f} (sum over {len(world.candidates)} trainings)"
            about = {**search_flags.head("fig9"), "minutes": minutes}
            print(publish(world, pathlib.Path(shared.results), about), flush=True)


if __name__ == "__main__":
    command_line.run(main, __doc__, [Fig9Config, MeasuredConfig, TaskConfig])
