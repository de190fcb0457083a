"""Rows and jobs of the tables: what shares a tower, what losses may be given, the text worked by hand."""

import dataclasses
import json

import pytest

from elo_tf.config import InputError
from elo_tf.model.objective import save_loss
from experiments import jobs, label_budgets, search_flags, table1, table_text, tables, towers, unlabelled_videos
from experiments.table1 import Table1Config
from experiments.tables import Row, TablesConfig
from experiments.towers import FineTuning

CONFIG = TablesConfig(worlds=("second:301", "third:302"), seeds=3)
RUN = ("second:301", 0)
NAMES = ("rgb/shuffle", "flow/distill/stage4", "rgb-flow/embed")


@pytest.fixture
def loss(tmp_path):
    path = tmp_path / "evolved_loss.json"
    save_loss(path, NAMES, (0.5, 0.005, 1.0), {"task": {"embed_margin": 1.0}})
    return str(path)


class TestTowers:
    def test_a_tower_is_known_by_what_trains_it(self):
        job = tables.by_terms(CONFIG, RUN, tasks=["rgb/shuffle"])
        same = [dataclasses.replace(job, row="x", labelled=8), dataclasses.replace(job, protocols=("linear",))]
        other = [
            dataclasses.replace(job, seed=1),
            dataclasses.replace(job, videos=600),
            dataclasses.replace(job, frozen=("flow",)),
            dataclasses.replace(job, lambdas=(0.5,)),
            dataclasses.replace(job, world="third:302"),
        ]
        assert {towers.key(each) for each in same} == {towers.key(job)}
        assert len({towers.key(each) for each in [job, *other]}) == 6

    def test_a_tower_trained_by_other_labels_serves_all_worlds(self):
        labels = [towers.key(tables.by_labels(CONFIG, run)) for run in CONFIG.runs()]
        assert len(set(labels)) == CONFIG.seeds
        # Its number of labelled videos counts.
        more = dataclasses.replace(CONFIG, videos=2400)
        assert towers.key(tables.by_labels(more, RUN)) not in labels

    def test_what_does_not_train_an_untrained_tower_does_not_name_it(self):
        longer = dataclasses.replace(CONFIG, clips=640, videos=99)
        assert towers.key(tables.untrained(CONFIG, RUN)) == towers.key(tables.untrained(longer, RUN))


class TestLosses:
    def test_a_loss_is_formed_as_its_search_did_and_negligible_terms_are_left_out(self, loss):
        job = tables.by_terms(CONFIG, RUN, loss)
        assert (job.terms, job.lambdas) == (("rgb/shuffle", "rgb-flow/embed"), (0.5, 1.0))
        assert job.task.embed_margin == 1.0

    def test_units_of_gradients_go_along(self, tmp_path):
        path = tmp_path / "loss.json"
        save_loss(path, NAMES, (0.5, 0.1, 1.0), {}, dict(zip(NAMES, (1.0, 2.0, 3.0))))
        assert tables.by_terms(CONFIG, RUN, str(path)).units == (1.0, 2.0, 3.0)
        assert tables.by_terms(CONFIG, RUN, str(path), without=["*/distill/*"]).units == (1.0, 3.0)

    def test_random_and_equal_losses_may_have_the_terms_and_units_of_a_search(self, tmp_path):
        path = tmp_path / "loss.json"
        units = dict(zip(NAMES, (1.0, 2.0, 3.0)))
        save_loss(path, NAMES, (0.0, 0.1, 1.0), {"task": {"embed_margin": 1.0}}, units)
        config = dataclasses.replace(CONFIG, like=str(path))
        for loss in ("equal", "random:0"):
            job = tables.by_terms(config, RUN, loss)
            assert (job.terms, job.units, job.task.embed_margin) == (NAMES, (1.0, 2.0, 3.0), 1.0)
        # A single term is what it is called.
        assert tables.by_terms(config, RUN, tasks=["rgb/shuffle"]).units == ()

    def test_files_of_a_name_take_turns_over_the_seeds(self, tmp_path, loss):
        second = tmp_path / "second.json"
        save_loss(second, NAMES, (1.0, 1.0, 1.0), {})
        config = dataclasses.replace(CONFIG, losses=(f"default={loss}", f"default={second}"))
        (row,) = table1.make_rows(config, Table1Config(rows=("ELo*",)))
        first = [own[0].lambdas[0] if own[0].lambdas else 1.0 for run, own in row.towers.items() if run[0] == RUN[0]]
        assert first == [0.5, 1.0, 0.5]

    @pytest.mark.parametrize("given", ["best=x.json", "default", "=x.json"])
    def test_an_unknown_name_is_named(self, given):
        config = dataclasses.replace(CONFIG, losses=(given,))
        with pytest.raises(
            InputError, match=f"--losses: '{given}' is not NAME=FILE with a name of weak, zipf, default"
        ):
            table1.make_rows(config, Table1Config())

    def test_a_loss_of_another_version_is_refused(self, tmp_path):
        path = tmp_path / "loss.json"
        save_loss(path, NAMES, (0.5, 0.1, 1.0), {"task": {"beauty": 1}})
        with pytest.raises(InputError, match="'task' is not as a search of this version writes it"):
            tables.by_terms(CONFIG, RUN, str(path))


