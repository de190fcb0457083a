"""Fig. 6: do more unlabelled videos help, with fixed iterations and with fixed epochs?

    python -m experiments.unlabelled_videos --losses=evolved=FILE --folder=DIR
    python -m experiments.unlabelled_videos --smoke   a few videos and steps; no results

A tower is trained by the evolved loss on the first N videos of a world, for --sizes values of N, each twice as many as
the one before and --videos the last: once with as many clips for all (--clips), once with as many a video. The largest
N is the same tower in both, and that of `table1`. Without a loss file all terms have weight 1.

Hardware: 2 cores, a run a core; 1 to 3 minutes a run. Figures: results/unlabelled_videos.md, once it has run.
"""

import dataclasses
import pathlib
from typing import Any, Dict, List, Tuple

from elo_tf.config import Checked, InputError, from_flags, setting
from elo_tf.runtime import command_line
from experiments import jobs, markdown, result_files, table_text, tables, training, worlds
from experiments.contrasts import FAILS, Estimate, Run, contrast, estimate
from experiments.tables import Row, TablesConfig
from experiments.towers import Places

ITERATIONS, EPOCHS = "iterations fixed", "epochs fixed"
LOSSES = {"evolved": "ELo"}

# Number of videos -> run -> accuracy in [0,1].
Found = Dict[int, Dict[Run, float]]


@dataclasses.dataclass(frozen=True)
class VideosConfig(Checked):
    """The flags of this figure."""

    sizes: int = setting(5, "numbers of unlabelled videos, each half of the next", low=2)
    column: str = setting("linear", "accuracy that is drawn", choices=tuple(table_text.COLUMNS))


def amounts(most: int, sizes: int) -> List[int]:
    """Numbers of videos, ascending, each half of the next.

    Raises:
      InputError: the least is smaller than a batch, of which a video may have one clip only.
    """
    found = [most // 2**place for place in reversed(range(sizes))]
    least = training.DATA.batch_size
    if found[0] < least and sizes > 2:
        raise InputError(f"--videos={most} halved {sizes - 1} times is less than {least}; lower --sizes")
    return found


def make_row(config: TablesConfig, videos: int, fixed: str) -> Row:
    """Towers trained on so many videos."""
    files = tables.losses(config, LOSSES).get("evolved", ["equal"])
    towers = {}
    for run in config.runs():
        job = tables.by_terms(config, run, files[run[1] % len(files)])
        steps = job.train.steps
        if fixed == EPOCHS:
            steps = max(1, round(steps * videos / config.videos))
        train = dataclasses.replace(job.train, steps=steps)
        towers[run] = (dataclasses.replace(job, videos=videos, train=train),)
    return Row(f"{fixed}, {videos} videos", towers)


def prepare(config: TablesConfig, numbers: List[int], folder: pathlib.Path) -> Places:
    """The worlds, and the smaller ones that hold their first videos."""
    places = tables.prepare(config, folder, with_labels=False)
    unlabelled = dict(places.unlabelled)
    for name in config.worlds:
        for videos in numbers[:-1]:
            world = worlds.settings(name, world=videos, labelled_per_class=0)
            place = folder / f"{worlds.slug(world)}-{videos}-unlabelled"
            unlabelled[name, videos] = worlds.prepare(world, place, config.processes, ("unlabelled",)) / "unlabelled"
    return dataclasses.replace(places, unlabelled=unlabelled)


def collect(rows: Dict[Tuple[str, int], Row], record: jobs.Record, column: str) -> Dict[str, Found]:
    """What is recorded: iterations or epochs -> number of videos -> run -> accuracy."""
    own = table_text.values(list(rows.values()), record).get(column, {})
    found: Dict[str, Found] = {}
    for (fixed, videos), row in rows.items():
        if row.name in own:
            found.setdefault(fixed, {})[videos] = own[row.name]
    return found


def steps_up(found: Found) -> List[Estimate]:
    """The gain of each number of videos over the one before, within runs."""
    by_name = {str(videos): own for videos, own in found.items()}
    numbers = sorted(found)
    return [contrast({str(more): 1, str(less): -1}, by_name) for less, more in zip(numbers, numbers[1:])]


def whole_gain(found: Found) -> Estimate:
    """The gain of the most videos over the fewest, within runs."""
    by_name = {str(videos): own for videos, own in found.items()}
    return contrast({str(max(found)): 1, str(min(found)): -1}, by_name)


def is_monotone(gains: List[Estimate]) -> bool:
    """Whether no step goes down by more than two standard errors."""
    return not any(gain.verdict == FAILS for gain in gains)


def table(found: Dict[str, Found]) -> str:
    """A Markdown table, a line a condition: accuracy in percent by number of videos, and gains."""
    numbers = sorted({videos for own in found.values() for videos in own})
    head = ["unlabelled videos", *map(str, numbers), "most over fewest, points", "monotone within errors"]
    lines = markdown.head(head)
    for fixed, own in found.items():
        cells = [estimate(list(own.get(videos, {}).values())).percent for videos in numbers]
        monotone = "yes" if is_monotone(steps_up(own)) else "no"
        lines.append(markdown.row([fixed, *cells, whole_gain(own).points, monotone]))
    return "\n".join(lines) + "\n"


def publish(rows: Dict[Tuple[str, int], Row], record: jobs.Record, config: TablesConfig, own: VideosConfig) -> str:
    """Writes table, numbers and figure; returns the table."""
    from elo_tf.plots.files import save
    from experiments import table_plots

    found = collect(rows, record, own.column)
    text = table(found)
    if found and not config.smoke:
        stem = pathlib.Path(config.results, "unlabelled_videos")
        about = {**table_text.about("unlabelled_videos", list(rows.values()), record, config), "column": own.column}
        result_files.write(stem, "Fig. 6: more unlabelled videos", about, text, {"rows": numbers(found)})
        lines = {
            fixed: {videos: estimate(list(each.values())) for videos, each in sorted(by_videos.items())}
            for fixed, by_videos in found.items()
        }
        title = f"{table_text.COLUMNS[own.column]} accuracy"
        save(table_plots.curves(title, "unlabelled videos", lines), stem.with_suffix(".png"))
    return text


def numbers(found: Dict[str, Found]) -> List[Dict[str, Any]]:
    """The same as JSON, run by run."""
    return [
        {"row": fixed, "runs": [{"world": run[0], "seed": run[1], "videos": videos, "accuracy": value}
                                for videos, each in own.items() for run, value in each.items()]}
        for fixed, own in found.items()
    ]  # fmt: skip


def main() -> None:
    config, own = from_flags(TablesConfig), from_flags(VideosConfig)
    if config.smoke:
        config, own = dataclasses.replace(config.small(), finetune=False), VideosConfig(sizes=2)
    if own.column == "finetune" and not config.finetune:
        raise InputError("--column=finetune needs --finetune")
    numbers_of_videos = amounts(config.videos, own.sizes)
    rows = {
        (fixed, videos): make_row(config, videos, fixed)
        for fixed in (ITERATIONS, EPOCHS)
        for videos in numbers_of_videos
    }  # fmt: skip
    with config.place() as folder:
        places = prepare(config, numbers_of_videos, folder)
        budgets = [("all",)] if own.column == "finetune" else ()
        record = tables.run(list(rows.values()), places, config, budgets)
        print(publish(rows, record, config, own))


if __name__ == "__main__":
    command_line.run(main, __doc__, [TablesConfig, VideosConfig])