class TestTable1:
    def test_rows_are_those_of_the_paper_and_begin_with_as_many_clips(self):
        rows = table1.make_rows(CONFIG, Table1Config())
        names = [row.name for row in rows]
        assert names == [table1.UNTRAINED, table1.LABELS, *table1.SINGLE, table1.RANDOM, table1.EQUAL]
        every = [job for row in rows for own in row.towers.values() for job in own]
        assert {job.train.steps * job.data.batch_size for job in every} == {CONFIG.clips // 64 * 64}
        assert rows[0].paper == {"kmeans": 15.7, "linear": 17.8, "finetune": 35.2}

    def test_random_losses_differ_and_are_dealt_out_to_the_seeds(self):
        dealt = {run: table1.random_losses(CONFIG, run, 10) for run in CONFIG.runs()}
        assert [len(dealt["second:301", seed]) for seed in range(3)] == [4, 3, 3]
        assert len({job.lambdas for own in dealt.values() for job in own}) == 20

    def test_unknown_rows_are_named(self):
        with pytest.raises(InputError, match="--rows: 'beauty' matches none of untrained; labels of other classes"):
            table1.make_rows(CONFIG, Table1Config(rows=("beauty",)))


@pytest.fixture
def record(tmp_path):
    """Two seeds of two rows; a tower of the second diverged."""
    found = jobs.Record(tmp_path / "record")
    config = dataclasses.replace(CONFIG, worlds=("second:301",), seeds=2)
    rows = [
        Row("untrained", {run: (tables.untrained(config, run),) for run in config.runs()}, {"kmeans": 15.7}),
        Row("random", {run: table1.random_losses(config, run, 4) for run in config.runs()}, note="of four"),
    ]
    for (_, seed), (job,) in rows[0].towers.items():
        found.add(job, {"kmeans": 0.1, "linear": 0.1 + 0.1 * seed, "seconds": 1800, "test_videos": 720})
        found.add(FineTuning(job), {"accuracy": [0.4], "seconds": 1800, "test_videos": 720})
    (first, second), (third, fourth) = rows[1].towers.values()
    found.add(first, {"kmeans": 0.2, "linear": 0.2, "seconds": 1, "test_videos": 720})
    found.add(second, {"kmeans": 0.4, "linear": 0.6, "seconds": 1, "test_videos": 720})
    found.add(third, {"reason": "not finite: a by step 50", "seconds": 1})
    return rows, found, config


class TestText:
    def test_a_table_worked_by_hand(self, record):
        rows, found, _ = record
        lines = table_text.table(rows, found).splitlines()
        assert lines[0] == (
            "| trained by | paper: k-means | here | paper: 1-layer | here | paper: fine-tuned | here | runs | note |"
        )
        assert lines[2] == "| untrained | 15.7 | 10.0 ± 0.0 |  | 15.0 ± 5.0 |  | 40.0 ± 0.0 | 2 |  |"
        # The mean of the two towers of the first seed; of the second seed one diverged, one has not run.
        reason = "second:301, seed 1: not finite: a by step 50"
        assert lines[3] == f"| random |  | 30.0 |  | 40.0 |  | – | 1 | of four; {reason} |"

    def test_numbers_are_those_of_the_runs(self, record):
        rows, found, _ = record
        first, second = json.loads(json.dumps(table_text.numbers(rows, found)))
        assert first["runs"][1] == {"world": "second:301", "seed": 1, "kmeans": 0.1, "linear": 0.2, "finetune": 0.4}
        assert second["runs"] == [{"world": "second:301", "seed": 0, "kmeans": pytest.approx(0.3), "linear": 0.4}]

    def test_the_head_has_cost_and_test_videos(self, record):
        rows, found, config = record
        about = table_text.about("table1", rows, found, config)
        assert about["test videos"] == "720" and about["cost"] == "2.00 core-hours, 6 towers"

    def test_the_command_names_no_path_of_the_machine(self, monkeypatch):
        given = ["--folder=/a", "--losses=weak=/b/c.json,zipf=~/d.json", "--like=/e", "--seeds=2"]
        monkeypatch.setattr("sys.argv", ["x", *given])
        command = search_flags.head("table1")["command"]
        assert command == (
            "python -m experiments.table1 --folder=DIR --losses=weak=PATH,zipf=PATH --like=PATH --seeds=2"
        )

    def test_its_figure_has_a_panel_a_column_and_shows_each_run(self, record):
        from experiments import table_plots

        rows, found, _ = record
        panels = table_plots.bars(rows, table_text.values(rows, found)).axes
        assert [axes.get_title() for axes in panels] == ["k-means", "1-layer", "fine-tuned"]
        assert [bar.get_width() for bar in panels[1].patches] == pytest.approx([15, 40])


class TestUnlabelledVideos:
    def test_amounts_are_halves(self):
        assert unlabelled_videos.amounts(1200, 5) == [75, 150, 300, 600, 1200]
        with pytest.raises(InputError, match="--videos=600 halved 4 times is less than 64"):
            unlabelled_videos.amounts(600, 5)

    def test_iterations_or_epochs_are_equal_and_the_largest_is_shared(self):
        made = {
            (fixed, videos): unlabelled_videos.make_row(CONFIG, videos, fixed).towers[RUN][0]
            for fixed in (unlabelled_videos.ITERATIONS, unlabelled_videos.EPOCHS)
            for videos in (300, 600, 1200)
        }
        steps = {key: job.train.steps for key, job in made.items()}
        whole = CONFIG.clips // 64
        assert [steps[unlabelled_videos.ITERATIONS, videos] for videos in (300, 600, 1200)] == [whole] * 3
        assert [steps[unlabelled_videos.EPOCHS, videos] for videos in (300, 600, 1200)] == [78, 156, whole]
        keys = [towers.key(made[fixed, 1200]) for fixed in (unlabelled_videos.ITERATIONS, unlabelled_videos.EPOCHS)]
        assert keys[0] == keys[1] == towers.key(tables.by_terms(CONFIG, RUN))

    def test_monotone_within_errors(self):
        runs = [("w", seed) for seed in range(3)]

        def made(*means):
            return {2**place: dict(zip(runs, (mean - 0.01, mean, mean + 0.01))) for place, mean in enumerate(means)}

        wavering = {1: dict(zip(runs, (0.2, 0.3, 0.4))), 2: dict(zip(runs, (0.25, 0.2, 0.35)))}
        assert unlabelled_videos.is_monotone(unlabelled_videos.steps_up(made(0.2, 0.3, 0.3)))
        assert not unlabelled_videos.is_monotone(unlabelled_videos.steps_up(made(0.2, 0.3, 0.2)))
        assert unlabelled_videos.is_monotone(unlabelled_videos.steps_up(wavering))
        assert unlabelled_videos.whole_gain(made(0.2, 0.3, 0.25)).mean == pytest.approx(0.05)


class TestLabelBudgets:
    def test_the_ladder_is_balanced_and_ends_with_all(self):
        budgets = label_budgets.ladder(12, 720, 8)
        assert budgets[0] == 12 and budgets[-1] == 720 and len(budgets) == 8
        assert all(budget % 12 == 0 for budget in budgets) and sorted(budgets) == budgets
        assert label_budgets.ladder(10, 25, 8) == [10, 20, 25]

    def test_the_budget_that_reaches_a_level(self):
        budgets = [10, 100, 1000]
        # Half of the way between 100 and 1000 on the logarithmic axis.
        assert label_budgets.budget_reaching(0.5, budgets, [0.1, 0.4, 0.6]) == pytest.approx(100 * 10**0.5)
        assert label_budgets.budget_reaching(0.1, budgets, [0.1, 0.4, 0.6]) == 10
        assert label_budgets.budget_reaching(0.7, budgets, [0.1, 0.4, 0.6]) is None
        # From the last crossing on: what falls back has not reached it.
        assert label_budgets.budget_reaching(0.3, budgets, [0.35, 0.2, 0.4]) == pytest.approx(100 * 10**0.5)

    def test_the_papers_own_share_is_about_half(self):
        curves = {
            name: dict(zip(label_budgets.PAPER_BUDGETS, values)) for name, values in label_budgets.PAPER.items()
        }  # fmt: skip
        # 71.2 lies between 70.2 of 120 000 and 72.2 of 160 000 labels.
        assert label_budgets.share_of_labels(curves, "ELo") == pytest.approx((120e3 * 160e3) ** 0.5 / 225e3)
        assert label_budgets.share_of_labels(curves, "untrained") == pytest.approx(1)

    def test_a_table_worked_by_hand(self, tmp_path):
        found = {"untrained": {12: {RUN: 0.1}, 24: {RUN: 0.5}}, "ELo": {12: {RUN: 0.5}, 24: {RUN: 0.6}}}
        lines = label_budgets.table(found).splitlines()
        assert lines[2:] == ["| untrained | 10.0 | 50.0 | 100% | 100% |", "| ELo | 50.0 | 60.0 | 50% | 62% |"]

    def test_unknown_rows_are_named(self):
        with pytest.raises(InputError, match="--rows: 'beauty' is unknown; choose from untrained, frame shuffle"):
            label_budgets.BudgetsConfig(rows=("beauty",))
